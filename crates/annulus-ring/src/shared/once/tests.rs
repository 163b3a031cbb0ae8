//! What is refused, and its neighbours that are not.

use super::*;

#[test]
fn plain_requests_complete_once() {
    for op in [Opcode::NOP, Opcode::READ, Opcode::RECV, Opcode::ACCEPT, Opcode::TIMEOUT] {
        assert!(completes_once(&Sqe::new(op)), "{op:?}");
    }
}

#[test]
fn what_completes_often_or_never_is_told_from_the_entry() {
    let refused = [
        Sqe { flags: SqeFlags::CQE_SKIP_SUCCESS, ..Sqe::new(Opcode::NOP) },
        Sqe { ioprio: RecvSendFlags::RECV_MULTISHOT.bits(), ..Sqe::new(Opcode::RECV) },
        Sqe { ioprio: RecvSendFlags::RECV_MULTISHOT.bits(), ..Sqe::new(Opcode::RECVMSG) },
        Sqe { ioprio: AcceptFlags::MULTISHOT.bits(), ..Sqe::new(Opcode::ACCEPT) },
        Sqe { len: PollFlags::ADD_MULTI.bits(), ..Sqe::new(Opcode::POLL_ADD) },
        Sqe { len: PollFlags::ADD_MULTI.bits(), ..Sqe::new(Opcode::POLL_REMOVE) },
        Sqe { op_flags: TimeoutFlags::MULTISHOT.bits(), ..Sqe::new(Opcode::TIMEOUT) },
        Sqe { op_flags: UringCmdFlags::MULTISHOT.bits(), ..Sqe::new(Opcode::URING_CMD) },
        Sqe::new(Opcode::READ_MULTISHOT),
        Sqe::new(Opcode::SEND_ZC),
        Sqe::new(Opcode::SENDMSG_ZC),
        Sqe::new(Opcode::RECV_ZC),
    ];
    for sqe in refused {
        assert!(!completes_once(&sqe), "{sqe:?}");
    }
}

#[test]
fn the_same_bits_mean_nothing_to_other_operations() {
    let fine = [
        Sqe { len: 1, ..Sqe::new(Opcode::READ) },
        Sqe { ioprio: 2, ..Sqe::new(Opcode::READ) },
        Sqe { op_flags: 64, ..Sqe::new(Opcode::RECV) },
        Sqe { ioprio: RecvSendFlags::POLL_FIRST.bits(), ..Sqe::new(Opcode::RECV) },
    ];
    for sqe in fine {
        assert!(completes_once(&sqe), "{sqe:?}");
    }
}

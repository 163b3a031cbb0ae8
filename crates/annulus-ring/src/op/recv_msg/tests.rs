//! The entry of [`RecvMsg`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn recv_msg_counts_one_message() {
    let op = RecvMsg {
        target: Target::Fd(5),
        msg: pointer(0x1000),
        flags: libc::MSG_CMSG_CLOEXEC,
        ioprio: RecvSendFlags::POLL_FIRST,
    };
    let golden = Sqe {
        opcode: Opcode(10),
        ioprio: 1,
        fd: 5,
        addr: 0x1000,
        len: 1,
        op_flags: 0x4000_0000,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn recv_msg_succeeds_or_fails() {
    assert_eq!(decoded::<RecvMsg>(5), Ok(5));
    assert_eq!(decoded::<RecvMsg>(-libc::ECONNREFUSED), Err(Errno(libc::ECONNREFUSED)));
}

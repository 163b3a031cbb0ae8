//! The entry of [`SendMsg`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn send_msg_counts_one_message() {
    let send = SendMsg {
        target: Target::Fd(6),
        msg: pointer(0xa000),
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::POLL_FIRST,
    };
    assert_eq!(
        encoded(&send),
        Sqe {
            opcode: Opcode(9),
            ioprio: 1,
            fd: 6,
            addr: 0xa000,
            len: 1,
            op_flags: 0x4000,
            ..Sqe::default()
        }
    );
}

#[test]
fn send_msg_yields_the_bytes_sent() {
    assert_eq!(decoded::<SendMsg>(3), Ok(3));
    assert_eq!(decoded::<SendMsg>(-libc::EMSGSIZE), Err(Errno(libc::EMSGSIZE)));
}

//! The entry of [`Recv`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn recv_has_message_flags_and_request_flags() {
    let recv = Recv {
        target: Target::Fd(6),
        addr: pointer(0x9000),
        len: 4096,
        flags: libc::MSG_PEEK,
        ioprio: RecvSendFlags::POLL_FIRST,
    };
    assert_eq!(
        encoded(&recv),
        Sqe {
            opcode: Opcode(27),
            ioprio: 1,
            fd: 6,
            addr: 0x9000,
            len: 4096,
            op_flags: 2,
            ..Sqe::default()
        }
    );
}

#[test]
fn recv_yields_the_bytes_received() {
    assert_eq!(decoded::<Recv>(0), Ok(0));
    assert_eq!(decoded::<Recv>(-libc::ECONNRESET), Err(Errno(libc::ECONNRESET)));
}

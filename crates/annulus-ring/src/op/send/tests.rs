//! The entry of [`Send`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn send_has_message_flags_and_request_flags() {
    let send = Send {
        target: Target::Fixed(2),
        addr: pointer(0x8000),
        len: 64,
        flags: libc::MSG_NOSIGNAL | libc::MSG_WAITALL,
        ioprio: RecvSendFlags::POLL_FIRST,
    };
    assert_eq!(
        encoded(&send),
        Sqe {
            opcode: Opcode(26),
            flags: SqeFlags::FIXED_FILE,
            ioprio: 1,
            fd: 2,
            addr: 0x8000,
            len: 64,
            op_flags: 0x4100,
            ..Sqe::default()
        }
    );
}

#[test]
fn send_yields_the_bytes_sent() {
    assert_eq!(decoded::<Send>(64), Ok(64));
    assert_eq!(decoded::<Send>(-libc::EPIPE), Err(Errno(libc::EPIPE)));
}

//! The entry of [`SendFixed`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn send_of_a_registered_buffer_names_it() {
    let op = SendFixed {
        target: Target::Fixed(5),
        buf_index: 2,
        addr: pointer(0x1000),
        len: 64,
        flags: libc::MSG_WAITALL,
        ioprio: RecvSendFlags::POLL_FIRST,
    };
    let golden = Sqe {
        opcode: Opcode(26),
        flags: SqeFlags::FIXED_FILE,
        ioprio: 1 | 4,
        fd: 5,
        addr: 0x1000,
        len: 64,
        op_flags: libc::MSG_WAITALL as u32,
        buf_index: 2,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (7, 2));
}

#[test]
fn send_of_a_registered_buffer_succeeds_or_fails() {
    assert_eq!(decoded::<SendFixed>(64), Ok(64));
    assert_eq!(decoded::<SendFixed>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

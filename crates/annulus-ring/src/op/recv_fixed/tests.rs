//! The entry of [`RecvFixed`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn recv_of_a_registered_buffer_names_it() {
    let op = RecvFixed {
        target: Target::Fixed(5),
        buf_index: 2,
        addr: pointer(0x1000),
        len: 64,
        flags: libc::MSG_WAITALL,
        ioprio: RecvSendFlags::POLL_FIRST,
    };
    let golden = Sqe {
        opcode: Opcode(27),
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
fn recv_of_a_registered_buffer_succeeds_or_fails() {
    assert_eq!(decoded::<RecvFixed>(64), Ok(64));
    assert_eq!(decoded::<RecvFixed>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

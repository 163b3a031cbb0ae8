//! The entry of [`MsgRing`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn msg_ring_has_the_completion_in_its_fields() {
    let op = MsgRing {
        target: Target::Fd(3),
        user_data: 99,
        res: -5,
        cqe_flags: Some(CqeFlags(7)),
        flags: MsgRingFlags::EMPTY,
    };
    let golden = Sqe {
        opcode: Opcode(40),
        fd: 3,
        off: 99,
        len: -5_i32 as u32,
        op_flags: 2,
        file_index: 7,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn msg_ring_succeeds_or_fails() {
    assert_eq!(decoded::<MsgRing>(0), Ok(()));
    assert_eq!(decoded::<MsgRing>(-libc::EBADFD), Err(Errno(libc::EBADFD)));
}

#[test]
fn msg_ring_passes_no_flags_unless_given() {
    let op = MsgRing {
        target: Target::Fd(3),
        user_data: 99,
        res: 0,
        cqe_flags: None,
        flags: MsgRingFlags::EMPTY,
    };
    let sqe = encoded(&op);
    assert_eq!((sqe.op_flags, sqe.file_index, sqe.addr), (0, 0, 0));
}

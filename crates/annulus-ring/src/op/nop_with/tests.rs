//! The entry of [`NopWith`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

const PLAIN: NopWith =
    NopWith { result: 0, file: None, buffer: None, task_work: false, extra: None };

#[test]
fn nop_with_a_result_has_it_in_its_length() {
    let op = NopWith { result: -5, ..PLAIN };
    let golden =
        Sqe { opcode: Opcode(0), fd: -1, len: (-5i32) as u32, op_flags: 1, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (6, 10));
}

#[test]
fn nop_with_everything_has_every_flag_and_leaves_the_entrys_own_alone() {
    let op = NopWith {
        result: 7,
        file: Some(Target::Fixed(3)),
        buffer: Some(2),
        task_work: true,
        extra: Some([11, 12]),
    };
    let golden = Sqe {
        opcode: Opcode(0),
        fd: 3,
        off: 11,
        addr: 12,
        len: 7,
        op_flags: 0b11_1111,
        buf_index: 2,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (6, 18));
    let file = NopWith { file: Some(Target::Fd(4)), ..PLAIN };
    assert_eq!((encoded(&file).fd, encoded(&file).op_flags), (4, 0b11));
}

#[test]
fn nop_with_a_result_succeeds_or_fails() {
    assert_eq!(decoded::<NopWith>(7), Ok(7));
    assert_eq!(decoded::<NopWith>(-libc::EBADF), Err(Errno(libc::EBADF)));
}

//! The entry of [`CancelMatching`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn cancel_matching_says_which_keys_it_has() {
    let op = CancelMatching {
        target: Some(Target::Fixed(5)),
        opcode: Some(Opcode::RECV),
        user_data: Some(77),
        all: true,
    };
    let golden =
        Sqe { opcode: Opcode(14), fd: 5, addr: 77, len: 27, op_flags: 0b11_1011, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn cancel_matching_succeeds_or_fails() {
    assert_eq!(decoded::<CancelMatching>(2), Ok(CancelOutcome::Done(2)));
    assert_eq!(decoded::<CancelMatching>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

#[test]
fn cancel_matching_needs_no_new_flag_for_user_data_alone() {
    let op = CancelMatching { target: None, opcode: None, user_data: Some(77), all: true };
    let sqe = encoded(&op);
    assert_eq!((sqe.fd, sqe.addr, sqe.op_flags), (-1, 77, 1));
}

#[test]
fn cancel_matching_without_a_key_matches_anything() {
    let op = CancelMatching { target: None, opcode: None, user_data: None, all: true };
    assert_eq!(encoded(&op).op_flags, 0b101);
}

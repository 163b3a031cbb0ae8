//! The entry of [`Nop128`].

use annulus_abi::{Errno, Sqe};

use super::*;
use crate::op::tests::{decoded_wide, encoded_wide};

#[test]
fn nop128_is_a_nop_with_nothing_behind_it() {
    let op = Nop128 { flags: NopFlags::TW };
    let golden = Sqe { opcode: Opcode(63), fd: -1, op_flags: 16, ..Sqe::default() };
    assert_eq!(encoded_wide(&op), Sqe128 { sqe: golden, cmd_rest: [0; 64] });
    assert_eq!(op.since(), (6, 19));
}

#[test]
fn nop128_succeeds_or_fails() {
    assert_eq!(decoded_wide::<Nop128>(0), Ok(()));
    assert_eq!(decoded_wide::<Nop128>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

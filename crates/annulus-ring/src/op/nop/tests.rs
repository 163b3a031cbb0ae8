//! The entry of [`Nop`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn nop_is_an_opcode_and_no_descriptor() {
    assert_eq!(encoded(&Nop), Sqe { opcode: Opcode(0), fd: -1, ..Sqe::default() });
}

#[test]
fn nop_succeeds_or_was_cancelled() {
    assert_eq!(decoded::<Nop>(0), Ok(()));
    assert_eq!(decoded::<Nop>(-libc::ECANCELED), Err(Errno(libc::ECANCELED)));
}

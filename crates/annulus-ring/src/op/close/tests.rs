//! The entry of [`Close`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn close_has_only_the_descriptor() {
    assert_eq!(encoded(&Close { fd: 12 }), Sqe { opcode: Opcode(19), fd: 12, ..Sqe::default() });
}

#[test]
fn close_succeeds_or_fails() {
    assert_eq!(decoded::<Close>(0), Ok(()));
    assert_eq!(decoded::<Close>(-libc::EBADF), Err(Errno(libc::EBADF)));
}

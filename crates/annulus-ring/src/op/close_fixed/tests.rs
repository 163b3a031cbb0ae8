//! The entry of [`CloseFixed`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn close_fixed_names_the_slot_from_one_and_no_descriptor() {
    assert_eq!(
        encoded(&CloseFixed { slot: 12 }),
        Sqe { opcode: Opcode(19), fd: 0, file_index: 13, ..Sqe::default() }
    );
}

#[test]
fn close_fixed_succeeds_or_fails() {
    assert_eq!(decoded::<CloseFixed>(0), Ok(()));
    assert_eq!(decoded::<CloseFixed>(-libc::EBADF), Err(Errno(libc::EBADF)));
}

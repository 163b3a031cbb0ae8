//! The entry of [`TimeoutRemove`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn timeout_remove_has_the_user_data_as_its_address() {
    let op = TimeoutRemove { user_data: 77 };
    let golden = Sqe { opcode: Opcode(12), fd: -1, addr: 77, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn timeout_remove_succeeds_or_fails() {
    assert_eq!(decoded::<TimeoutRemove>(0), Ok(()));
    assert_eq!(decoded::<TimeoutRemove>(-libc::ENOENT), Err(Errno(libc::ENOENT)));
}

//! The entry of [`PollRemove`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn poll_remove_has_the_user_data_as_its_address() {
    let op = PollRemove { user_data: 77 };
    let golden = Sqe { opcode: Opcode(7), fd: -1, addr: 77, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn poll_remove_succeeds_or_fails() {
    assert_eq!(decoded::<PollRemove>(0), Ok(()));
    assert_eq!(decoded::<PollRemove>(-libc::ENOENT), Err(Errno(libc::ENOENT)));
}

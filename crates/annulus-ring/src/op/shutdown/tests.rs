//! The entry of [`Shutdown`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn shutdown_has_its_direction_as_length() {
    let op = Shutdown { target: Target::Fd(5), how: libc::SHUT_WR };
    let golden = Sqe { opcode: Opcode(34), fd: 5, len: 1, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn shutdown_succeeds_or_fails() {
    assert_eq!(decoded::<Shutdown>(0), Ok(()));
    assert_eq!(decoded::<Shutdown>(-libc::ENOTCONN), Err(Errno(libc::ENOTCONN)));
}

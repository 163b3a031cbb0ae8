//! The entry of [`Listen`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn listen_has_its_backlog_as_length() {
    let op = Listen { target: Target::Fixed(5), backlog: 1024 };
    let golden =
        Sqe { opcode: Opcode(57), flags: SqeFlags::FIXED_FILE, fd: 5, len: 1024, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn listen_succeeds_or_fails() {
    assert_eq!(decoded::<Listen>(0), Ok(()));
    assert_eq!(decoded::<Listen>(-libc::EADDRINUSE), Err(Errno(libc::EADDRINUSE)));
}

//! The entry of [`Bind`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn bind_has_the_length_of_the_address_as_its_offset() {
    let op = Bind { target: Target::Fixed(5), addr: pointer(0x1000), addr_len: 16 };
    let golden = Sqe {
        opcode: Opcode(56),
        flags: SqeFlags::FIXED_FILE,
        fd: 5,
        off: 16,
        addr: 0x1000,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn bind_succeeds_or_fails() {
    assert_eq!(decoded::<Bind>(0), Ok(()));
    assert_eq!(decoded::<Bind>(-libc::EADDRINUSE), Err(Errno(libc::EADDRINUSE)));
}

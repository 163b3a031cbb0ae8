//! The entry of [`Fgetxattr`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn fgetxattr_has_its_value_as_offset_and_its_name_as_address() {
    let op =
        Fgetxattr { target: Target::Fd(3), name: pointer(0x1000), value: pointer(0x2000), len: 16 };
    let golden =
        Sqe { opcode: Opcode(43), fd: 3, off: 0x2000, addr: 0x1000, len: 16, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn fgetxattr_succeeds_or_fails() {
    assert_eq!(decoded::<Fgetxattr>(5), Ok(5));
    assert_eq!(decoded::<Fgetxattr>(-libc::ENODATA), Err(Errno(libc::ENODATA)));
}

//! The entry of [`Getxattr`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn getxattr_has_its_value_as_offset_and_its_name_as_address() {
    let op =
        Getxattr { path: pointer(0x3000), name: pointer(0x1000), value: pointer(0x2000), len: 16 };
    let golden = Sqe {
        opcode: Opcode(44),
        off: 0x2000,
        addr: 0x1000,
        len: 16,
        addr3: 0x3000,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn getxattr_succeeds_or_fails() {
    assert_eq!(decoded::<Getxattr>(5), Ok(5));
    assert_eq!(decoded::<Getxattr>(-libc::ENODATA), Err(Errno(libc::ENODATA)));
}

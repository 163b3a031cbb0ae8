//! The entry of [`Setxattr`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn setxattr_has_its_value_as_offset_and_its_name_as_address() {
    let op = Setxattr {
        path: pointer(0x3000),
        name: pointer(0x1000),
        value: pointer(0x2000),
        len: 16,
        flags: libc::XATTR_CREATE,
    };
    let golden = Sqe {
        opcode: Opcode(42),
        off: 0x2000,
        addr: 0x1000,
        len: 16,
        op_flags: 1,
        addr3: 0x3000,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn setxattr_succeeds_or_fails() {
    assert_eq!(decoded::<Setxattr>(0), Ok(()));
    assert_eq!(decoded::<Setxattr>(-libc::ENODATA), Err(Errno(libc::ENODATA)));
}

//! The entry of [`Fsetxattr`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn fsetxattr_has_its_value_as_offset_and_its_name_as_address() {
    let op = Fsetxattr {
        target: Target::Fd(3),
        name: pointer(0x1000),
        value: pointer(0x2000),
        len: 16,
        flags: libc::XATTR_CREATE,
    };
    let golden = Sqe {
        opcode: Opcode(41),
        fd: 3,
        off: 0x2000,
        addr: 0x1000,
        len: 16,
        op_flags: 1,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn fsetxattr_succeeds_or_fails() {
    assert_eq!(decoded::<Fsetxattr>(0), Ok(()));
    assert_eq!(decoded::<Fsetxattr>(-libc::ENODATA), Err(Errno(libc::ENODATA)));
}

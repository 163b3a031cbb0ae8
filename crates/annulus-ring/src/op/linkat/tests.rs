//! The entry of [`Linkat`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn linkat_has_its_new_directory_as_length_and_its_new_path_as_offset() {
    let op = Linkat {
        old_dir: 4,
        old_path: pointer(0x1000),
        new_dir: 5,
        new_path: pointer(0x2000),
        flags: libc::AT_SYMLINK_FOLLOW,
    };
    let golden = Sqe {
        opcode: Opcode(39),
        fd: 4,
        off: 0x2000,
        addr: 0x1000,
        len: 5,
        op_flags: 0x400,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn linkat_succeeds_or_fails() {
    assert_eq!(decoded::<Linkat>(0), Ok(()));
    assert_eq!(decoded::<Linkat>(-libc::EEXIST), Err(Errno(libc::EEXIST)));
}

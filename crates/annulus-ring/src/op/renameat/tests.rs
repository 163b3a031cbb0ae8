//! The entry of [`Renameat`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn renameat_has_its_new_directory_as_length_and_its_new_path_as_offset() {
    let op = Renameat {
        old_dir: libc::AT_FDCWD,
        old_path: pointer(0x1000),
        new_dir: libc::AT_FDCWD,
        new_path: pointer(0x2000),
        flags: libc::RENAME_NOREPLACE,
    };
    let golden = Sqe {
        opcode: Opcode(35),
        fd: -100,
        off: 0x2000,
        addr: 0x1000,
        len: -100_i32 as u32,
        op_flags: 1,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn renameat_succeeds_or_fails() {
    assert_eq!(decoded::<Renameat>(0), Ok(()));
    assert_eq!(decoded::<Renameat>(-libc::EEXIST), Err(Errno(libc::EEXIST)));
}

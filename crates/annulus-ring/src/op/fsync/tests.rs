//! The entry of [`Fsync`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn fsync_has_its_flags_and_no_range() {
    let fsync = Fsync { target: Target::Fd(3), flags: FsyncFlags::DATASYNC };
    assert_eq!(encoded(&fsync), Sqe { opcode: Opcode(3), fd: 3, op_flags: 1, ..Sqe::default() });
}

#[test]
fn fsync_succeeds_or_fails() {
    assert_eq!(decoded::<Fsync>(0), Ok(()));
    assert_eq!(decoded::<Fsync>(-libc::EIO), Err(Errno(libc::EIO)));
}

//! The entry of [`SyncFileRange`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn sync_file_range_has_a_range_and_flags() {
    let op = SyncFileRange {
        target: Target::Fd(3),
        offset: 4096,
        len: 8192,
        flags: libc::SYNC_FILE_RANGE_WRITE,
    };
    let golden =
        Sqe { opcode: Opcode(8), fd: 3, off: 4096, len: 8192, op_flags: 2, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn sync_file_range_succeeds_or_fails() {
    assert_eq!(decoded::<SyncFileRange>(0), Ok(()));
    assert_eq!(decoded::<SyncFileRange>(-libc::EIO), Err(Errno(libc::EIO)));
}

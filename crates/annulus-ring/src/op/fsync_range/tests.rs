//! The entry of [`FsyncRange`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn fsync_of_a_range_has_its_offset_and_length() {
    let op = FsyncRange {
        target: Target::Fixed(5),
        offset: 4096,
        len: 512,
        flags: FsyncFlags::DATASYNC,
    };
    let golden = Sqe {
        opcode: Opcode(3),
        flags: SqeFlags::FIXED_FILE,
        fd: 5,
        off: 4096,
        len: 512,
        op_flags: 1,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn fsync_of_a_range_succeeds_or_fails() {
    assert_eq!(decoded::<FsyncRange>(0), Ok(()));
    assert_eq!(decoded::<FsyncRange>(-libc::EIO), Err(Errno(libc::EIO)));
}

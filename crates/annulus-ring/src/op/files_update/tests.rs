//! The entry of [`FilesUpdate`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn files_update_has_its_first_slot_as_offset() {
    let op = FilesUpdate { fds: pointer(0x1000), count: 4, first: 16 };
    let golden =
        Sqe { opcode: Opcode(20), fd: -1, off: 16, addr: 0x1000, len: 4, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn files_update_succeeds_or_fails() {
    assert_eq!(decoded::<FilesUpdate>(5), Ok(5));
    assert_eq!(decoded::<FilesUpdate>(-libc::ENXIO), Err(Errno(libc::ENXIO)));
}

//! The entry of [`TimeoutUpdateNs`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn timeout_update_in_nanoseconds_has_them_in_the_entry() {
    let op = TimeoutUpdateNs { user_data: 9, timeout_ns: 70, flags: TimeoutFlags::ABS };
    let golden = Sqe {
        opcode: Opcode(12),
        fd: -1,
        off: 70,
        addr: 9,
        op_flags: 1 | 2 | 128,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (7, 1));
    let linked = TimeoutUpdateNs { flags: TimeoutFlags::LINK_UPDATE, ..op };
    assert_eq!(encoded(&linked).op_flags, 2 | 16 | 128);
}

#[test]
fn timeout_update_in_nanoseconds_succeeds_or_fails() {
    assert_eq!(decoded::<TimeoutUpdateNs>(0), Ok(()));
    assert_eq!(decoded::<TimeoutUpdateNs>(-libc::ENOENT), Err(Errno(libc::ENOENT)));
}

//! The entry of [`TimeoutUpdate`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn timeout_update_has_its_time_as_offset() {
    let op = TimeoutUpdate { user_data: 77, spec: pointer(0x1000), flags: TimeoutFlags::ABS };
    let golden =
        Sqe { opcode: Opcode(12), fd: -1, off: 0x1000, addr: 77, op_flags: 3, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn timeout_update_succeeds_or_fails() {
    assert_eq!(decoded::<TimeoutUpdate>(0), Ok(()));
    assert_eq!(decoded::<TimeoutUpdate>(-libc::ENOENT), Err(Errno(libc::ENOENT)));
}

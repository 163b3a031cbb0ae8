//! The entry of [`FutexWaitv`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn futex_waitv_counts_its_futexes_and_has_no_descriptor() {
    let op = FutexWaitv { waiters: pointer(0x1000), count: 2 };
    let golden = Sqe { opcode: Opcode(53), addr: 0x1000, len: 2, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn futex_waitv_succeeds_or_fails() {
    assert_eq!(decoded::<FutexWaitv>(5), Ok(5));
    assert_eq!(decoded::<FutexWaitv>(-libc::EAGAIN), Err(Errno(libc::EAGAIN)));
}

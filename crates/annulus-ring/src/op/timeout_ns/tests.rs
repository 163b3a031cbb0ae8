//! The entry of [`TimeoutNs`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn timeout_in_nanoseconds_has_them_in_the_entry() {
    let op = TimeoutNs { timeout_ns: 1_500_000_000, count: 3, flags: TimeoutFlags::MULTISHOT };
    let golden = Sqe {
        opcode: Opcode(11),
        fd: -1,
        off: 3,
        addr: 1_500_000_000,
        len: 1,
        op_flags: 64 | 128,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (7, 1));
}

#[test]
fn timeout_in_nanoseconds_ends_as_a_timeout_does() {
    assert_eq!(decoded::<TimeoutNs>(-libc::ETIME), Ok(TimeoutEnd::Expired));
    assert_eq!(decoded::<TimeoutNs>(0), Ok(TimeoutEnd::Counted));
    assert_eq!(decoded::<TimeoutNs>(-libc::ECANCELED), Err(Errno(libc::ECANCELED)));
}

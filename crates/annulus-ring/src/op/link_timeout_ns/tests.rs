//! The entry of [`LinkTimeoutNs`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn link_timeout_in_nanoseconds_has_them_in_the_entry() {
    let op = LinkTimeoutNs { timeout_ns: 1_500_000_000, flags: TimeoutFlags::BOOTTIME };
    let golden = Sqe {
        opcode: Opcode(15),
        fd: -1,
        addr: 1_500_000_000,
        len: 1,
        op_flags: 4 | 128,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (7, 1));
}

#[test]
fn link_timeout_in_nanoseconds_ends_as_a_link_timeout_does() {
    assert_eq!(decoded::<LinkTimeoutNs>(-libc::ETIME), Ok(LinkTimeoutEnd::Expired));
    assert_eq!(decoded::<LinkTimeoutNs>(-libc::ECANCELED), Ok(LinkTimeoutEnd::NotNeeded));
    assert_eq!(decoded::<LinkTimeoutNs>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

//! The entry of [`LinkTimeout`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn link_timeout_counts_one_timespec_and_no_completions() {
    let op = LinkTimeout { spec: pointer(0x1000), flags: TimeoutFlags::REALTIME };
    let golden =
        Sqe { opcode: Opcode(15), fd: -1, addr: 0x1000, len: 1, op_flags: 8, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn link_timeout_succeeds_or_fails() {
    assert_eq!(decoded::<LinkTimeout>(-libc::ETIME), Ok(LinkTimeoutEnd::Expired));
    assert_eq!(decoded::<LinkTimeout>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

#[test]
fn link_timeout_that_was_not_needed_is_no_error() {
    for errno in [libc::ECANCELED, libc::ENOENT] {
        assert_eq!(decoded::<LinkTimeout>(-errno), Ok(LinkTimeoutEnd::NotNeeded));
    }
    assert_eq!(decoded::<LinkTimeout>(-libc::EALREADY), Ok(LinkTimeoutEnd::Expired));
}

//! The entry of [`PollUpdate`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn poll_update_says_what_it_changes() {
    let op =
        PollUpdate { user_data: 77, events: Some(4), multishot: true, new_user_data: Some(78) };
    let golden =
        Sqe { opcode: Opcode(7), fd: -1, off: 78, addr: 77, len: 7, op_flags: 4, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn poll_update_succeeds_or_fails() {
    assert_eq!(decoded::<PollUpdate>(0), Ok(()));
    assert_eq!(decoded::<PollUpdate>(-libc::EALREADY), Err(Errno(libc::EALREADY)));
}

#[test]
fn poll_update_changes_only_what_is_given() {
    let unchanged =
        PollUpdate { user_data: 77, events: None, multishot: true, new_user_data: Some(78) };
    let sqe = encoded(&unchanged);
    assert_eq!((sqe.len, sqe.off, sqe.op_flags), (4, 78, 0));
    let events = PollUpdate { events: Some(1), multishot: false, new_user_data: None, ..unchanged };
    let sqe = encoded(&events);
    assert_eq!((sqe.len, sqe.off, sqe.op_flags), (2, 0, 1));
}

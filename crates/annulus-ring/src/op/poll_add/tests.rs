//! The entry of [`PollAdd`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn poll_add_has_its_events_as_flags_and_its_flags_as_length() {
    let poll = PollAdd {
        target: Target::Fd(7),
        events: (libc::EPOLLIN | libc::EPOLLEXCLUSIVE) as u32,
        flags: PollFlags::ADD_MULTI | PollFlags::ADD_LEVEL,
    };
    assert_eq!(
        encoded(&poll),
        Sqe { opcode: Opcode(6), fd: 7, len: 9, op_flags: 0x1000_0001, ..Sqe::default() }
    );
}

#[test]
fn poll_add_yields_the_events() {
    assert_eq!(decoded::<PollAdd>(5), Ok(5));
    assert_eq!(decoded::<PollAdd>(-libc::ECANCELED), Err(Errno(libc::ECANCELED)));
}

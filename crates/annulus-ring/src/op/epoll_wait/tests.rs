//! The entry of [`EpollWait`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn epoll_wait_counts_the_events_that_there_is_room_for() {
    let op = EpollWait { target: Target::Fd(3), events: pointer(0x1000), count: 64 };
    let golden = Sqe { opcode: Opcode(59), fd: 3, addr: 0x1000, len: 64, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn epoll_wait_succeeds_or_fails() {
    assert_eq!(decoded::<EpollWait>(5), Ok(5));
    assert_eq!(decoded::<EpollWait>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

//! Which of many sockets have hung up, asked in one call.

use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream;

use annulus_ring::{Kernel as _, Real};

use crate::support::skip;

fn look(fd: RawFd) -> libc::pollfd {
    libc::pollfd { fd, events: libc::POLLRDHUP, revents: 0 }
}

#[test]
fn sockets_that_have_hung_up_are_told_from_the_others() {
    let (kept, _peer) = UnixStream::pair().unwrap();
    let (left, gone) = UnixStream::pair().unwrap();
    drop(gone);
    let mut kernel = Real::new();
    let mut sockets = [kept.as_raw_fd(), -1, left.as_raw_fd()].map(look);
    assert_eq!(kernel.hung_up(&mut sockets), 1);
    assert_eq!(sockets.map(|socket| socket.revents != 0), [false, false, true]);
    assert!(kernel.is_hung_up(left.as_raw_fd()));
    assert!(!kernel.is_hung_up(kept.as_raw_fd()));
    assert_eq!(kernel.hung_up(&mut []), 0);
}

#[test]
fn sockets_that_cannot_be_asked_count_as_hung_up() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is valid for the call to fill.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    let more = usize::try_from(limit.rlim_cur).unwrap().saturating_add(1);
    if more > 1 << 24 {
        return skip("there may be too many descriptors for a list of more");
    }
    // poll(2) takes no more entries than there may be descriptors.
    let mut sockets = vec![look(-1); more];
    assert_eq!(Real::new().hung_up(&mut sockets), more);
    assert!(sockets.iter().all(|socket| socket.revents != 0));
}

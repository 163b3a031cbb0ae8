//! What these tests make again and again: files, connections, requests, and lists of results.

use std::{
    fs::File,
    io::Write as _,
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use annulus_ring::{
    Op, Ring, Target,
    abi::{PollFlags, RecvSendFlags, Timespec},
    op::{PollAdd, Read, Recv, Send, Write},
};

use super::{next, run};
use crate::support::wait;

/// The current position of a file, or what cannot seek.
pub const HERE: u64 = u64::MAX;

/// A time that passes within a test.
pub const SHORT: Timespec = Timespec { sec: 0, nsec: 1_000_000 };
/// A time that does not pass within a test.
pub const LONG: Timespec = Timespec { sec: 3600, nsec: 0 };

pub fn fd(file: &impl AsRawFd) -> Target {
    Target::Fd(file.as_raw_fd())
}

/// What a completion gave to the test.
pub fn owned(fd: RawFd) -> OwnedFd {
    assert!(fd >= 0);
    // SAFETY: the completion gave the descriptor to this test.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A file with this content, positioned at its end.
pub fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file
}

/// A TCP connection over loopback.
pub fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Both ends of a Unix connection that keeps the bounds of messages.
pub fn packets() -> (OwnedFd, OwnedFd) {
    let mut ends = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: room for the two descriptors that the call writes.
    let result = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) };
    assert_eq!(result, 0);
    (owned(ends[0]), owned(ends[1]))
}

pub fn read(target: Target, buffer: &mut [u8], offset: u64) -> Read {
    Read { target, addr: buffer.as_mut_ptr(), len: buffer.len() as u32, offset }
}

pub fn write(target: Target, bytes: &[u8], offset: u64) -> Write {
    Write { target, addr: bytes.as_ptr(), len: bytes.len() as u32, offset }
}

pub fn recv(target: Target, buffer: &mut [u8], flags: i32) -> Recv {
    let len = buffer.len() as u32;
    Recv { target, addr: buffer.as_mut_ptr(), len, flags, ioprio: RecvSendFlags::EMPTY }
}

pub fn send(target: Target, bytes: &[u8]) -> Send {
    let flags = libc::MSG_NOSIGNAL;
    let len = bytes.len() as u32;
    Send { target, addr: bytes.as_ptr(), len, flags, ioprio: RecvSendFlags::EMPTY }
}

/// A poll for something to read.
pub fn readable(target: Target) -> PollAdd {
    PollAdd { target, events: libc::POLLIN as u32, flags: PollFlags::EMPTY }
}

/// The next completions, in their order: user data and result.
pub fn results(ring: &mut Ring, count: usize) -> Vec<(u64, i32)> {
    (0..count)
        .map(|_| {
            let cqe = next(ring);
            (cqe.user_data, cqe.res)
        })
        .collect()
}

/// The next completions, in the order of their user data.
pub fn sorted(ring: &mut Ring, count: usize) -> Vec<(u64, i32)> {
    let mut results = results(ring, count);
    results.sort_unstable();
    results
}

/// Submits what was pushed, lets task work run, and sees that nothing has completed.
pub fn assert_silence(ring: &mut Ring) {
    for _ in 0..3 {
        ring.submit().unwrap();
        wait(ring, 0, None);
    }
    assert_eq!(ring.peek(), None);
}

/// Whether this kernel has an option that no probe tells of. `op` must be harmless; it is absent if
/// that is answered with EINVAL or EOPNOTSUPP, which is said on standard error.
pub fn has_option<O: Op>(ring: &mut Ring, op: &O) -> bool {
    let known = match run(ring, op) {
        Err(errno) => errno.0 != libc::EINVAL && errno.0 != libc::EOPNOTSUPP,
        Ok(_) => true,
    };
    if !known {
        let (major, minor) = op.since();
        super::said(&format!("an option of Linux {major}.{minor} is missing"), O::OPCODE);
    }
    known
}

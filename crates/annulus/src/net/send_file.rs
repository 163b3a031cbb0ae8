//! From a file to a socket, by the cheapest way that cannot block the core.
//!
//! Owns: the choice. sendfile(2) moves pages of the page cache without copying them, but reads from
//! the device, blocking, where they are missing; so it is used for what cachestat(2) says is
//! cached, and the ring reads the rest. The socket is nonblocking, so a full one gives EAGAIN and
//! is awaited by the ring.

use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

use annulus_ring::Kernel as _;
use annulus_ring::abi::Errno;

use super::stream::Socket;
use crate::core::op::Op;
use crate::core::socket_op::Ready;
use crate::fs::File;

/// How much is looked up and sent at once.
const STRIDE_BYTES: u64 = 1024 * 1024;
/// How much is read at once where the file is not cached.
const READ_BYTES: u64 = 256 * 1024;
const PAGE_BYTES: u64 = 4096;

pub(super) async fn send_file(socket: &Socket, file: &File, range: Range<u64>) -> io::Result<u64> {
    socket.room(Some(0)).await?;
    let mut at = range.start;
    let mut buf = Vec::new();
    while at < range.end {
        let want = (range.end - at).min(STRIDE_BYTES);
        match send_cached(socket, file, at, want)? {
            Sent::Bytes(0) => break,
            Sent::Bytes(n) => at += n,
            Sent::Interrupted => {}
            Sent::SocketFull => {
                let events = libc::POLLOUT as u32;
                Op::new(Ready { handle: socket.owned.handle(), events }).await?;
            }
            Sent::NotCached => {
                let want = want.min(READ_BYTES) as usize;
                let room = std::mem::take(&mut buf);
                let (n, read) = file.read_at(exactly(room, want), at).await?;
                if n == 0 {
                    break;
                }
                ((), buf) = socket.write_all(read).await?;
                at += n as u64;
            }
        }
    }
    Ok(at - range.start)
}

/// A vector with room for `bytes` bytes and no more, so that a read does not go beyond its range.
fn exactly(mut room: Vec<u8>, bytes: usize) -> Vec<u8> {
    if room.capacity() != bytes {
        room = Vec::with_capacity(bytes);
    }
    room
}

enum Sent {
    Bytes(u64),
    /// By a signal, before anything was sent.
    Interrupted,
    SocketFull,
    NotCached,
}

fn send_cached(socket: &Socket, file: &File, at: u64, want: u64) -> io::Result<Sent> {
    let (to, from) = (socket.owned.raw_fd(), file.as_raw_fd());
    socket.owned.with(|state, _| {
        let kernel = state.ring.kernel();
        let first_page = at / PAGE_BYTES;
        let pages = (at + want).div_ceil(PAGE_BYTES) - first_page;
        match kernel.cached(from, at, want) {
            Ok(cached) if cached >= pages => {}
            _ => return Ok(Sent::NotCached),
        }
        match kernel.send_file(to, from, at, want as usize) {
            Ok(n) => Ok(Sent::Bytes(n as u64)),
            Err(Errno(libc::EAGAIN)) => Ok(Sent::SocketFull),
            Err(Errno(libc::EINTR)) => Ok(Sent::Interrupted),
            // Not every file has pages to send (procfs): the ring can read those.
            Err(Errno(libc::EINVAL)) => Ok(Sent::NotCached),
            Err(errno) => Err(io::Error::from(errno)),
        }
    })?
}

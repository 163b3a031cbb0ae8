//! Bytes moved by calls that do not wait: on pipes, and on standard streams that are pipes; of
//! files that are in memory; to sockets.
//!
//! Owns: the calls, with the memory that they touch. Does not own: waiting until one of them would
//! succeed (a poll of the ring, `Ready`). A pipe's data is in memory or it is not, so a call that
//! does not wait never blocks, costs no entry of the ring, and leaves nothing in flight: a future
//! that was dropped has moved nothing.
//!
//! Invariant: user code (the methods of a buffer) runs while nothing of the core is borrowed.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use annulus_ring::abi::Errno;
use annulus_ring::{AnyKernel, Kernel as _};

use super::{Owned, adopted_fd, errors};
use crate::buf::{IoBuf, IoBufMut, receive_room};

/// What a call that does not wait came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Now {
    Done(usize),
    /// Nothing is there, or there is no room.
    Wait,
}

/// A write to a pipe that nobody reads sends no signal: since Linux 6.18.
const RWF_NOSIGNAL: i32 = 0x100;

/// The kernel has said that it does not know `RWF_NOSIGNAL`.
static SIGNALS: AtomicBool = AtomicBool::new(false);

impl Owned {
    /// Makes a call, again if it was interrupted.
    fn now(
        &self,
        mut call: impl FnMut(&mut AnyKernel, RawFd) -> Result<usize, Errno>,
    ) -> io::Result<Now> {
        let fd = self.raw_fd();
        self.with(|state, _| {
            loop {
                // SAFETY: the calls of this file leave it in its place.
                let kernel = unsafe { state.ring.any_kernel() };
                return match call(kernel, fd) {
                    Ok(moved) => Ok(Now::Done(moved)),
                    Err(Errno(libc::EINTR)) => continue,
                    Err(Errno(libc::EAGAIN)) => Ok(Now::Wait),
                    Err(errno) => Err(io::Error::from(errno)),
                };
            }
        })?
    }

    /// Reads what is there, from the buffer's first byte on. `flags` are `RWF_*`.
    pub(crate) fn read_now<B: IoBufMut>(&self, buf: &mut B, flags: i32) -> io::Result<Now> {
        self.read_buf_now(buf, None, flags)
    }

    fn read_buf_now<B: IoBufMut>(
        &self,
        buf: &mut B,
        offset: Option<u64>,
        flags: i32,
    ) -> io::Result<Now> {
        let (start, len) = (buf.bytes_mut_ptr(), receive_room(buf) as usize);
        // SAFETY: so many bytes are writable there and belong to the buffer, which is exclusively
        // borrowed (the contract of `IoBufMut`).
        let room = unsafe { std::slice::from_raw_parts_mut(start.cast::<MaybeUninit<u8>>(), len) };
        let read = self.now(|kernel, fd| kernel.read(fd, room, offset, flags))?;
        if let Now::Done(bytes) = read {
            // SAFETY: the kernel wrote so many bytes from the start, within the capacity.
            unsafe { buf.set_bytes_len(bytes) };
        }
        Ok(read)
    }

    /// Reads at an offset what is in memory, from the buffer's first byte on. A kernel or a file
    /// system that cannot tell what that is has nothing there, and of a file past the page cache
    /// nothing is.
    pub(crate) fn read_at_now<B: IoBufMut>(&self, buf: &mut B, offset: u64) -> io::Result<Now> {
        let is_cached = self.with(|state, key| {
            let (kernel, record) = (state.ring.kernel(), state.records.get(key));
            record.is_some_and(|record| record.luck.may_be(kernel, record.fd))
        })?;
        if !is_cached {
            return Ok(Now::Wait);
        }
        let unknown = [libc::EOPNOTSUPP, libc::ENOSYS].map(Some);
        match self.read_buf_now(buf, Some(offset), libc::RWF_NOWAIT) {
            Err(error) if unknown.contains(&error.raw_os_error()) => Ok(Now::Wait),
            read => read,
        }
    }

    /// Sends what a socket has room for of a buffer's bytes, from `sent` on. `flags` are `MSG_*`.
    pub(crate) fn send_now<B: IoBuf>(&self, buf: &B, sent: usize, flags: i32) -> io::Result<Now> {
        let (start, len) = (buf.bytes_ptr(), buf.bytes_len());
        debug_assert!(sent < len, "nothing is left to send");
        // SAFETY: so many initialised bytes are there, and the buffer is borrowed (the contract of
        // `IoBuf`).
        let bytes = unsafe { std::slice::from_raw_parts(start, len) };
        let bytes = bytes.get(sent..).unwrap_or_default();
        self.now(|kernel, fd| kernel.send(fd, bytes, flags))
    }

    /// As [`Owned::read_now`], into memory that is lent for the call.
    pub(crate) fn read_slice_now(&self, bytes: &mut [u8], flags: i32) -> io::Result<Now> {
        let (start, len) = (bytes.as_mut_ptr(), bytes.len());
        // SAFETY: so many bytes are writable there, and exclusively borrowed. The kernel writes
        // nothing but initialised bytes.
        let room = unsafe { std::slice::from_raw_parts_mut(start.cast::<MaybeUninit<u8>>(), len) };
        self.now(|kernel, fd| kernel.read(fd, room, None, flags))
    }

    /// Writes what there is room for. `flags` are `RWF_*`.
    pub(crate) fn write_now(&self, bytes: &[u8], flags: i32) -> io::Result<Now> {
        // ORDERING: Relaxed; a hint that only saves a call that would fail.
        let quiet = if SIGNALS.load(Ordering::Relaxed) { 0 } else { RWF_NOSIGNAL };
        let wrote = self.now(|kernel, fd| kernel.write(fd, bytes, flags | quiet));
        match wrote {
            Err(error) if quiet != 0 && error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                // Or it is the other flags that the file does not have.
                let wrote = self.now(|kernel, fd| kernel.write(fd, bytes, flags))?;
                // ORDERING: Relaxed; see above.
                SIGNALS.store(true, Ordering::Relaxed);
                Ok(wrote)
            }
            wrote => wrote,
        }
    }

    /// Moves bytes to another descriptor; one of both is a pipe, and neither is a file.
    pub(crate) fn splice_now(&self, to: RawFd, len: usize) -> io::Result<Now> {
        self.now(|kernel, fd| kernel.splice(fd, to, len))
    }

    /// Doubles bytes of this pipe into another.
    pub(crate) fn tee_now(&self, to: RawFd, len: usize) -> io::Result<Now> {
        self.now(|kernel, fd| kernel.tee(fd, to, len))
    }

    /// What fcntl(2) says to a command that takes a number: about a pipe's size, or the flags of an
    /// open file.
    pub(crate) fn fcntl(&self, command: i32, value: i32) -> io::Result<i32> {
        let fd = self.live_fd()?;
        // SAFETY: no pointers, and the record keeps the descriptor open.
        let result = unsafe { libc::fcntl(fd, command, value) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
    }
}

impl Owned {
    /// The descriptor, away from its record: the same open file, or, while a poll of somebody who
    /// has stopped waiting is still being cancelled, a duplicate of the descriptor.
    pub(crate) fn into_fd(self) -> io::Result<OwnedFd> {
        let detached = self.with(|state, key| match state.records.get(key) {
            None => Err(errors::handle_gone()),
            Some(record) if record.in_flight > 0 => Ok(None),
            Some(_) => Ok(state.detach(key)),
        })??;
        match detached {
            None => self.as_fd().try_clone_to_owned(),
            Some(fd) => {
                self.forget();
                Ok(adopted_fd(fd))
            }
        }
    }
}

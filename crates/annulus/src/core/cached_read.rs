//! Reads of files that the page cache answers, by a call that does not wait.
//!
//! A read of cached bytes through the ring costs the call that enters it, the entry, a slot and the
//! completion; preadv2(2) with `RWF_NOWAIT` costs the call. So a read asks that call first, if
//! nothing else of the core is about to enter the ring with it, and goes through the ring where it
//! would have to wait, or is answered in part, or fails: the ring then does the whole read, and
//! tells the error.
//!
//! Owns: when the call is worth its price, for each file: [`Luck`]. Does not own: the memory, which
//! is the operation's. Invariants: user code (the methods of a buffer) runs while nothing of the
//! core is borrowed; a file past the page cache (`O_DIRECT`) is never asked, since that would wait
//! for the device; what a call has given is dropped only if it can be read again (of a device that
//! gives packets it could not).

use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use annulus_ring::Kernel;
use annulus_ring::abi::Errno;
use annulus_task::coop;

use super::Core;
use super::key::Key;

/// What a read asks for: the room that its buffer has, and where in the file.
pub(crate) struct Wanted {
    pub(crate) start: *mut u8,
    pub(crate) len: u32,
    pub(crate) offset: u64,
}

/// The most reads in a row that are not tried after one that would have waited.
const PAUSE_MAX: u8 = 64;

/// What became of the last tries on a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Luck {
    /// Nobody has looked at the file yet.
    #[default]
    Unknown,
    /// The file has no such reads, or they would wait.
    Never,
    /// The next `left` reads are not tried; `pause` is how many they were to be.
    Tried { pause: u8, left: u8 },
}

impl Luck {
    /// The next read is tried.
    const GOOD: Self = Self::Tried { pause: 0, left: 0 };

    /// Whether the file may be asked without waiting for a device.
    pub(super) fn may_be(&mut self, kernel: &mut (impl Kernel + ?Sized), fd: RawFd) -> bool {
        if *self == Self::Unknown {
            let flags = kernel.status_flags(fd);
            let is_cached = flags.is_ok_and(|flags| flags & libc::O_DIRECT == 0);
            *self = if is_cached { Self::GOOD } else { Self::Never };
        }
        *self != Self::Never
    }

    /// Whether the next read is tried.
    fn is_with(&mut self, kernel: &mut (impl Kernel + ?Sized), fd: RawFd) -> bool {
        if !self.may_be(kernel, fd) {
            return false;
        }
        match self {
            Self::Tried { left, .. } if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        }
    }

    /// What the call said of a read that it did not answer.
    fn note(&mut self, errno: Errno) {
        let Self::Tried { pause, .. } = *self else { return };
        *self = match errno.0 {
            libc::EAGAIN => {
                let pause = (2 * pause).clamp(1, PAUSE_MAX);
                Self::Tried { pause, left: pause }
            }
            // The file's own trouble, which the ring tells.
            libc::EIO | libc::EINTR | libc::EFAULT | libc::EISDIR => return,
            _ => Self::Never,
        };
    }
}

/// Fills the room from the page cache, up to its end or the end of the file.
fn fill(
    kernel: &mut (impl Kernel + ?Sized),
    fd: RawFd,
    room: &mut [MaybeUninit<u8>],
    offset: u64,
) -> Result<usize, Errno> {
    let mut done = 0;
    loop {
        let at = offset.saturating_add(done as u64);
        let given = kernel.read(fd, &mut room[done..], Some(at), libc::RWF_NOWAIT)?;
        done += given;
        if given == 0 || done == room.len() || !goes_on(kernel, fd, at + given as u64) {
            return Ok(done);
        }
    }
}

/// Whether a call that gave less than its room has left bytes behind this offset, which one more
/// may give: where the cache ends before the file does. A device that is read without a position
/// gives what it has by itself, a packet for instance, and gives it once.
#[cold]
fn goes_on(kernel: &mut (impl Kernel + ?Sized), fd: RawFd, offset: u64) -> bool {
    // Where nobody says what it is, a short read is an answer too.
    kernel.statx(fd, libc::STATX_TYPE | libc::STATX_SIZE).is_ok_and(|stat| {
        match u32::from(stat.stx_mode) & libc::S_IFMT {
            libc::S_IFREG => offset < stat.stx_size,
            libc::S_IFBLK => true,
            _ => false,
        }
    })
}

impl Core {
    /// Fills the room from the page cache, if it is worth asking and all of it is there, up to the
    /// end of the file; how many bytes that were.
    ///
    /// # Safety
    /// * The room is as [`Operation::wanted`](super::op::Operation::wanted) says, and nobody else
    ///   refers to it.
    #[inline(never)]
    pub(super) unsafe fn read_cached(&self, key: Key, wanted: Wanted) -> Option<usize> {
        let mut borrowed = self.state.borrow_mut();
        let state = &mut *borrowed;
        if !state.reads_cached || state.stopping || state.ring.sq_pending() > 0 {
            return None;
        }
        let (record, kernel) = (state.records.get(key)?, state.ring.kernel());
        if !coop::has_budget() || !record.luck.is_with(kernel, record.fd) {
            return None;
        }
        let (start, len) = (wanted.start.cast::<MaybeUninit<u8>>(), wanted.len as usize);
        // SAFETY: so many bytes are writable there, and ours for this call (the caller's promise).
        let room = unsafe { std::slice::from_raw_parts_mut(start, len) };
        match fill(kernel, record.fd, room, wanted.offset) {
            Ok(done) => {
                record.luck = Luck::GOOD;
                state.counters.reads_cached.add(1);
                coop::made_progress();
                Some(done)
            }
            Err(errno) => {
                record.luck.note(errno);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;

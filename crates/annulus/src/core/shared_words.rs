//! Words in memory that several processes map.
//!
//! Owns: the mapping and its memfd. Invariant: the file is sealed against shrinking before it is
//! mapped, so no access can meet a page that is gone, whatever another process does.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::futex_op::Word;

const WORD_BYTES: usize = size_of::<AtomicU32>();

/// Words in memory that other processes can map as well: a memfd, by whose descriptor they get it.
///
/// Cloning it shares the mapping. It is a slice of [`AtomicU32`], and [`word`](Self::word) gives
/// one of them with the memory that it is in, for a [`Futex`](crate::futex::Futex).
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use std::{os::fd::AsFd as _, sync::atomic::Ordering};
/// use annulus::{futex::Futex, mem::SharedWords};
///
/// let here = SharedWords::new(16)?;
/// // Another process gets the descriptor: inherited, or sent over a Unix socket.
/// let there = SharedWords::from_fd(here.as_fd().try_clone_to_owned()?)?;
/// there[3].store(7, Ordering::Release);
/// let futex = Futex::of_system(here.word(3).unwrap());
/// assert!(!futex.wait(0).await?, "it is not 0");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SharedWords(Arc<Mapping>);

/// One of [`SharedWords`], which keeps all of them.
#[derive(Clone, Debug)]
pub struct SharedWord {
    words: SharedWords,
    index: usize,
}

struct Mapping {
    start: NonNull<AtomicU32>,
    count: usize,
    fd: OwnedFd,
}

// SAFETY: the memory is that of atomics, and the mapping is nobody else's.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl SharedWords {
    /// So many words, all 0, in memory that is there from the beginning.
    ///
    /// # Errors
    /// `InvalidInput` for none; those of memfd_create(2) and fallocate(2): `StorageFull`, ENOMEM.
    #[doc(alias = "memfd_create")]
    pub fn new(count: usize) -> io::Result<Self> {
        let bytes = count.checked_mul(WORD_BYTES).and_then(|bytes| i64::try_from(bytes).ok());
        let Some(bytes) = bytes.filter(|&bytes| bytes > 0) else {
            let text = format!("{count} words are no memory");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        // SAFETY: a string with an end.
        let fd = unsafe { libc::memfd_create(c"annulus-words".as_ptr(), flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        allocate(&fd, bytes)?;
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: no pointers.
        if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Self::map(fd, count)
    }

    /// The words of a descriptor that another process has made: as many as the file has room for.
    ///
    /// # Errors
    /// `InvalidInput` if the file may shrink (`F_SEAL_SHRINK` is missing, as on every file that is
    /// no memfd), or has no whole word; those of mmap(2).
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        // SAFETY: no pointers.
        let seals = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) };
        if seals < 0 || seals & libc::F_SEAL_SHRINK == 0 {
            return invalid("the file may shrink, which would end this process: seal it first");
        }
        let bytes = rustix::fs::fstat(&fd)?.st_size;
        match usize::try_from(bytes).unwrap_or(0) / WORD_BYTES {
            0 => invalid("the file has no room for a word"),
            count => Self::map(fd, count),
        }
    }

    fn map(fd: OwnedFd, count: usize) -> io::Result<Self> {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        let (bytes, file) = (count * WORD_BYTES, fd.as_raw_fd());
        // SAFETY: a new mapping, which overlaps nothing.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, prot, flags, file, 0) };
        match NonNull::new(start.cast()).filter(|_| start != libc::MAP_FAILED) {
            Some(start) => Ok(Self(Arc::new(Mapping { start, count, fd }))),
            None => Err(io::Error::last_os_error()),
        }
    }

    /// The word at `index`, with the memory that it is in; `None` if there is none.
    #[must_use]
    pub fn word(&self, index: usize) -> Option<SharedWord> {
        (index < self.len()).then(|| SharedWord { words: self.clone(), index })
    }
}

impl Deref for SharedWords {
    type Target = [AtomicU32];

    fn deref(&self) -> &[AtomicU32] {
        // SAFETY: so many words are mapped, for as long as this is; each bit pattern is a value,
        // and whoever else has them is bound by what the hardware does for atomics.
        unsafe { std::slice::from_raw_parts(self.0.start.as_ptr(), self.0.count) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `map`, so long, and nobody refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.count * WORD_BYTES) };
    }
}

impl AsFd for SharedWords {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

impl fmt::Debug for SharedWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWords").field("count", &self.0.count).field("fd", &self.0.fd).finish()
    }
}

// SAFETY: the mapping stays where it is while a clone of it is kept, and the index is within it.
unsafe impl Word for SharedWord {
    fn word(&self) -> &AtomicU32 {
        &self.words[self.index]
    }
}

/// Gives a file its memory, piece by piece: a signal may undo a call, and then another one would
/// never let a large call come to its end.
fn allocate(fd: &OwnedFd, bytes: i64) -> io::Result<()> {
    const PIECE_BYTES: i64 = 1 << 20;
    let mut done = 0;
    while done < bytes {
        let piece = PIECE_BYTES.min(bytes - done);
        // SAFETY: no pointers.
        if unsafe { libc::fallocate(fd.as_raw_fd(), 0, done, piece) } == 0 {
            done += piece;
            continue;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(())
}

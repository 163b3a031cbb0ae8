//! Memory that the application brings for a ring (`NO_MMAP`).
//!
//! Owns: [`Pages`], whose memory it is and that it suffices, and where in it things go. Does not
//! own: the words in it (`memory`), nor asking for a ring in it (`real`).
//!
//! Invariants: the kernel is told addresses and no lengths, so the size is checked here before it
//! hears of them; the memory outlives the ring, and longer than that if it is given back to an
//! allocator, which is why [`Pages::from_raw`] forbids that:
//!
//! | after the ring was closed | a mapping of `Pages` | memory of the caller |
//! |---|---|---|
//! | requests still in flight complete | into pages that the kernel has pinned | the same |
//! | the addresses | are unmapped: nobody reads those pages | must not be used for anything else |
//!
//! Mirrors io_uring_setup(2), `IORING_SETUP_NO_MMAP`, and io_uring_queue_init_mem(3).

use core::{fmt, ptr::NonNull};
use std::{any::Any, io, sync::Arc};

use annulus_abi::{Cqe, Errno, Params, SetupFlags, Sqe};

use crate::{RingMemory, memory::slot_bytes, mmap::Mapping};

/// Memory for the queues of one ring, instead of what the kernel would allocate.
///
/// Rings in huge pages need few entries of the TLB, and rings next to each other in one of them
/// waste none of it. Linux 6.5 and later take it; before about 6.10 each of the two parts must be
/// contiguous in physical memory, which one huge page is.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use annulus_ring::{Pages, Ring};
///
/// let ring = Ring::builder().entries(256).memory(Pages::huge(1)?).build()?;
/// # Ok(()) }
/// ```
#[doc(alias = "io_uring_queue_init_mem")]
#[doc(alias = "IORING_SETUP_NO_MMAP")]
pub struct Pages {
    start: NonNull<u8>,
    bytes: usize,
    keep: Arc<dyn Any + Send + Sync>,
}

/// Memory that cannot hold a ring.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum PagesError {
    /// It does not start at a page.
    Misaligned {
        /// Where it starts.
        address: usize,
        /// What the address must be a multiple of.
        page_bytes: usize,
    },
    /// It is too small.
    TooSmall {
        /// How large it is.
        given_bytes: usize,
        /// How large it must be.
        needed_bytes: usize,
    },
    /// It could not be mapped.
    NotMapped(Errno),
}

impl fmt::Display for PagesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned { address, page_bytes } => write!(
                f,
                "the memory for a ring starts at {address:#x}, which is no multiple of \
                 {page_bytes}: allocate it with mmap(2), or with that alignment"
            ),
            Self::TooSmall { given_bytes, needed_bytes } => write!(
                f,
                "the memory for a ring is {given_bytes} bytes and must be {needed_bytes}: bring \
                 more, or ask for fewer entries"
            ),
            Self::NotMapped(errno) => write!(
                f,
                "no memory for a ring: {errno}; huge pages must be there before: sysctl \
                 vm.nr_hugepages"
            ),
        }
    }
}

impl std::error::Error for PagesError {}

impl From<PagesError> for io::Error {
    fn from(error: PagesError) -> Self {
        match error {
            PagesError::NotMapped(errno) => Self::new(Self::from(errno).kind(), error),
            _ => Self::new(io::ErrorKind::InvalidInput, error),
        }
    }
}

/// What precedes the completions in the rings' part: at most this, over all kernels.
const HEADER_BYTES: usize = 320;
/// The index array starts at a multiple of this.
const LINE_BYTES: usize = 64;
/// A huge page of x86_64 and of aarch64 with small pages of 4 KiB.
const HUGE_BYTES: usize = 2 << 20;
/// The kernel's limits, which it clamps to.
const MAX_ENTRIES: u32 = 32768;
const MAX_CQ_ENTRIES: u32 = 65536;

impl Pages {
    /// Zeroed memory of ordinary pages.
    ///
    /// # Errors
    /// [`PagesError::NotMapped`] with ENOMEM.
    pub fn anonymous(bytes: usize) -> Result<Self, PagesError> {
        let bytes = bytes.max(1).next_multiple_of(page_bytes());
        Mapping::anonymous(bytes).map(|it| Self::mapped(it, bytes)).map_err(PagesError::NotMapped)
    }

    /// Zeroed memory of huge pages of 2 MiB, so many of them as hold `bytes`.
    ///
    /// # Errors
    /// [`PagesError::NotMapped`] with ENOMEM if the system has none left (`vm.nr_hugepages`).
    pub fn huge(bytes: usize) -> Result<Self, PagesError> {
        let bytes = bytes.max(1).next_multiple_of(HUGE_BYTES);
        Mapping::huge(bytes).map(|it| Self::mapped(it, bytes)).map_err(PagesError::NotMapped)
    }

    /// Memory of the caller. `keep` owns it and is dropped after the ring.
    ///
    /// # Errors
    /// [`PagesError::Misaligned`] if it does not start at a page.
    ///
    /// # Safety
    /// * `start` is valid for reads and writes of `bytes` bytes until `keep` is dropped, and nobody
    ///   else uses them until then. A forked child does not write to them.
    /// * Dropping `keep` unmaps the memory, or leaves it alone for ever. It does not give it to an
    ///   allocator: requests that are in flight when the ring is closed complete into these pages
    ///   at any time afterwards.
    pub unsafe fn from_raw(
        start: NonNull<u8>,
        bytes: usize,
        keep: Arc<dyn Any + Send + Sync>,
    ) -> Result<Self, PagesError> {
        let (address, page_bytes) = (start.addr().get(), page_bytes());
        if address % page_bytes != 0 {
            return Err(PagesError::Misaligned { address, page_bytes });
        }
        Ok(Self { start, bytes, keep })
    }

    /// How many bytes there are.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many bytes a ring needs that is made of `entries` and these parameters.
    #[doc(alias = "io_uring_memory_size")]
    #[doc(alias = "io_uring_memory_size_params")]
    #[doc(alias = "io_uring_mlock_size")]
    #[doc(alias = "io_uring_mlock_size_params")]
    #[must_use]
    pub fn needed_bytes(entries: u32, params: &Params) -> usize {
        let (rings, sqes) = parts(entries, params);
        rings + sqes
    }

    /// Writes into `params` where the two parts go: first the rings, then the entries.
    pub(crate) fn place(&self, entries: u32, params: &mut Params) -> Result<(), PagesError> {
        let (rings, sqes) = parts(entries, params);
        if self.bytes < rings + sqes {
            let needed_bytes = rings + sqes;
            return Err(PagesError::TooSmall { given_bytes: self.bytes, needed_bytes });
        }
        let start = self.start.as_ptr().expose_provenance() as u64;
        params.cq_off.user_addr = start;
        params.sq_off.user_addr = start + rings as u64;
        Ok(())
    }

    /// The memory of a ring that the kernel has made in it; `params` came from
    /// [`place`](Self::place).
    pub(crate) fn into_memory(self, fd: std::os::fd::RawFd, params: &Params) -> RingMemory {
        let rings_bytes = (params.sq_off.user_addr - params.cq_off.user_addr) as usize;
        // SAFETY: `place` put the entries behind the rings, within the memory.
        let sqes = unsafe { self.start.add(rings_bytes) }.cast::<Sqe>();
        // SAFETY: both parts are page-aligned and as large as the kernel computes them from the
        // same numbers; `keep` owns them.
        unsafe { RingMemory::new(fd, self.start, self.start, sqes, self.keep) }
    }

    fn mapped(mapping: Mapping, bytes: usize) -> Self {
        Self { start: mapping.start(), bytes, keep: Arc::new(mapping) }
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, bytes, .. } = self;
        f.debug_struct("Pages").field("start", start).field("bytes", bytes).finish_non_exhaustive()
    }
}

/// Bytes of the rings and of the entries, each in whole pages.
fn parts(entries: u32, params: &Params) -> (usize, usize) {
    let rounded = |wanted: u32, most: u32| wanted.clamp(1, most).next_power_of_two() as usize;
    let sq_entries = rounded(entries, MAX_ENTRIES);
    let cq_entries = if params.flags.contains(SetupFlags::CQSIZE) {
        rounded(params.cq_entries, MAX_CQ_ENTRIES).max(sq_entries)
    } else {
        2 * sq_entries
    };
    let cqes = cq_entries * slot_bytes::<Cqe>(params, SetupFlags::CQE32);
    let array = if params.flags.contains(SetupFlags::NO_SQARRAY) { 0 } else { 4 * sq_entries };
    let rings = (HEADER_BYTES + cqes).next_multiple_of(LINE_BYTES) + array;
    let sqes = sq_entries * slot_bytes::<Sqe>(params, SetupFlags::SQE128);
    let page = page_bytes();
    (rings.next_multiple_of(page), sqes.next_multiple_of(page))
}

fn page_bytes() -> usize {
    // SAFETY: sysconf(3) only reads its argument.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096).max(1)
}

#[cfg(test)]
mod tests;

//! A received piece of data, in memory that the kernel chose.
//!
//! Owns: one hold on a buffer of a core's pool (or a buffer of the heap). Does not own: the pool.
//!
//! Invariant: the bytes of a lease change only through it, and the buffer is not given to the
//! kernel again before every lease on it is gone.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::IoBuf;
use crate::core::pool::{Shared, give_back};

/// Bytes that arrived on a socket, still where the kernel put them.
///
/// A lease dereferences to `[u8]` and is an [`IoBuf`], so it can be parsed in place and sent
/// straight back without copying. It may be kept across awaits, moved to other threads, and outlive
/// its runtime. Dropping it gives the buffer back to the core that received it.
///
/// A buffer is a shared and bounded resource: a task that keeps many leases should copy what it
/// needs ([`to_vec`](slice::to_vec)) and drop them. When all buffers are out, further receives
/// go through the heap, which is slower but loses nothing.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::net::UnixStream;
///
/// let (left, right) = UnixStream::pair()?;
/// left.write_all("hello").await?;
/// let lease = right.recv().await?.expect("five bytes are there");
/// assert_eq!(&*lease, b"hello");
/// right.write_all(lease).await?; // sent from where it was received
/// # Ok(())
/// # }
/// ```
pub struct Lease {
    address: NonNull<u8>,
    len: usize,
    origin: Origin,
}

enum Origin {
    Pool {
        shared: NonNull<Shared>,
        /// A `u16`, but a word: what tells the variants apart would shrink to its size, and each
        /// move of a lease would be one of odd pieces.
        bid: usize,
    },
    /// Owns the bytes that `address` points into.
    Heap(#[allow(dead_code, reason = "held for its memory")] Forgotten),
}

/// A vector that is only kept for its memory; moving it does not touch the bytes.
struct Forgotten {
    parts: (NonNull<u8>, usize),
}

// SAFETY: a lease is the only way to its bytes, like a `Vec<u8>`; giving back works on any thread.
unsafe impl Send for Lease {}
// SAFETY: shared access only reads the bytes, which nothing changes meanwhile.
unsafe impl Sync for Lease {}

impl Lease {
    /// # Safety
    /// * `address` starts `len` initialised bytes inside buffer `bid` of `shared`, exclusively this
    ///   lease's, and the caller hands over one hold on that buffer.
    pub(crate) unsafe fn from_pool(
        shared: NonNull<Shared>,
        bid: u16,
        address: NonNull<u8>,
        len: usize,
    ) -> Self {
        Self { address, len, origin: Origin::Pool { shared, bid: usize::from(bid) } }
    }

    /// A lease that is no lease: bytes of the heap in the same clothes.
    pub(crate) fn from_vec(bytes: Vec<u8>) -> Self {
        let mut bytes = ManuallyDrop::new(bytes);
        let (len, capacity) = (bytes.len(), bytes.capacity());
        // A vector's pointer is never null.
        let address = NonNull::new(bytes.as_mut_ptr()).unwrap_or(NonNull::dangling());
        Self { address, len, origin: Origin::Heap(Forgotten { parts: (address, capacity) }) }
    }

    /// Forgets the first `n` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len, "advance by {n} in a lease of {} bytes", self.len);
        // SAFETY: `n` is within the bytes of the lease.
        self.address = unsafe { self.address.add(n) };
        self.len -= n;
    }

    /// Takes over the bytes of `next` if they lie right behind these, in the same buffer, or if all
    /// of them are at most `copied_max`; gives it back if neither is so.
    pub(crate) fn absorb(&mut self, next: Self, copied_max: usize) -> Option<Self> {
        let bytes = self.len + next.len;
        if self.is_followed_by(&next) {
            self.len = bytes;
        } else if bytes <= copied_max {
            let first = std::mem::replace(self, Self::from_vec(Vec::new()));
            *self = first.joined(&next);
        } else {
            return Some(next);
        }
        None
    }

    /// Whether the bytes of `next` are the next ones of the same buffer of a pool.
    fn is_followed_by(&self, next: &Self) -> bool {
        let (Origin::Pool { shared, bid }, Origin::Pool { shared: shared_too, bid: bid_too }) =
            (&self.origin, &next.origin)
        else {
            return false;
        };
        let end = self.address.as_ptr().wrapping_add(self.len);
        (shared, bid, end) == (shared_too, bid_too, next.address.as_ptr())
    }

    /// These bytes and `more` behind them, copied to the heap if they are not there already.
    pub(crate) fn joined(mut self, more: &[u8]) -> Self {
        let mut bytes = match &mut self.origin {
            Origin::Heap(memory) if memory.starts_at(self.address) => memory.take(self.len),
            _ => {
                let mut bytes = Vec::with_capacity((self.len + more.len()).next_power_of_two());
                bytes.extend_from_slice(&self);
                bytes
            }
        };
        bytes.extend_from_slice(more);
        Self::from_vec(bytes)
    }

    /// Forgets all but the first `len` bytes; does nothing if there are not more.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

/// Bytes of the heap as a lease, for readers that have no buffers of a pool.
impl From<Vec<u8>> for Lease {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_vec(bytes)
    }
}

impl Forgotten {
    fn starts_at(&self, address: NonNull<u8>) -> bool {
        self.parts.0 == address
    }

    /// The vector with its first `len` bytes; leaves an empty one behind.
    fn take(&mut self, len: usize) -> Vec<u8> {
        let (address, capacity) = std::mem::replace(&mut self.parts, (NonNull::dangling(), 0));
        // SAFETY: these are the parts of the vector that `from_vec` forgot, and the caller's lease
        // has `len` initialised bytes at its start.
        unsafe { Vec::from_raw_parts(address.as_ptr(), len, capacity) }
    }
}

impl Drop for Forgotten {
    fn drop(&mut self) {
        let (address, capacity) = self.parts;
        // SAFETY: these are the parts of the vector that `from_vec` forgot; with length 0 its drop
        // frees the memory and reads nothing.
        drop(unsafe { Vec::from_raw_parts(address.as_ptr(), 0, capacity) });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Origin::Pool { shared, bid } = self.origin {
            // SAFETY: this lease owned a hold on the buffer and is going away.
            unsafe { give_back(shared, bid as u16) };
        }
    }
}

impl Deref for Lease {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the lease owns `len` initialised bytes there.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.len) }
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: the lease owns `len` initialised bytes there, and it is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.address.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.origin {
            Origin::Pool { bid, .. } => Some(bid),
            Origin::Heap(_) => None,
        };
        f.debug_struct("Lease").field("len", &self.len).field("bid", &origin).finish()
    }
}

// SAFETY: the bytes live in pool or heap memory that moving the lease does not move, are
// initialised, and change only through `&mut` access to the lease.
unsafe impl IoBuf for Lease {
    fn bytes_ptr(&self) -> *const u8 {
        self.address.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.len
    }
}

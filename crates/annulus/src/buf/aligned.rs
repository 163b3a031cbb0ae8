//! A buffer at an aligned address.
//!
//! Owns: its memory. Invariant: all bytes are initialised from the beginning, so a buffer of this
//! kind has a fixed length, like a boxed slice. Mirrors posix_memalign(3).

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::{IoBuf, IoBufMut};

/// Bytes that begin at a multiple of some power of two, as a file that is open with `O_DIRECT`
/// wants them.
///
/// Its length is fixed, and all of it is zero at first: a `Box<[u8]>` that lies where it is asked
/// to. After a read of `n` bytes the first `n` are new.
///
/// Such a file takes offsets and lengths that are multiples of its alignment too, which is at most
/// 4096 on nearly all devices; statx(2) with `STATX_DIOALIGN` tells. A range of the buffer is made
/// by [`IoBuf::slice`] and [`IoBufMut::slice_mut`].
///
/// ```no_run
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::buf::AlignedBuf;
/// use annulus::fs::OpenOptions;
///
/// let file = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open("table").await?;
/// let (n, page) = file.read_at(AlignedBuf::new(4096, 4096)?, 8192).await?;
/// println!("the third page begins with {:?}", &page[..n.min(16)]);
/// # Ok(())
/// # }
/// ```
pub struct AlignedBuf {
    start: NonNull<u8>,
    layout: Layout,
}

impl AlignedBuf {
    /// So many zero bytes, at an address that is a multiple of `align`.
    ///
    /// # Errors
    /// `InvalidInput` if there are no bytes, if `align` is no power of two, or if both together
    /// are more than an address space.
    pub fn new(bytes: usize, align: usize) -> io::Result<Self> {
        let invalid = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
        if bytes == 0 {
            return Err(invalid("an aligned buffer has one byte at least"));
        }
        let layout = Layout::from_size_align(bytes, align)
            .map_err(|_| invalid("an alignment is a power of two, and a buffer fits in memory"))?;
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        Ok(Self { start, layout })
    }

    /// What its address is a multiple of, as asked for.
    #[must_use]
    pub fn align(&self) -> usize {
        self.layout.align()
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nobody else frees it.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes, all initialised, that change only through `&mut`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.layout.size()) }
    }
}

impl DerefMut for AlignedBuf {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: so many bytes, all initialised, of which this is the only owner.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.layout.size()) }
    }
}

impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for AlignedBuf {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuf")
            .field("bytes", &self.layout.size())
            .field("align", &self.layout.align())
            .finish()
    }
}

// SAFETY: the only owner of bytes on the heap, as `Box<[u8]>` is.
unsafe impl Send for AlignedBuf {}
// SAFETY: `&AlignedBuf` gives nothing but `&[u8]`.
unsafe impl Sync for AlignedBuf {}

// SAFETY: the bytes are on the heap, all initialised, and change only through `&mut`.
unsafe impl IoBuf for AlignedBuf {
    #[inline]
    fn bytes_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    #[inline]
    fn bytes_len(&self) -> usize {
        self.layout.size()
    }
}

// SAFETY: exclusive access to bytes outside of the value, all of them initialised.
unsafe impl IoBufMut for AlignedBuf {
    #[inline]
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.start.as_ptr()
    }

    #[inline]
    fn bytes_capacity(&self) -> usize {
        self.layout.size()
    }

    #[inline]
    unsafe fn set_bytes_len(&mut self, len: usize) {
        debug_assert!(len <= self.layout.size());
    }
}

#[cfg(test)]
mod tests;

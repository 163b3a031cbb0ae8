//! Aligned buffers of a pool, registered with the ring.
//!
//! Owns: the handles. Does not own: the memory (`core::arena`). Invariant: a buffer belongs to one
//! value, and all of its bytes are initialised.

use std::fmt;
use std::future::Future;
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll};

use annulus_task::CoreId;

use super::{IoBuf, IoBufMut};
use crate::core::arena::Arena;
use crate::core::stock::Wait;

/// What a page of memory is aligned to, and nearly every device is content with.
const PAGE_BYTES: usize = 4096;

/// Where a buffer is registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registered {
    pub(crate) core: CoreId,
    pub(crate) index: u16,
}

/// A bounded number of aligned buffers for direct I/O, registered with the ring of the core that
/// made the pool.
///
/// The kernel pins the pages of a registered buffer once; those of any other it pins and unpins for
/// each request, which is a sixth of the CPU time of a 4 KiB read past the page cache. Where
/// registering is refused (the pages count against `RLIMIT_MEMLOCK`, and a core has room for 64
/// pools) the buffers are what they are otherwise, and [`refusal`](Self::refusal) says why.
///
/// A clone is another handle of the same pool. The memory is freed when the last handle and the
/// last buffer are gone.
///
/// ```no_run
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::{buf::DirectPool, fs::Direct};
///
/// let table = Direct::open("table").await?;
/// let pool = DirectPool::new(32, 4096)?;
/// let (n, page) = table.read_at(pool.take().await, 8192).await?;
/// println!("the third page has {n} bytes, and begins with {:?}", &page[..16]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[doc(alias = "io_uring_register_buffers")]
pub struct DirectPool {
    arena: Arc<Arena>,
}

impl DirectPool {
    /// A pool of so many buffers of so many bytes each, aligned to 4096.
    ///
    /// # Errors
    /// `InvalidInput` if there would be no buffer or no byte; `OutOfMemory`; if no runtime runs on
    /// this thread. That registering was refused is none.
    ///
    /// # Kernel
    /// `IORING_REGISTER_BUFFERS2` and `IORING_REGISTER_BUFFERS_UPDATE`, 5.19.
    pub fn new(buffers: u32, buffer_bytes: usize) -> io::Result<Self> {
        Self::with_align(buffers, buffer_bytes, PAGE_BYTES)
    }

    /// As [`new`](Self::new), at addresses that are multiples of `align`, a power of two.
    ///
    /// # Errors
    /// As [`new`](Self::new); `InvalidInput` if `align` is no power of two, or if the size of a
    /// buffer is no multiple of it.
    pub fn with_align(buffers: u32, buffer_bytes: usize, align: usize) -> io::Result<Self> {
        let invalid = |what: String| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        if buffers == 0 || buffer_bytes == 0 {
            return invalid("a pool has one buffer of one byte at least".into());
        }
        if !align.is_power_of_two() || buffer_bytes % align != 0 {
            return invalid(format!(
                "buffers of {buffer_bytes} bytes, one after the other, cannot all begin at multiples \
                 of {align}"
            ));
        }
        Ok(Self { arena: Arc::new(Arena::new(buffers, buffer_bytes, align)?) })
    }

    /// A buffer: at once if one is free, else when it is this one's turn. Who waits is served in
    /// the order in which it came.
    ///
    /// # Cancel safety
    /// Dropping the future gives its place to the next.
    ///
    /// # Kernel
    /// None: buffers are lent within the process.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let pool = annulus::buf::DirectPool::new(32, 4096)?;
    /// let page = pool.take().await;
    /// assert_eq!(page.len(), 4096);
    /// # Ok(())
    /// # }
    /// ```
    pub fn take(&self) -> impl Future<Output = DirectBuf> + '_ {
        Taking { arena: &self.arena, wait: self.arena.free().wait() }
    }

    /// A buffer, if one is free that nobody waits for.
    #[must_use]
    pub fn try_take(&self) -> Option<DirectBuf> {
        self.arena.free().try_take().map(|buffer| DirectBuf::of(&self.arena, buffer))
    }

    /// How many buffers there are, and how many of them are free.
    #[must_use]
    pub fn buffers(&self) -> (usize, usize) {
        (self.arena.count() as usize, self.arena.free().free_count())
    }

    /// How large each one is.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.arena.buffer_bytes()
    }

    /// What the addresses of its buffers are multiples of.
    #[must_use]
    pub fn align(&self) -> usize {
        self.arena.align()
    }

    /// Why the buffers are not registered; `None` if they are.
    #[must_use]
    pub fn refusal(&self) -> Option<io::Error> {
        self.arena.refusal()
    }
}

impl fmt::Debug for DirectPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (buffers, free) = self.buffers();
        f.debug_struct("DirectPool")
            .field("buffers", &buffers)
            .field("free", &free)
            .field("buffer_bytes", &self.buffer_bytes())
            .field("registered", &self.arena.registered().is_some())
            .finish()
    }
}

/// A wait for a buffer.
struct Taking<'a> {
    arena: &'a Arc<Arena>,
    wait: Wait<'a, u32>,
}

impl Future for Taking<'_> {
    type Output = DirectBuf;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<DirectBuf> {
        let this = &mut *self;
        this.wait.poll(cx).map(|buffer| DirectBuf::of(this.arena, buffer))
    }
}

/// A buffer of a [`DirectPool`], which it goes back to when it is dropped, on any thread.
///
/// Its length is fixed, and all of it is initialised: at first to zeros, later to what its last
/// user left there. After a read of `n` bytes the first `n` are new. Any read or write takes it;
/// those of files on the core of its pool use it as registered memory, whole or in a range of it
/// ([`IoBuf::slice`], [`IoBufMut::slice_mut`]).
///
/// # Kernel
/// `READ_FIXED` and `WRITE_FIXED`, 5.1, instead of `READ` and `WRITE`.
#[doc(alias = "IORING_OP_READ_FIXED")]
#[doc(alias = "IORING_OP_WRITE_FIXED")]
pub struct DirectBuf {
    arena: Arc<Arena>,
    start: NonNull<u8>,
    buffer: u32,
}

// SAFETY: the only owner of its bytes, as `Box<[u8]>` is; the arena may be used on any thread.
unsafe impl Send for DirectBuf {}
// SAFETY: `&DirectBuf` gives nothing but `&[u8]`.
unsafe impl Sync for DirectBuf {}

impl DirectBuf {
    fn of(arena: &Arc<Arena>, buffer: u32) -> Self {
        Self { start: arena.address(buffer), arena: arena.clone(), buffer }
    }

    /// Whether its memory is registered with a ring.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.arena.registered().is_some()
    }
}

impl Drop for DirectBuf {
    fn drop(&mut self) {
        self.arena.free().give_back(self.buffer);
    }
}

impl Deref for DirectBuf {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes, all initialised, that change only through `&mut`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.arena.buffer_bytes()) }
    }
}

impl DerefMut for DirectBuf {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: so many bytes, all initialised, of which this is the only owner.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.arena.buffer_bytes()) }
    }
}

impl AsRef<[u8]> for DirectBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for DirectBuf {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl fmt::Debug for DirectBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectBuf")
            .field("bytes", &self.arena.buffer_bytes())
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}

// SAFETY: the bytes are in the arena's allocation, which this keeps, all initialised, and change
// only through `&mut`.
unsafe impl IoBuf for DirectBuf {
    #[inline]
    fn bytes_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    #[inline]
    fn bytes_len(&self) -> usize {
        self.arena.buffer_bytes()
    }

    #[inline]
    fn registered(&self) -> Option<Registered> {
        self.arena.registered()
    }
}

// SAFETY: exclusive access to bytes outside of the value, all of them initialised.
unsafe impl IoBufMut for DirectBuf {
    #[inline]
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.start.as_ptr()
    }

    #[inline]
    fn bytes_capacity(&self) -> usize {
        self.arena.buffer_bytes()
    }

    #[inline]
    unsafe fn set_bytes_len(&mut self, len: usize) {
        debug_assert!(len <= self.arena.buffer_bytes());
    }
}

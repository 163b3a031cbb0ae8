//! Buffers that the kernel may borrow.
//!
//! An operation of io_uring outlives the future that started it: when the future is dropped, the
//! kernel may still read or write the memory it was given. A `&mut [u8]` cannot express that, so
//! every operation takes its buffer *by value* and hands it back with the result:
//!
//! ```
//! use annulus::buf::{BufError, BufResult};
//!
//! fn finished(buf: Vec<u8>) -> BufResult<usize, Vec<u8>> {
//!     Ok((buf.len(), buf))
//! }
//!
//! fn copy() -> std::io::Result<()> {
//!     // `?` just works: the error gives up its buffer and becomes an `io::Error`.
//!     let (n, buf) = finished(vec![1, 2, 3])?;
//!     assert_eq!(n, buf.len());
//!     Ok(())
//! }
//! # copy().unwrap();
//! ```
//!
//! # Which buffer to pass
//!
//! | type | to send | to receive into | after a read of `n` bytes |
//! |---|---|---|---|
//! | `Vec<u8>`, `BytesMut` | yes | its capacity | its length is `n` |
//! | `Box<[u8]>`, `Box<[u8; N]>`, `&'static mut [u8]`, [`AlignedBuf`], [`DirectBuf`] | yes | all of it | its length stays, the first `n` bytes are new |
//! | `Box<[MaybeUninit<u8>]>` | no bytes | all of it | the first `n` bytes are initialised |
//! | `String`, `Box<str>`, `&'static [u8]`, `&'static str`, `Bytes`, `Rc<…>`, `Arc<…>`, `Cow<'static, …>` | yes | no | – |
//! | [`Slice<B>`], made by [`IoBuf::slice`] or [`IoBufMut::slice_mut`] | a range of `B` | a range of `B` | as `B`, from the start of the range |
//!
//! A read fills a buffer from its first byte up to its *capacity*, whatever its length was: give a
//! `Vec::with_capacity(4096)`, not a `vec![0; 4096]`. To append, read into [`IoBufMut::spare`].
//! A buffer without any capacity is refused with
//! [`InvalidInput`](std::io::ErrorKind::InvalidInput), because the `0` that the kernel would
//! return looks like the end of the stream.
//!
//! # What this module owns
//!
//! The traits, their implementations for types of `std` and `bytes`, the range view [`Slice`],
//! lists of buffers ([`IoVecBuf`]), memory for files without a page cache ([`AlignedBuf`],
//! [`DirectPool`]), and the error that carries a buffer ([`BufError`]). It does not
//! own any memory of the kernel: leases of provided buffers belong to the core.
//!
//! Invariant: whatever is reported by an implementation as initialised is initialised, at an
//! address that moving the value does not change.

#![allow(unsafe_code, reason = "the promises about memory that the kernel borrows are made here")]

mod aligned;
mod bytes;
mod direct;
mod error;
mod gather;
mod guard;
mod lease;
mod owned;
mod slice;
mod vectored;

pub use aligned::AlignedBuf;
#[doc(hidden)]
pub use direct::Registered;
pub use direct::{DirectBuf, DirectPool};
pub use error::{BufError, BufResult};
pub use gather::Gather;
pub use guard::Guard;
pub use lease::Lease;
pub use slice::Slice;
pub use vectored::{IoVecBuf, IoVecBufMut};

pub(crate) use vectored::gather;

use std::io;
use std::ops::RangeBounds;

/// The most bytes one read or write transfers, `MAX_RW_COUNT` of the kernel: see read(2).
const TRANSFER_BYTES_MAX: usize = 0x7fff_f000;

/// A buffer whose initialised bytes the kernel may read: something to send or to write.
///
/// Implemented for the owned byte containers of `std` and `bytes`; see the [module](self) for the
/// list. Implementing it for a type of your own takes two methods and the promise below.
///
/// # Safety
///
/// An implementation promises:
///
/// * The [`bytes_len`](Self::bytes_len) bytes that start at [`bytes_ptr`](Self::bytes_ptr) are
///   initialised, belong to one allocation, and stay readable and unchanged until the value is
///   dropped or changed through `&mut`.
/// * Moving the value does not move them: they live on the heap, in a mapping or in a `static`,
///   never inside the value itself.
/// * Both methods are pure: while the value is only moved and borrowed with `&`, they return
///   the same pair each time. The runtime asks them again while it hands out completions, for
///   what is left of a transfer.
/// * Both methods return: they neither panic nor call into the runtime, which asks them while it
///   writes a request.
///
/// # Examples
///
/// ```
/// use annulus::buf::IoBuf;
///
/// /// A message that is shared by many connections.
/// struct Broadcast(std::sync::Arc<[u8]>);
///
/// // SAFETY: the bytes of an `Arc<[u8]>` are on the heap, and nobody can change them while this
/// // value keeps the count above zero.
/// unsafe impl IoBuf for Broadcast {
///     fn bytes_ptr(&self) -> *const u8 {
///         self.0.as_ptr()
///     }
///
///     fn bytes_len(&self) -> usize {
///         self.0.len()
///     }
/// }
///
/// assert_eq!(Broadcast(b"hello".as_slice().into()).as_init(), b"hello");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a buffer that the kernel can borrow",
    label = "not an owned buffer with a stable address",
    note = "the kernel may use a buffer after the future is gone, so pass an owned one: \
            `Vec<u8>`, `Box<[u8]>`, `String`, `Bytes`, `&'static [u8]`, …",
    note = "a borrowed `&[u8]` has to be copied first: `slice.to_vec()`"
)]
pub unsafe trait IoBuf: 'static {
    /// The address of the first byte. Dangling, but never null, if the buffer is empty.
    fn bytes_ptr(&self) -> *const u8;

    /// How many bytes from the first one on are initialised.
    fn bytes_len(&self) -> usize;

    /// The initialised bytes.
    ///
    /// ```
    /// use annulus::buf::IoBuf;
    ///
    /// assert_eq!(String::from("ring").as_init(), b"ring");
    /// assert_eq!(Vec::with_capacity(64).as_init(), b"");
    /// ```
    fn as_init(&self) -> &[u8] {
        // SAFETY: the contract of the trait: that many bytes are initialised and readable there,
        // and do not change while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.bytes_ptr(), self.bytes_len()) }
    }

    /// Where these bytes are registered with a ring, if they are: then a read or write of a file
    /// need not pin their pages. The kernel itself checks that they lie there.
    #[doc(hidden)]
    #[inline]
    fn registered(&self) -> Option<Registered> {
        None
    }

    /// Narrows the buffer to a range of its initialised bytes, without copying.
    ///
    /// The range is checked as in `&buf[range]`. [`Slice::into_inner`] gives the whole buffer back.
    ///
    /// `Bytes` has a method of this name that borrows; where this trait is in scope, that one is
    /// `Bytes::slice(&bytes, range)`.
    ///
    /// # Panics
    ///
    /// If the range starts after its end, or ends after the initialised bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use annulus::buf::IoBuf;
    ///
    /// let body = String::from("GET / HTTP/1.1").slice(4..5);
    /// assert_eq!(body.as_init(), b"/");
    /// assert_eq!(body.into_inner(), "GET / HTTP/1.1");
    /// ```
    fn slice(self, range: impl RangeBounds<usize>) -> Slice<Self>
    where
        Self: Sized,
    {
        Slice::within_init(self, range)
    }
}

/// A buffer that the kernel may also fill: something to receive or to read into.
///
/// # Safety
///
/// An implementation promises, beyond the contract of [`IoBuf`]:
///
/// * The [`bytes_capacity`](Self::bytes_capacity) bytes that start at
///   [`bytes_mut_ptr`](Self::bytes_mut_ptr) belong to one allocation and are writable,
///   initialised or not; this pointer and [`bytes_ptr`](IoBuf::bytes_ptr) are the same address, and
///   `bytes_len() <= bytes_capacity()`.
/// * Nothing else reads or writes them while the value exists: it is their only owner.
/// * Moving the value moves none of them, and both methods are pure as in [`IoBuf`].
/// * [`set_bytes_len`](Self::set_bytes_len) keeps the address, the capacity and the contents.
/// * No method panics or calls into the runtime, as in [`IoBuf`].
///
/// # For callers
///
/// Ask for the pointer after the last move of the value: for `Box` and `&mut` a move asserts unique
/// access anew, which ends the right to use pointers that were derived before.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a buffer that the kernel can fill",
    label = "not an owned, writable buffer with a stable address",
    note = "pass an owned buffer with some capacity: `Vec::with_capacity(4096)`, `Box<[u8]>`, \
            `BytesMut`, …; it comes back together with the result"
)]
pub unsafe trait IoBufMut: IoBuf {
    /// The address of the first byte, for writing up to the capacity.
    fn bytes_mut_ptr(&mut self) -> *mut u8;

    /// How many bytes from the first one on may be written.
    fn bytes_capacity(&self) -> usize;

    /// Tells the buffer that its first `len` bytes are now its contents.
    ///
    /// A buffer with a length of its own takes exactly this length, also if it was longer before.
    /// One of fixed length ignores it.
    ///
    /// # Safety
    ///
    /// * `len <= self.bytes_capacity()`.
    /// * The first `len` bytes are initialised.
    unsafe fn set_bytes_len(&mut self, len: usize);

    /// Narrows the buffer to a range of its capacity: reads fill only this range.
    ///
    /// An open end is the capacity. What lies before the range and behind it stays as it is; a
    /// growable buffer that ends inside the range gets a new length, the end of what was read.
    ///
    /// # Panics
    ///
    /// If the range starts after its end, ends after the capacity, or starts after the initialised
    /// bytes (that would leave a gap of uninitialised memory before it).
    ///
    /// # Examples
    ///
    /// ```
    /// use annulus::buf::IoBufMut;
    ///
    /// // Reads at most 16 bytes, although there is room for 64.
    /// let header = Vec::with_capacity(64).slice_mut(..16);
    /// assert_eq!(header.bytes_capacity(), 16);
    /// ```
    fn slice_mut(self, range: impl RangeBounds<usize>) -> Slice<Self>
    where
        Self: Sized,
    {
        Slice::within_capacity(self, range)
    }

    /// The room behind the initialised bytes: reading into it appends.
    ///
    /// ```
    /// use annulus::buf::{IoBuf, IoBufMut};
    ///
    /// let mut line = Vec::with_capacity(32);
    /// line.extend_from_slice(b"so far");
    /// let spare = line.spare();
    /// assert_eq!((spare.begin(), spare.bytes_len(), spare.bytes_capacity()), (6, 0, 26));
    /// ```
    fn spare(self) -> Slice<Self>
    where
        Self: Sized,
    {
        let begin = self.bytes_len();
        self.slice_mut(begin..)
    }
}

/// Copies bytes to the start of a buffer, as many as it has room for, as a read of them would.
/// Gives how many.
///
/// For readers whose bytes are in memory already: it is what makes implementing
/// [`AsyncRead`](crate::io::AsyncRead) safe.
///
/// ```
/// let mut buf = Vec::with_capacity(4);
/// let n = annulus::buf::fill(&mut buf, b"seven letters");
/// assert_eq!((n, &buf[..]), (buf.capacity().min(13), &b"seven letters"[..n]));
/// ```
pub fn fill(buf: &mut impl IoBufMut, bytes: &[u8]) -> usize {
    let n = bytes.len().min(buf.bytes_capacity());
    let to = buf.bytes_mut_ptr();
    // SAFETY: the first `n` bytes are writable, and nothing else refers to them, so they do not
    // overlap with `bytes` (the contract of `IoBufMut`).
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, n) };
    // SAFETY: at most the capacity, and just initialised.
    unsafe { buf.set_bytes_len(n) };
    n
}

/// The length to put into an SQE that sends or writes this buffer.
///
/// One operation transfers at most `0x7fff_f000` bytes, so a longer buffer is cut, as write(2)
/// does; the count in the result tells.
pub fn send_len(buf: &impl IoBuf) -> u32 {
    clamp_transfer(buf.bytes_len())
}

/// The length to put into an SQE that receives or reads into this buffer.
///
/// One operation transfers at most `0x7fff_f000` bytes, so a larger capacity is cut.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) if the capacity is zero: the `0` that the kernel
/// would return could not be told from the end of the stream.
pub fn receive_len(buf: &impl IoBufMut) -> io::Result<u32> {
    match clamp_transfer(buf.bytes_capacity()) {
        0 => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the buffer has no capacity to read into (use Vec::with_capacity, or reserve first)",
        )),
        len => Ok(len),
    }
}

/// As [`receive_len`], of a buffer that was found to have room.
#[inline]
pub(crate) fn receive_room(buf: &impl IoBufMut) -> u32 {
    clamp_transfer(buf.bytes_capacity())
}

pub(crate) fn clamp_transfer(bytes: usize) -> u32 {
    // Lossless: the bound fits 31 bits.
    bytes.min(TRANSFER_BYTES_MAX) as u32
}

#[cfg(test)]
mod tests;

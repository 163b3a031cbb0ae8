//! A range of a buffer, which is a buffer itself.
//!
//! Owns the arithmetic of ranges: where a range begins and ends in the buffer below, and how much
//! of it is initialised. Does not own any memory of its own.
//!
//! ```text
//!      buffer   0 ······· begin ········ mark ········ end ······· capacity
//!               |  before   |  initialised  |   room     |  behind  |
//!                           |<- bytes_len ->|            |
//!                           |<------ bytes_capacity ---->|
//! ```
//!
//! Invariants: `begin <= mark`, `begin <= end <= capacity of the buffer`, and every byte before
//! `mark` is initialised. `mark` matters only for buffers that keep no length of their own
//! (`MaybeUninit` forms); for the others their own length says the same or more.

use std::ops::{Bound, Deref, DerefMut, RangeBounds};

use super::{IoBuf, IoBufMut, Registered};

/// A range of an owned buffer.
///
/// Made by [`IoBuf::slice`], [`IoBufMut::slice_mut`] and [`IoBufMut::spare`]; undone by
/// [`into_inner`](Self::into_inner). It is a buffer too, dereferences to its initialised bytes, and
/// [`advance`](Self::advance) makes loops over partial transfers short and safe:
///
/// ```
/// use annulus::buf::{BufError, BufResult, IoBuf, IoBufMut, Slice};
/// use std::io::ErrorKind;
/// # fn read<B: IoBufMut>(mut buf: B) -> BufResult<usize, B> {
/// #     // Stands for an operation that fills at most three bytes.
/// #     let n = buf.bytes_capacity().min(3);
/// #     // SAFETY: `n` bytes are within the capacity.
/// #     unsafe { buf.bytes_mut_ptr().write_bytes(7, n) };
/// #     // SAFETY: they were written just now.
/// #     unsafe { buf.set_bytes_len(n) };
/// #     Ok((n, buf))
/// # }
///
/// fn read_exact<B: IoBufMut>(buf: B) -> BufResult<(), B> {
///     let mut rest = buf.slice_mut(..);
///     while rest.bytes_capacity() > 0 {
///         let (n, filled) = read(rest).map_err(|failed| failed.map_buf(Slice::into_inner))?;
///         rest = filled;
///         if n == 0 {
///             return Err(BufError::new(ErrorKind::UnexpectedEof.into(), rest.into_inner()));
///         }
///         rest.advance(n);
///     }
///     Ok(((), rest.into_inner()))
/// }
///
/// let ((), buf) = read_exact(Vec::with_capacity(8))?;
/// assert_eq!(buf, [7; 8]);
/// # Ok::<(), std::io::Error>(())
/// ```
// Not `Clone`: a clone of a `Vec` keeps neither its capacity nor, with it, the end of the range.
#[derive(Debug)]
pub struct Slice<B> {
    buf: B,
    begin: usize,
    mark: usize,
    end: usize,
}

impl<B> Slice<B> {
    /// Where the range begins in the buffer below.
    pub fn begin(&self) -> usize {
        self.begin
    }

    /// Where the range ends in the buffer below (exclusive).
    pub fn end(&self) -> usize {
        self.end
    }

    /// The buffer below, whole.
    pub fn get_ref(&self) -> &B {
        &self.buf
    }

    /// Gives the buffer below back, whole.
    pub fn into_inner(self) -> B {
        self.buf
    }
}

impl<B: IoBuf> Slice<B> {
    /// A range of what is initialised; an open end is the end of that.
    pub(super) fn within_init(buf: B, range: impl RangeBounds<usize>) -> Self {
        let len = buf.bytes_len();
        let (begin, end) = resolve(&range, len);
        assert!(
            end <= len,
            "slice ends at {end}, but only {len} bytes of the buffer are initialised"
        );
        Self { buf, begin, mark: begin, end }
    }

    /// Moves the start of the range forward by `n` bytes that were sent, or filled by a read.
    ///
    /// # Panics
    ///
    /// If fewer than `n` bytes of the range are initialised.
    ///
    /// ```
    /// use annulus::buf::IoBuf;
    ///
    /// let mut rest = b"hello".as_slice().slice(..);
    /// rest.advance(2);
    /// assert_eq!(&rest[..], b"llo");
    /// ```
    pub fn advance(&mut self, n: usize) {
        let len = self.bytes_len();
        assert!(
            n <= len,
            "cannot advance by {n} bytes: only {len} bytes of the slice are initialised"
        );
        self.begin += n;
        self.mark = self.mark.max(self.begin);
    }
}

impl<B: IoBufMut> Slice<B> {
    /// A range of the capacity; an open end is the end of that.
    pub(super) fn within_capacity(buf: B, range: impl RangeBounds<usize>) -> Self {
        let (len, capacity) = (buf.bytes_len(), buf.bytes_capacity());
        let (begin, end) = resolve(&range, capacity);
        assert!(
            end <= capacity,
            "slice ends at {end}, but the capacity of the buffer is {capacity}"
        );
        assert!(
            begin <= len,
            "slice begins at {begin}, but only {len} bytes of the buffer are initialised"
        );
        Self { buf, begin, mark: begin, end }
    }
}

/// The two ends of a range, in order, where `open_end` stands for a missing end.
fn resolve(range: &impl RangeBounds<usize>, open_end: usize) -> (usize, usize) {
    let begin = match range.start_bound() {
        Bound::Included(&begin) => Some(begin),
        Bound::Excluded(&before) => before.checked_add(1),
        Bound::Unbounded => Some(0),
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.checked_add(1),
        Bound::Excluded(&end) => Some(end),
        Bound::Unbounded => Some(open_end),
    };
    let (Some(begin), Some(end)) = (begin, end) else {
        panic!("slice range overflows: its bound is usize::MAX")
    };
    assert!(begin <= end, "slice begins at {begin}, after its end at {end}");
    (begin, end)
}

// SAFETY: a part of the bytes of `buf`, so whatever `B` promises of address and life holds here.
// Every byte between `begin` and the larger of `mark` and the length of `buf` is initialised, by
// the invariant of `mark` and the promise of `B`. Nothing here changes through `&`.
unsafe impl<B: IoBuf> IoBuf for Slice<B> {
    #[inline]
    fn bytes_ptr(&self) -> *const u8 {
        // SAFETY: `begin` is within the capacity of `buf`, which is one allocation.
        unsafe { self.buf.bytes_ptr().add(self.begin) }
    }

    #[inline]
    fn bytes_len(&self) -> usize {
        let init = self.buf.bytes_len().max(self.mark).min(self.end);
        init - self.begin
    }

    #[inline]
    fn registered(&self) -> Option<Registered> {
        self.buf.registered()
    }
}

// SAFETY: a part of the capacity of `buf`, which is its only owner. `set_bytes_len` touches lengths
// only.
unsafe impl<B: IoBufMut> IoBufMut for Slice<B> {
    #[inline]
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        let start = self.buf.bytes_mut_ptr();
        // SAFETY: `begin` is within the capacity of `buf`, which is one allocation.
        unsafe { start.add(self.begin) }
    }

    #[inline]
    fn bytes_capacity(&self) -> usize {
        self.end - self.begin
    }

    /// If initialised bytes of the buffer lie behind the end of this range, the buffer keeps its
    /// length, and with it those bytes; otherwise its contents now end where these do.
    #[inline]
    unsafe fn set_bytes_len(&mut self, len: usize) {
        debug_assert!(len <= self.bytes_capacity());
        self.mark = self.begin + len;
        if self.buf.bytes_len() <= self.end {
            // SAFETY: the bytes before `begin` are initialised by the invariant, the `len` from
            // there on by the promise of the caller; `mark <= end <= capacity`.
            unsafe { self.buf.set_bytes_len(self.mark) }
        }
    }
}

impl<B: IoBuf> Deref for Slice<B> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_init()
    }
}

impl<B: IoBufMut> DerefMut for Slice<B> {
    fn deref_mut(&mut self) -> &mut [u8] {
        let len = self.bytes_len();
        // SAFETY: that many bytes are initialised there, and `self`, borrowed exclusively, is their
        // only owner.
        unsafe { std::slice::from_raw_parts_mut(self.bytes_mut_ptr(), len) }
    }
}

impl<B: IoBuf> AsRef<[u8]> for Slice<B> {
    fn as_ref(&self) -> &[u8] {
        self.as_init()
    }
}

#[cfg(test)]
mod tests;

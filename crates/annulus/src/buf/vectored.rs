//! Lists of buffers for scattered reads and gathered writes.
//!
//! Owns the traits and how a transferred count is dealt out to the parts. The list of `iovec`
//! structures itself is built and kept by the slot of the operation, from these parts.
//!
//! Invariant: the parts are in the order of transfer, and part `i` is always the same buffer.

use super::{IoBuf, IoBufMut};

/// A list of buffers to send or write with one operation.
///
/// `Vec<B>` and `[B; N]` for buffers of one type, tuples for buffers of several:
///
/// ```
/// use annulus::buf::IoVecBuf;
///
/// let reply = ("HTTP/1.1 200 OK\r\n\r\n", vec![1, 2, 3]);
/// assert_eq!(reply.part_count(), 2);
/// assert_eq!(reply.total_len(), 22);
/// ```
///
/// # Safety
///
/// An implementation promises, for each index below [`part_count`](Self::part_count), what
/// [`IoBuf`] promises for the pointer and length that [`part`](Self::part) returns; the count is
/// pure too. For these indices no method panics, and none calls into the runtime.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of buffers that the kernel can borrow",
    note = "use a `Vec<B>`, an array `[B; N]` or a tuple of owned buffers"
)]
pub unsafe trait IoVecBuf: 'static {
    /// How many parts there are.
    fn part_count(&self) -> usize;

    /// Address and initialised length of one part.
    ///
    /// # Panics
    ///
    /// If `index` is not below the count.
    fn part(&self, index: usize) -> (*const u8, usize);

    /// The sum of the initialised lengths.
    fn total_len(&self) -> usize {
        (0..self.part_count()).map(|i| self.part(i).1).sum()
    }
}

/// The bytes of all parts in one piece, copied.
pub(crate) fn gather(bufs: &impl IoVecBuf) -> Vec<u8> {
    let mut all = Vec::with_capacity(bufs.total_len());
    for index in 0..bufs.part_count() {
        let (start, len) = bufs.part(index);
        // SAFETY: the contract of `IoVecBuf`: so many bytes are initialised and readable there, and
        // do not change while the list is borrowed.
        all.extend_from_slice(unsafe { std::slice::from_raw_parts(start, len) });
    }
    all
}

/// A list of buffers to receive or read into with one operation.
///
/// # Safety
///
/// An implementation promises, for each index below the count, what [`IoBufMut`] promises for the
/// pointer and capacity that [`part_mut`](Self::part_mut) returns; no two parts overlap. As in
/// [`IoVecBuf`], no method panics, and none calls into the runtime.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of buffers that the kernel can fill",
    note = "use a `Vec<B>`, an array `[B; N]` or a tuple of owned, writable buffers"
)]
pub unsafe trait IoVecBufMut: IoVecBuf {
    /// Address and capacity of one part.
    ///
    /// # Panics
    ///
    /// If `index` is not below the count.
    fn part_mut(&mut self, index: usize) -> (*mut u8, usize);

    /// Deals out `total` bytes that were read: the first parts get all they can hold, the next one
    /// the rest, those behind it nothing (growable ones become empty).
    ///
    /// # Safety
    ///
    /// * `total` is at most the sum of the capacities.
    /// * The first `total` bytes, in the order of the parts and each filled to its capacity before
    ///   the next, are initialised.
    unsafe fn set_total_len(&mut self, total: usize);

    /// The sum of the capacities.
    fn total_capacity(&mut self) -> usize {
        (0..self.part_count()).map(|i| self.part_mut(i).1).sum()
    }
}

/// Gives one part its share of what was read, and returns what is left for the next ones.
///
/// # Safety
///
/// * As many bytes as the part can hold, or `total` if that is less, are initialised.
unsafe fn deal<B: IoBufMut>(buf: &mut B, total: usize) -> usize {
    let len = total.min(buf.bytes_capacity());
    // SAFETY: at most the capacity, and the caller has initialised that many bytes.
    unsafe { buf.set_bytes_len(len) };
    total - len
}

/// Containers of buffers of one type.
macro_rules! uniform {
    ($(($($generics:tt)*) $container:ty),* $(,)?) => {$(
        // SAFETY: each part is a buffer of its own; moving the container moves the buffers, and
        // moving a buffer does not move its bytes.
        unsafe impl<B: IoBuf $($generics)*> IoVecBuf for $container {
            #[inline]
            fn part_count(&self) -> usize {
                self.len()
            }

            #[inline]
            fn part(&self, index: usize) -> (*const u8, usize) {
                (self[index].bytes_ptr(), self[index].bytes_len())
            }
        }

        // SAFETY: as above; two buffers that are sole owners of their bytes cannot overlap.
        unsafe impl<B: IoBufMut $($generics)*> IoVecBufMut for $container {
            #[inline]
            fn part_mut(&mut self, index: usize) -> (*mut u8, usize) {
                let capacity = self[index].bytes_capacity();
                (self[index].bytes_mut_ptr(), capacity)
            }

            unsafe fn set_total_len(&mut self, total: usize) {
                let mut left = total;
                for buf in self.iter_mut() {
                    // SAFETY: the caller has initialised `total` bytes in this order.
                    left = unsafe { deal(buf, left) };
                }
                debug_assert!(left == 0, "{left} bytes more than the list can hold");
            }
        }
    )*};
}

uniform! {
    () Vec<B>,
    (, const N: usize) [B; N],
}

/// Tuples of buffers of several types.
macro_rules! tuple {
    ($count:literal: $($name:ident $index:tt),*) => {
        // SAFETY: each part is a buffer of its own; moving the tuple moves the buffers, and moving
        // a buffer does not move its bytes.
        unsafe impl<$($name: IoBuf),*> IoVecBuf for ($($name,)*) {
            #[inline]
            fn part_count(&self) -> usize {
                $count
            }

            #[inline]
            fn part(&self, index: usize) -> (*const u8, usize) {
                match index {
                    $($index => (self.$index.bytes_ptr(), self.$index.bytes_len()),)*
                    _ => out_of_range(index, $count),
                }
            }
        }

        // SAFETY: as above; two buffers that are sole owners of their bytes cannot overlap.
        unsafe impl<$($name: IoBufMut),*> IoVecBufMut for ($($name,)*) {
            #[inline]
            fn part_mut(&mut self, index: usize) -> (*mut u8, usize) {
                match index {
                    $($index => {
                        let capacity = self.$index.bytes_capacity();
                        (self.$index.bytes_mut_ptr(), capacity)
                    })*
                    _ => out_of_range(index, $count),
                }
            }

            unsafe fn set_total_len(&mut self, total: usize) {
                let left = total;
                $(
                    // SAFETY: the caller has initialised `total` bytes in this order.
                    let left = unsafe { deal(&mut self.$index, left) };
                )*
                debug_assert!(left == 0, "{left} bytes more than the list can hold");
            }
        }
    };
}

tuple!(1: A 0);
tuple!(2: A 0, B 1);
tuple!(3: A 0, B 1, C 2);
tuple!(4: A 0, B 1, C 2, D 3);

#[cold]
fn out_of_range(index: usize, count: usize) -> ! {
    panic!("part {index} of a list of {count} buffers")
}

#[cfg(test)]
mod tests;

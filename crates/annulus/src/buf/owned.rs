//! The buffer traits for the containers of `std`.
//!
//! Owns no types. Each implementation rests on one fact: the bytes live on the heap or in a
//! `static`, and the container is only a handle to them. Arrays are missing for that reason; box
//! them. `Vec<MaybeUninit<u8>>` is missing too: with a second kind of `Vec` the compiler could no
//! longer infer the type of `read(Vec::with_capacity(4096))`, whose capacity is uninitialised
//! anyway.

use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;

use super::{IoBuf, IoBufMut};

/// Containers that dereference to bytes outside of the value.
macro_rules! readable {
    ($($container:ty),* $(,)?) => {$(
        // SAFETY: an owner, a counted reference that keeps the count above zero, or a reference to
        // `'static` memory: the bytes are initialised, outside of the value, and cannot change
        // while it exists other than through `&mut` to an exclusive owner.
        unsafe impl IoBuf for $container {
            #[inline]
            fn bytes_ptr(&self) -> *const u8 {
                <[u8]>::as_ptr(self)
            }

            #[inline]
            fn bytes_len(&self) -> usize {
                <[u8]>::len(self)
            }
        }
    )*};
}

readable! {
    Vec<u8>,
    Box<[u8]>,
    Rc<[u8]>,
    Rc<Vec<u8>>,
    Arc<[u8]>,
    Arc<Vec<u8>>,
    &'static [u8],
    &'static mut [u8],
    Cow<'static, [u8]>,
}

/// Containers of text. No `IoBufMut`: the kernel could write bytes that are not UTF-8.
macro_rules! text {
    ($($container:ty),* $(,)?) => {$(
        // SAFETY: as for the byte containers above; `str` is its bytes.
        unsafe impl IoBuf for $container {
            #[inline]
            fn bytes_ptr(&self) -> *const u8 {
                str::as_ptr(self)
            }

            #[inline]
            fn bytes_len(&self) -> usize {
                str::len(self)
            }
        }
    )*};
}

text! {
    String,
    Box<str>,
    Rc<str>,
    Arc<str>,
    &'static str,
    Cow<'static, str>,
}

// SAFETY: the only owner of its allocation, of which `capacity` bytes are writable.
unsafe impl IoBufMut for Vec<u8> {
    #[inline]
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    #[inline]
    fn bytes_capacity(&self) -> usize {
        self.capacity()
    }

    #[inline]
    unsafe fn set_bytes_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity());
        // SAFETY: the caller has initialised the first `len` bytes, within the capacity.
        unsafe { self.set_len(len) }
    }
}

/// Exclusive owners of initialised bytes whose length never changes.
macro_rules! fixed {
    ($(($($generics:tt)*) $container:ty),* $(,)?) => {$(
        // SAFETY: exclusive access to bytes outside of the value, all of them initialised.
        unsafe impl $($generics)* IoBufMut for $container {
            #[inline]
            fn bytes_mut_ptr(&mut self) -> *mut u8 {
                self.as_mut_ptr()
            }

            #[inline]
            fn bytes_capacity(&self) -> usize {
                self.len()
            }

            #[inline]
            unsafe fn set_bytes_len(&mut self, len: usize) {
                debug_assert!(len <= self.len());
            }
        }
    )*};
}

fixed! {
    () Box<[u8]>,
    (<const N: usize>) Box<[u8; N]>,
    () &'static mut [u8],
}

// SAFETY: the array is on the heap, initialised, and owned by the box alone.
unsafe impl<const N: usize> IoBuf for Box<[u8; N]> {
    #[inline]
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    #[inline]
    fn bytes_len(&self) -> usize {
        N
    }
}

/// Memory that need not be initialised: nothing of it can be sent, all of it can be filled.
///
/// [`Slice`](super::Slice) remembers how much was read, so `buf.slice_mut(..)` can be read into and
/// then sent.
// SAFETY: on the heap, and no byte is claimed to be initialised.
unsafe impl IoBuf for Box<[MaybeUninit<u8>]> {
    #[inline]
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr().cast()
    }

    #[inline]
    fn bytes_len(&self) -> usize {
        0
    }
}

// SAFETY: the only owner of its allocation; every byte of it is writable.
unsafe impl IoBufMut for Box<[MaybeUninit<u8>]> {
    #[inline]
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr().cast()
    }

    #[inline]
    fn bytes_capacity(&self) -> usize {
        self.len()
    }

    #[inline]
    unsafe fn set_bytes_len(&mut self, len: usize) {
        debug_assert!(len <= self.len());
    }
}

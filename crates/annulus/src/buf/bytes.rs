//! The buffer traits for the crate `bytes` (feature `bytes`, on by default).
//!
//! Owns no types. Both types are handles to counted memory outside of the value.
#![cfg(feature = "bytes")]

use bytes::{Bytes, BytesMut};

use super::{IoBuf, IoBufMut};

// SAFETY: immutable bytes outside of the value, kept alive by its count.
unsafe impl IoBuf for Bytes {
    #[inline]
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    #[inline]
    fn bytes_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: each `BytesMut` has its own part of the allocation, outside of the value.
unsafe impl IoBuf for BytesMut {
    #[inline]
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    #[inline]
    fn bytes_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: this part of the allocation, `capacity` bytes from its first one on, is its own.
unsafe impl IoBufMut for BytesMut {
    #[inline]
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        // `as_mut_ptr` would come from a slice of the initialised bytes alone, and give no right to
        // write behind them. The spare capacity of the cleared buffer is all of it.
        let len = self.len();
        self.clear();
        let start = self.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: `clear` changed nothing but the length, which is put back.
        unsafe { self.set_len(len) };
        start
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

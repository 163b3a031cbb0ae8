//! Provided buffers of one size, all with the kernel at first.
//!
//! Owns: their memory and the ring they are offered in. Invariant: the memory lives as long as the
//! process, because a receive may write to it for as long as its ring lives.

use std::io;

use annulus_ring::abi::BufRegFlags;
use annulus_ring::{BufRing, Ring};

pub struct Pool {
    start: *mut u8,
    /// Of each buffer.
    bytes: usize,
    offered: BufRing,
}

/// The group that receives name.
pub const BGID: u16 = 0;
/// The least and the most that a buffer holds.
const BUFFER_BYTES: std::ops::RangeInclusive<usize> = 1024..=65536;
/// All buffers together hold no more: memory that is swept for the first time while it is measured
/// would be paid for by page faults.
const POOL_BYTES: usize = 512 << 20;

impl Pool {
    /// Registers so many buffers, a power of two, or as many as there may be, for messages of so
    /// many bytes.
    pub fn register(ring: &mut Ring, mut buffers: u16, bytes: usize) -> io::Result<Self> {
        let bytes = bytes.clamp(*BUFFER_BYTES.start(), *BUFFER_BYTES.end());
        while usize::from(buffers) * bytes > POOL_BYTES {
            buffers /= 2;
        }
        // SAFETY: the pool lives until the process ends or, after an error, until the ring is
        // closed just before.
        let offered = unsafe { ring.register_buf_ring(buffers, BGID, BufRegFlags::EMPTY) }?;
        let memory = vec![0; usize::from(buffers) * bytes].leak();
        let mut pool = Self { start: memory.as_mut_ptr(), bytes, offered };
        (0..buffers).for_each(|bid| pool.give(bid));
        pool.publish();
        Ok(pool)
    }

    /// Where the buffer is.
    #[inline]
    pub fn address(&self, bid: u16) -> *mut u8 {
        debug_assert!(bid < self.offered.entries());
        self.start.wrapping_add(usize::from(bid) * self.bytes)
    }

    /// The first `bytes` of a buffer.
    ///
    /// # Safety
    /// * A completion named `bid`, so it was received into, and it was not given back yet.
    pub unsafe fn bytes(&self, bid: u16, bytes: usize) -> &[u8] {
        debug_assert!(bytes <= self.bytes);
        // SAFETY: within the leaked memory; the kernel does not write to it, as the caller says.
        unsafe { std::slice::from_raw_parts(self.address(bid), bytes) }
    }

    /// Gives a buffer back; the kernel sees it after `publish`.
    #[inline]
    pub fn give(&mut self, bid: u16) {
        let address = self.address(bid);
        // SAFETY: leaked memory that nothing else uses: each buffer is either with the kernel or
        // with the one completion that named it, and there are as many entries as buffers.
        unsafe { self.offered.push(bid, address, self.bytes as u32) };
    }

    pub fn publish(&mut self) {
        self.offered.publish();
    }
}

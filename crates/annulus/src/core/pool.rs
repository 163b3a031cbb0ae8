//! Memory that the kernel receives into: a group of provided buffers, and the leases on it.
//!
//! Owns: the buffers' memory, which of them the kernel has (*published*), which are *free*, and how
//! many leases are out. Does not own: who waits for a buffer (the streams do).
//!
//! ```text
//!   free --publish--> with the kernel --CQE--> leased --last lease dropped--> free
//! ```
//!
//! Few buffers are published, and the one that came back last goes out first, so a small working
//! set of memory stays hot. When the kernel runs out, the published number doubles, up to all there
//! are.
//!
//! Where receives share a buffer, a completion says how many bytes it took and not where they are:
//! its place is behind those of all completions before it. That holds because Linux posts the
//! completions of one ring in the order in which the receives consumed the group (measured on
//! 6.18 by `annulus-ring/tests/it/shared_buffers.rs`).
//!
//! Invariants: every buffer is in exactly one of the three states, whatever the kernel names: a
//! completion takes room only from a buffer that the kernel has, and is refused if it names another
//! or more than is left; memory lives until the last lease is gone, whichever thread drops it and
//! however long the core is dead.

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::Arc;

use annulus_ring::abi::BufRegFlags;
use annulus_ring::{BufRing, Ring};
use annulus_task::CoreId;

use super::metrics::Board;
use crate::buf::Lease;

mod returns;

use returns::Returns;

/// How a group is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Bytes of one buffer.
    pub(crate) buffer_bytes: u32,
    /// How many there are at most; a power of two.
    pub(crate) count: u16,
    /// How many are published at first.
    pub(crate) published: u16,
    /// The kernel consumes buffers bit by bit (`IOU_PBUF_RING_INC`).
    pub(crate) incremental: bool,
}

impl Shape {
    /// Of all buffers.
    fn bytes(&self) -> usize {
        self.buffer_bytes as usize * usize::from(self.count)
    }
}

/// Why there is no group.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The system has no room for the memory of its buffers.
    Memory(std::io::Error),
    /// The ring does not take it: another one has its number, or the memlock limit is too low.
    Group,
}

/// What leases and their core share.
pub(crate) struct Shared {
    core: CoreId,
    board: Arc<Board>,
    memory: NonNull<u8>,
    shape: Shape,
    /// The owner core's own view; touched by its thread alone.
    local: UnsafeCell<Local>,
    /// Leases that came back on other threads.
    returns: Returns,
}

struct Local {
    /// Free buffers; the last one came back last.
    free: Vec<u16>,
    /// Leases on each buffer, plus one while the kernel has it.
    holds: Vec<u32>,
    leases: u32,
}

// SAFETY: `local` is touched only on the owner core's thread while the core lives (`give_back` and
// the `Pool` check that), and by nobody afterwards; the rest is immutable or synchronised.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// The core's side of the group.
pub(crate) struct Pool {
    shared: NonNull<Shared>,
    ring: Option<BufRing>,
    bgid: u16,
    /// Buffers that the kernel has.
    published: u16,
    /// How many it should have.
    target: u16,
    /// Streams that may still be armed for the buffers that are published.
    ration: u16,
    /// How much of each buffer the kernel has consumed, which is nothing outside of incremental
    /// groups; [`GONE`] for one that it does not have.
    consumed: Vec<u32>,
}

/// Consumed of a buffer that the kernel does not have: more than a buffer can be long, so the look
/// whether there is room for what a completion names is the look whose buffer it is as well.
const GONE: u32 = u32::MAX;
/// The most bytes of one buffer. The kernel receives no more at once.
pub(crate) const BUFFER_BYTES_MAX: u32 = i32::MAX as u32;

impl Pool {
    /// Reserves the memory, of which nothing is touched before it is published, and registers the
    /// group. If one of the two is refused, neither is left.
    pub(crate) fn new(
        ring: &mut Ring,
        board: Arc<Board>,
        shape: Shape,
        bgid: u16,
    ) -> Result<Self, Refused> {
        let bytes = shape.bytes();
        let memory = memory::map(bytes).map_err(Refused::Memory)?;
        let flags = if shape.incremental { BufRegFlags::INC } else { BufRegFlags::EMPTY };
        // SAFETY: the pool keeps what it pushes valid until the kernel has given it back.
        let Ok(ring) = (unsafe { ring.register_buf_ring(shape.count, bgid, flags) }) else {
            // SAFETY: mapped just now, with this size, and nobody has heard of it.
            unsafe { memory::unmap(memory, bytes) };
            return Err(Refused::Group);
        };
        let shared = Box::new(Shared {
            core: board.core,
            board,
            memory,
            shape,
            local: UnsafeCell::new(Local {
                free: (0..shape.count).rev().collect(),
                holds: vec![0; usize::from(shape.count)],
                leases: 0,
            }),
            returns: Returns::new(),
        });
        let mut pool = Self {
            shared: NonNull::from(Box::leak(shared)),
            ring: Some(ring),
            bgid,
            published: 0,
            target: shape.published.clamp(1, shape.count),
            ration: 0,
            consumed: vec![GONE; usize::from(shape.count)],
        };
        debug_assert!(
            shape.buffer_bytes <= BUFFER_BYTES_MAX,
            "no buffer is consumed by GONE bytes"
        );
        pool.replenish();
        pool.shared().board.buffers.add(u64::from(shape.count));
        Ok(pool)
    }

    pub(crate) fn bgid(&self) -> u16 {
        self.bgid
    }

    pub(crate) fn buffer_bytes(&self) -> u32 {
        self.shared().shape.buffer_bytes
    }

    /// Whether many leases share a buffer.
    pub(crate) fn is_incremental(&self) -> bool {
        self.shared().shape.incremental
    }

    pub(crate) fn published(&self) -> u16 {
        self.published
    }

    /// Buffers in all.
    pub(crate) fn count(&self) -> u16 {
        self.shared().shape.count
    }

    /// Leases that are out; those that came back on other threads count until they are collected.
    pub(crate) fn leases_out(&self) -> u32 {
        self.with_local(|local| local.leases) - self.shared().returns.waiting()
    }

    /// Whether the kernel has fewer buffers than it is to have.
    #[inline]
    pub(crate) fn is_short(&self) -> bool {
        self.published < self.target
    }

    /// Gives the kernel buffers up to the target. True if it has at least one afterwards.
    #[inline]
    pub(crate) fn replenish(&mut self) -> bool {
        if self.is_short() {
            self.publish_free();
        }
        self.published > 0
    }

    #[inline(never)]
    fn publish_free(&mut self) {
        let missing = self.target - self.published;
        if self.with_local(|local| local.free.len() < usize::from(missing)) {
            self.collect_returns();
        }
        let shared = self.shared;
        let bytes = self.buffer_bytes();
        let mut pushed = 0;
        while pushed < missing {
            let Some(bid) = self.with_local(take_free) else {
                break;
            };
            self.consumed[usize::from(bid)] = 0;
            // SAFETY: `shared` lives as long as the pool.
            let address = unsafe { shared.as_ref() }.address(bid, 0);
            if let Some(ring) = &mut self.ring {
                // SAFETY: the buffer is free, so nobody else uses its memory, and it stays
                // mapped until the kernel has given it back and every lease is gone.
                unsafe { ring.push(bid, address.as_ptr(), bytes) };
            }
            pushed += 1;
        }
        if pushed > 0 {
            self.published += pushed;
            self.shared().board.buffers_published.add(u64::from(pushed));
            if let Some(ring) = &mut self.ring {
                ring.publish();
            }
        }
    }

    /// The kernel ran out: publish twice as many from now on. False if all there are were out
    /// already.
    pub(crate) fn grow(&mut self) -> bool {
        let count = self.shared().shape.count;
        let grown = self.target < count;
        self.target = self.target.saturating_mul(2).min(count);
        grown
    }

    /// From now on, one stream may be armed for each published buffer.
    pub(crate) fn ration(&mut self) {
        self.ration = self.published;
    }

    /// Whether one more stream may be armed.
    pub(crate) fn take_ration(&mut self) -> bool {
        let left = self.ration > 0;
        self.ration -= u16::from(left);
        left
    }

    /// Turns what a completion says into a lease. `more` is `IORING_CQE_F_BUF_MORE`. `None` if the
    /// kernel does not have that buffer, or not that much of it: then nothing has happened.
    pub(crate) fn lease(&mut self, bid: u16, len: u32, more: bool) -> Option<Lease> {
        let shape = self.shared().shape;
        let Some(consumed) = self.consumed.get_mut(usize::from(bid)) else {
            return self.misnamed();
        };
        let offset = *consumed;
        if u64::from(offset) + u64::from(len) > shape.buffer_bytes.into() {
            return self.misnamed();
        }
        let kernel_keeps = shape.incremental && more;
        *consumed = if kernel_keeps { offset + len } else { GONE };
        self.with_local(|local| {
            local.leases += 1;
            // The kernel's own hold passes to the lease unless the kernel keeps the buffer.
            local.holds[usize::from(bid)] += u32::from(kernel_keeps);
        });
        let board = &self.shared().board;
        board.leases_out.add(1);
        if !kernel_keeps {
            board.buffers_published.subtract(1);
            self.published -= 1;
        }
        let address = self.shared().address(bid, offset);
        // SAFETY: the kernel had the buffer and wrote `len` bytes at `address`, inside of it, will
        // not write there again before the buffer is published anew, and the lease holds the buffer
        // until dropped.
        Some(unsafe { Lease::from_pool(self.shared, bid, address, len as usize) })
    }

    /// A completion names what the kernel cannot have filled: counted, as one that is nobody's.
    #[cold]
    fn misnamed(&self) -> Option<Lease> {
        self.shared().board.stale_cqes.add(1);
        None
    }

    /// Takes back a buffer that came with a completion that carries no data, if the kernel had it.
    pub(crate) fn discard(&mut self, bid: u16, more: bool) {
        drop(self.lease(bid, 0, more));
    }

    /// The ring, to be unregistered before the memory goes.
    pub(crate) fn take_ring(&mut self) -> Option<BufRing> {
        self.ring.take()
    }

    /// Takes back what came back on other threads.
    fn collect_returns(&mut self) {
        let returned = self.shared().returns.collect();
        self.shared().board.leases_out.subtract(returned.len() as u64);
        self.with_local(|local| {
            for bid in returned {
                local.release(bid);
            }
        });
    }

    fn shared(&self) -> &Shared {
        // SAFETY: allocated in `new`, freed no earlier than in this pool's drop.
        unsafe { self.shared.as_ref() }
    }

    fn with_local<R>(&self, f: impl FnOnce(&mut Local) -> R) -> R {
        let local = self.shared().local.get();
        // SAFETY: a pool is used on its core's thread only (it is part of a `!Send` core), and no
        // other reference to `local` exists: every access is as short as this one and runs no user
        // code.
        f(unsafe { &mut *local })
    }
}

fn take_free(local: &mut Local) -> Option<u16> {
    let bid = local.free.pop()?;
    local.holds[usize::from(bid)] = 1;
    Some(bid)
}

impl Local {
    fn release(&mut self, bid: u16) {
        self.leases -= 1;
        let holds = &mut self.holds[usize::from(bid)];
        *holds -= 1;
        if *holds == 0 {
            self.free.push(bid);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(ring) = self.ring.take() {
            // Nobody has taken it from the kernel, because the core did not end in order: what the
            // kernel may still write to is leaked, never freed.
            std::mem::forget(ring);
            return;
        }
        let leases = self.with_local(|local| local.leases);
        if self.shared().returns.end(leases) {
            // SAFETY: the pool is going away, and no lease is left to reach `shared`.
            unsafe { free(self.shared) };
        }
    }
}

impl Shared {
    fn address(&self, bid: u16, offset: u32) -> NonNull<u8> {
        let bytes = usize::from(bid) * self.shape.buffer_bytes as usize + offset as usize;
        // SAFETY: `bid` is below the count and `offset` within a buffer: inside the mapping.
        unsafe { self.memory.add(bytes) }
    }
}

/// Gives one lease on buffer `bid` back, on any thread.
///
/// # Safety
/// * The caller owned a lease on this buffer of this group and uses neither any more.
pub(crate) unsafe fn give_back(shared: NonNull<Shared>, bid: u16) {
    // SAFETY: the lease kept `shared` alive until now.
    let this = unsafe { shared.as_ref() };
    if super::current_id() == Some(this.core) {
        let local = this.local.get();
        // SAFETY: this is the owner core's thread, the core lives (it is current), and no other
        // reference to `local` exists: all are as short as this one.
        unsafe { &mut *local }.release(bid);
        this.board.leases_out.subtract(1);
        return;
    }
    if super::process::is_inherited(this.core) {
        return; // the memory is the parent's; a child has neither it nor the buffer
    }
    if this.returns.give(bid) {
        // SAFETY: the core is gone and this was the last lease. Who gave the one before may still
        // be inside of the lock's release, which of a lock of `std` uses no more than its address.
        unsafe { free(shared) };
    }
}

/// # Safety
/// * Nobody else reaches `shared`, and the kernel has no buffer of it.
unsafe fn free(shared: NonNull<Shared>) {
    // SAFETY: `Pool::new` leaked this box, and it is freed once: by whoever saw the last lease go.
    let shared = unsafe { Box::from_raw(shared.as_ptr()) };
    // SAFETY: mapped in `Pool::new` with this size; nobody uses it any more.
    unsafe { memory::unmap(shared.memory, shared.shape.bytes()) };
}

mod memory {
    //! Anonymous mappings: untouched pages cost nothing, and a child after fork does not get them.

    use std::io;
    use std::ptr::NonNull;

    pub(super) fn map(bytes: usize) -> io::Result<NonNull<u8>> {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the range was just mapped.
        unsafe { libc::madvise(address, bytes, libc::MADV_DONTFORK) };
        NonNull::new(address.cast()).ok_or_else(|| io::Error::other("mmap gave address zero"))
    }

    /// # Safety
    /// * `map` gave this address for this size, and nobody uses it any more.
    pub(super) unsafe fn unmap(address: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller's contract.
        unsafe { libc::munmap(address.as_ptr().cast(), bytes) };
    }
}

#[cfg(test)]
mod tests;

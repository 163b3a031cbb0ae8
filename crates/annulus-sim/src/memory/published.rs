//! Entries that a program has published, seen by whoever stands between it and its kernel.
//!
//! Owns: reading the flags of entries that were not consumed yet, and making some of them fail.
//! Does not own: consuming them.
//!
//! Invariant: only entries between the head and what a call of enter offers are touched; these are
//! whole, and nobody else writes to them before the kernel has consumed them.

use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

use annulus_abi::{NopFlags, Opcode, Params, SetupFlags, Sqe, SqeFlags};
use annulus_ring::RingMemory;

/// The submission queue of a ring, read from the side.
#[derive(Debug)]
pub(crate) struct Published {
    memory: RingMemory,
    params: Params,
}

impl Published {
    /// None for a ring whose entries another thread consumes, or whose entries are of another size.
    ///
    /// # Safety
    /// * `memory` is as `params` describe it.
    /// * Entries are consumed only in calls of enter of the thread that asks.
    pub(super) unsafe fn new(memory: RingMemory, params: &Params) -> Option<Self> {
        let others = SetupFlags::SQPOLL | SetupFlags::SQE128;
        (!params.flags.intersects(others)).then(|| Self { memory, params: *params })
    }

    /// Whether no chain goes on behind the entry that is so many places behind the head. It is one
    /// of those that the current call offers.
    pub(crate) fn ends_chain(&self, place: u32) -> bool {
        let Some(sqe) = self.entry(place) else { return true };
        // SAFETY: published by this thread and not consumed, so nobody writes to it.
        let flags = unsafe { (*sqe.as_ptr()).flags };
        !flags.intersects(SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK)
    }

    /// Turns those of some entries into NOPs that fail for which there is an error number. Gives
    /// how many.
    pub(crate) fn fail(&self, places: Range<u32>, errno: impl Fn(Opcode) -> Option<i32>) -> usize {
        let mut failing = 0;
        for place in places {
            let Some(sqe) = self.entry(place) else { continue };
            // SAFETY: published by this thread and not consumed, so nobody else touches it.
            let sqe = unsafe { &mut *sqe.as_ptr() };
            let Some(errno) = errno(sqe.opcode) else { continue };
            let links = SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK;
            let kept = SqeFlags(sqe.flags.bits() & links.bits());
            *sqe = Sqe {
                opcode: Opcode::NOP,
                flags: kept,
                len: -errno as u32,
                op_flags: NopFlags::INJECT_RESULT.bits(),
                user_data: sqe.user_data,
                ..Sqe::default()
            };
            failing += 1;
        }
        failing
    }

    /// The entry that is so many places behind the head; none if the kernel drops that one.
    fn entry(&self, place: u32) -> Option<NonNull<Sqe>> {
        // ORDERING: relaxed; the kernel moves the head in calls of this very thread.
        let head = self.word(self.params.sq_off.head).load(Ordering::Relaxed);
        let mut index = head.wrapping_add(place) & (self.params.sq_entries - 1);
        if !self.params.flags.contains(SetupFlags::NO_SQARRAY) {
            // ORDERING: relaxed; this thread wrote it.
            index = self.word(self.params.sq_off.array + 4 * index).load(Ordering::Relaxed);
        }
        if index >= self.params.sq_entries {
            return None;
        }
        // SAFETY: one of the entries.
        Some(unsafe { self.memory.sqes().add(index as usize) })
    }

    fn word(&self, offset: u32) -> &AtomicU32 {
        // SAFETY: the offset is one of the submission ring's in `params`.
        let word = unsafe { self.memory.sq_ring().add(offset as usize) }.cast::<AtomicU32>();
        // SAFETY: an aligned word that is only ever accessed atomically, in memory that `self`
        // keeps.
        unsafe { word.as_ref() }
    }
}

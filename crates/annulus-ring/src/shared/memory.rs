//! The two queues as the shared ring sees them: mapped by a kernel, or made of loom's words.
//!
//! Owns: [`SqMemory`] and [`CqMemory`], and their mapped forms. Does not own: the algorithms
//! ([`submission`](super::submission), [`completion`](super::completion)), which are the same over
//! both, nor the memory (`memory`).
//!
//! Invariants: positions run freely and wrap at 2^32, and the mask is applied here alone. Mirrors
//! io_uring(7).

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use annulus_abi::{Cqe, CqeFlags, Params, Sqe};

use crate::{
    memory::{RingMemory, Word},
    wakeup::SharedWord,
};

/// A submission queue with an index array.
pub trait SqMemory {
    /// A word that the kernel shares.
    type Word: SharedWord;
    /// What is written into a slot.
    type Entry;

    /// How many slots there are, a power of two.
    fn entries(&self) -> u32;
    /// Where the kernel's head stands.
    fn head(&self) -> &Self::Word;
    /// Where the tail is published.
    fn tail(&self) -> &Self::Word;
    /// What the kernel says of the queue: whether its thread sleeps.
    fn flags(&self) -> &Self::Word;
    /// The word of the index array for a position.
    fn index(&self, position: u32) -> &Self::Word;
    /// Fills a slot.
    ///
    /// # Safety
    /// * `slot` is below [`entries`](Self::entries), and belongs to the caller: it was taken from
    ///   the free slots, and has not been committed since.
    unsafe fn write(&self, slot: u32, entry: &Self::Entry);
}

/// A completion queue whose head several threads move.
pub trait CqMemory {
    /// A word that the kernel shares.
    type Word: SharedWord;

    /// How many entries there are, a power of two.
    fn entries(&self) -> u32;
    /// Where the head is published.
    fn head(&self) -> &Self::Word;
    /// Where the kernel's tail stands.
    fn tail(&self) -> &Self::Word;
    /// Moves the published head from `from` to `to`, with release; false if it stands elsewhere.
    fn move_head(&self, from: u32, to: u32) -> bool;
    /// Copies the entry at a position, word by word, while it may be overwritten: the copy is worth
    /// something only if the head turns out not to have passed the position.
    fn read(&self, position: u32) -> Cqe;
}

/// A submission queue in mapped or allocated memory.
pub struct MappedSq {
    mask: u32,
    sqes: *mut Sqe,
    head: Word,
    tail: Word,
    flags: Word,
    array: *const AtomicU32,
    _memory: RingMemory,
}

impl MappedSq {
    /// The queue in `memory`.
    ///
    /// # Safety
    /// * `params` describe `memory`, without [`NO_SQARRAY`](annulus_abi::SetupFlags::NO_SQARRAY),
    ///   and nobody else works on its submission queue.
    pub(crate) unsafe fn new(memory: &RingMemory, params: &Params) -> Self {
        let ring = memory.sq_ring();
        let at = &params.sq_off;
        // SAFETY: `params` give the offset of each shared word within the ring.
        let words = [at.head, at.tail, at.flags].map(|offset| unsafe { Word::at(ring, offset) });
        let [head, tail, flags] = words;
        // SAFETY: the array starts within the ring.
        let array = unsafe { ring.add(at.array as usize) };
        Self {
            mask: params.sq_entries - 1,
            sqes: memory.sqes().as_ptr(),
            head,
            tail,
            flags,
            array: array.as_ptr().cast(),
            _memory: memory.clone(),
        }
    }
}

impl SqMemory for MappedSq {
    type Word = AtomicU32;
    type Entry = Sqe;

    fn entries(&self) -> u32 {
        self.mask + 1
    }

    #[inline]
    fn head(&self) -> &AtomicU32 {
        &self.head
    }

    #[inline]
    fn tail(&self) -> &AtomicU32 {
        &self.tail
    }

    #[inline]
    fn flags(&self) -> &AtomicU32 {
        &self.flags
    }

    #[inline]
    fn index(&self, position: u32) -> &AtomicU32 {
        // SAFETY: the masked position is within the array's `sq_entries` words.
        let word = unsafe { self.array.add((position & self.mask) as usize) };
        // SAFETY: a word of the ring's memory, which this value keeps, and which both sides access
        // atomically.
        unsafe { &*word }
    }

    #[inline]
    unsafe fn write(&self, slot: u32, entry: &Sqe) {
        debug_assert!(slot <= self.mask);
        // SAFETY: the caller says that the slot is within the entries.
        let place = unsafe { self.sqes.add(slot as usize) };
        // SAFETY: the slot is the caller's alone; neither another thread nor the kernel touches it.
        unsafe { place.write(*entry) };
    }
}

// SAFETY: the memory is shared by design. Words are atomic, and a slot is written only by the
// thread that has taken it.
unsafe impl Send for MappedSq {}
// SAFETY: as above.
unsafe impl Sync for MappedSq {}

/// A completion queue in mapped or allocated memory.
pub struct MappedCq {
    mask: u32,
    head: Word,
    tail: Word,
    /// Two words for each entry: the user data, then result and flags.
    cqes: *const [AtomicU64; 2],
    _memory: RingMemory,
}

const _: () = assert!(size_of::<Cqe>() == 16 && align_of::<Cqe>() == align_of::<AtomicU64>());

impl MappedCq {
    /// The queue in `memory`.
    ///
    /// # Safety
    /// * `params` describe `memory`, entries have 16 bytes, and nobody else works on its completion
    ///   queue.
    pub(crate) unsafe fn new(memory: &RingMemory, params: &Params) -> Self {
        let ring = memory.cq_ring();
        let at = &params.cq_off;
        // SAFETY: `params` give the offset of each shared word within the ring.
        let [head, tail] = [at.head, at.tail].map(|offset| unsafe { Word::at(ring, offset) });
        // SAFETY: the entries start within the ring.
        let cqes = unsafe { ring.add(at.cqes as usize) };
        Self {
            mask: params.cq_entries - 1,
            head,
            tail,
            cqes: cqes.as_ptr().cast(),
            _memory: memory.clone(),
        }
    }
}

impl CqMemory for MappedCq {
    type Word = AtomicU32;

    fn entries(&self) -> u32 {
        self.mask + 1
    }

    #[inline]
    fn head(&self) -> &AtomicU32 {
        &self.head
    }

    #[inline]
    fn tail(&self) -> &AtomicU32 {
        &self.tail
    }

    #[inline]
    fn move_head(&self, from: u32, to: u32) -> bool {
        // ORDERING: release pairs with the kernel's read of the head: the copies were made before;
        // relaxed if it fails.
        self.head.compare_exchange(from, to, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    #[inline]
    fn read(&self, position: u32) -> Cqe {
        // SAFETY: the masked position is within the entries.
        let entry = unsafe { self.cqes.add((position & self.mask) as usize) };
        // SAFETY: memory of the ring, which this value keeps, aligned to 8; the kernel may write
        // it meanwhile, so it is read atomically.
        let [user_data, rest] = unsafe { &*entry };
        // ORDERING: relaxed; the caller has acquired the tail, and discards the copy if the head
        // has moved.
        let user_data = user_data.load(Ordering::Relaxed);
        // ORDERING: relaxed, as above.
        let rest = rest.load(Ordering::Relaxed);
        Cqe { user_data, res: rest as u32 as i32, flags: CqeFlags((rest >> 32) as u32) }
    }
}

// SAFETY: the memory is shared by design, and only read and written atomically here.
unsafe impl Send for MappedCq {}
// SAFETY: as above.
unsafe impl Sync for MappedCq {}

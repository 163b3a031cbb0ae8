//! The op table: one slot for each request that a future has given to the kernel.
//!
//! Owns: slot headers, and the storage in which a slot keeps the *owner* of everything the kernel
//! may touch. Does not own: the meaning of owners (a [`Vtable`] has it), the ring, the records.
//!
//! ```text
//!            take            push             final CQE           poll
//!   Free ----------> Queued ------> Flight ------------> Done ----------> Free
//!                       |             | future dropped     | future dropped
//!                       +-----------> Orphan --final CQE--> reclaimed --> Free
//! ```
//!
//! | the future is dropped in | what happens |
//! |---|---|
//! | Queued | the slot becomes an orphan and stays in its socket's send queue: accepted bytes are sent |
//! | Flight | the slot becomes an orphan; a cancel is queued if the op allows it |
//! | Done | the owner is reclaimed at once with the result |
//!
//! Invariants: storage never moves while its slot is not free; an owner is taken out exactly once;
//! the generation moves on each time a slot becomes free.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::{align_of, size_of};
use std::ptr::NonNull;
use std::task::Waker;

use annulus_ring::{abi::Sqe, op::Target};

use super::Core;
use super::blocks::{ALIGN, Blocks};
use super::key::{Key, NONE, next_generation};
use super::op::Late;

/// Owners up to this size live in the slot itself.
pub(crate) const INLINE_BYTES: usize = 128;
const PAGE_SLOTS: usize = 64;

/// How the table works on an owner whose type it does not know.
pub(crate) struct Vtable {
    /// Fills an SQE for the owner in `storage`.
    pub(crate) encode: unsafe fn(storage: NonNull<u8>, target: Target, sqe: &mut Sqe),
    /// Notes a result; true if the request must go to the kernel again for the rest.
    pub(crate) resume: unsafe fn(storage: NonNull<u8>, res: i32) -> bool,
    /// Consumes the owner of an orphan with its late result.
    pub(crate) reclaim: unsafe fn(storage: NonNull<u8>, core: &Core, late: Late),
}

/// Where a slot is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Free,
    Queued,
    Flight,
    Done,
    Orphan,
}

/// Which queue of its socket a slot belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// None: it goes to the kernel at once.
    Free,
    /// The one receive that a socket has in flight.
    Recv,
    /// The send queue.
    Send,
}

/// What the driver knows of a slot.
pub(crate) struct Slot {
    pub(crate) generation: u32,
    pub(crate) phase: Phase,
    pub(crate) lane: Lane,
    /// The future is gone although the slot is still `Queued`.
    pub(crate) abandoned: bool,
    /// The record that the request works on, or [`NONE`].
    pub(crate) record: u32,
    pub(crate) record_generation: u32,
    /// Link of the free list or of a send queue.
    pub(crate) next: u32,
    pub(crate) res: i32,
    pub(crate) flags: u32,
    /// A first completion with F_MORE has set `res`; the final one must not.
    pub(crate) res_is_set: bool,
    pub(crate) waker: Option<Waker>,
    pub(crate) vtable: Option<&'static Vtable>,
}

/// All slots of a core.
pub(crate) struct Table {
    slots: Vec<Slot>,
    pages: Vec<NonNull<u8>>,
    free: u32,
    used: u32,
    pub(crate) blocks: Blocks,
}

impl Slot {
    /// Names the record that the request works on.
    #[inline]
    pub(crate) fn bind(&mut self, record: Key) {
        self.record = record.index;
        self.record_generation = record.generation;
    }

    /// The record that the request works on.
    pub(crate) fn record_key(&self) -> Option<Key> {
        let key = Key { index: self.record, generation: self.record_generation };
        (self.record != NONE).then_some(key)
    }
}

impl Table {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            pages: Vec::new(),
            free: NONE,
            used: 0,
            blocks: Blocks::default(),
        }
    }

    /// Slots that are not free.
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    /// Takes a free slot, and places `owner` in it.
    pub(crate) fn take<D>(&mut self, owner: D, vtable: &'static Vtable) -> (Key, NonNull<D>) {
        if self.free == NONE {
            self.grow();
        }
        let index = self.free;
        let storage = self.storage(index);
        let place = if fits::<D>() {
            storage.cast::<D>()
        } else {
            let block = self.blocks.take(size_of::<D>());
            // SAFETY: storage is valid for INLINE_BYTES and aligned; a pointer fits.
            unsafe { storage.cast::<NonNull<u8>>().write(block) };
            block.cast::<D>()
        };
        // SAFETY: `place` is valid for `D` by size and alignment (`fits`, or a block of its size),
        // and holds no live value: the slot was free.
        unsafe { place.write(owner) };
        let slot = &mut self.slots[index as usize];
        self.free = slot.next;
        self.used += 1;
        slot.next = NONE;
        slot.record = NONE;
        slot.record_generation = 0;
        slot.lane = Lane::Free;
        slot.abandoned = false;
        slot.phase = Phase::Flight;
        slot.res_is_set = false;
        slot.vtable = Some(vtable);
        (Key { index, generation: slot.generation }, place)
    }

    /// The slot of a live key.
    #[inline]
    pub(crate) fn get(&mut self, key: Key) -> Option<&mut Slot> {
        self.slots
            .get_mut(key.index as usize)
            .filter(|slot| slot.generation == key.generation && slot.phase != Phase::Free)
    }

    /// A slot by index, for lists that hold only live ones.
    pub(crate) fn at(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }

    /// The address of a slot's storage.
    #[inline]
    pub(crate) fn storage(&self, index: u32) -> NonNull<u8> {
        let page = self.pages[index as usize / PAGE_SLOTS];
        // SAFETY: a page has PAGE_SLOTS storages of INLINE_BYTES; the product stays inside.
        unsafe { page.add(index as usize % PAGE_SLOTS * INLINE_BYTES) }
    }

    /// Moves the owner out of a slot and frees the slot.
    ///
    /// # Safety
    /// * The slot is not free and holds a `D`.
    /// * The kernel has ended the request: it touches nothing of the owner any more.
    pub(crate) unsafe fn take_out<D>(&mut self, index: u32) -> D {
        let storage = self.storage(index);
        // SAFETY: the caller says that the slot holds a `D`.
        let place = unsafe { locate::<D>(storage) };
        // SAFETY: it is initialised, and the slot becomes free below, so it is read once.
        let owner = unsafe { place.read() };
        if !fits::<D>() {
            // SAFETY: `take` got the block with this size; the value was moved out.
            unsafe { self.blocks.give(place.cast(), size_of::<D>()) };
        }
        self.release(index);
        owner
    }

    fn release(&mut self, index: u32) {
        let free = self.free;
        let slot = &mut self.slots[index as usize];
        debug_assert_ne!(slot.phase, Phase::Free, "a slot is freed once");
        slot.generation = next_generation(slot.generation);
        slot.phase = Phase::Free;
        slot.waker = None;
        slot.vtable = None;
        slot.next = free;
        self.free = index;
        self.used -= 1;
    }

    #[cold]
    fn grow(&mut self) {
        let layout = page_layout();
        // SAFETY: the layout has a size above zero.
        let page = unsafe { alloc(layout) };
        let page = NonNull::new(page).unwrap_or_else(|| handle_alloc_error(layout));
        self.pages.push(page);
        let first = self.slots.len() as u32;
        for index in first..first + PAGE_SLOTS as u32 {
            let last = index == first + PAGE_SLOTS as u32 - 1;
            self.slots.push(Slot {
                generation: 0,
                phase: Phase::Free,
                lane: Lane::Free,
                abandoned: false,
                record: NONE,
                record_generation: 0,
                next: if last { self.free } else { index + 1 },
                res: 0,
                flags: 0,
                res_is_set: false,
                waker: None,
                vtable: None,
            });
        }
        self.free = first;
    }

    /// Keys of every slot that is not free.
    pub(crate) fn live(&self) -> Vec<Key> {
        let keys = self.slots.iter().enumerate().filter(|(_, slot)| slot.phase != Phase::Free);
        keys.map(|(index, slot)| Key { index: index as u32, generation: slot.generation }).collect()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if self.used > 0 {
            // The kernel may still write to these owners: they and their pages are leaked, never
            // freed.
            return;
        }
        for page in self.pages.drain(..) {
            // SAFETY: allocated in `grow` with this layout; no slot is in use.
            unsafe { dealloc(page.as_ptr(), page_layout()) };
        }
    }
}

fn page_layout() -> Layout {
    Layout::from_size_align(PAGE_SLOTS * INLINE_BYTES, ALIGN).expect("a page is a few kilobytes")
}

/// Whether a `D` lives in the slot itself.
const fn fits<D>() -> bool {
    const { assert!(align_of::<D>() <= ALIGN, "a buffer's type is aligned to at most 16 bytes") };
    size_of::<D>() <= INLINE_BYTES
}

/// Where the owner of a slot is.
///
/// # Safety
/// * `storage` belongs to a slot that holds a `D`.
pub(crate) unsafe fn locate<D>(storage: NonNull<u8>) -> NonNull<D> {
    if fits::<D>() {
        storage.cast()
    } else {
        // SAFETY: for an owner that does not fit, `take` stored the block's address here.
        unsafe { storage.cast::<NonNull<D>>().read() }
    }
}

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
//! | Queued | the slot becomes an orphan and stays in its socket's send queue: accepted bytes are sent; a step of a chain is cancelled when its turn comes |
//! | Flight | the slot becomes an orphan; a cancel is queued if the op allows it |
//! | Cancelling | the slot becomes an orphan; its cancel is on its way already |
//! | Done | the owner is reclaimed at once with the result |
//!
//! Invariants: storage never moves while its slot is not free; an owner is taken out exactly once;
//! the generation moves on each time a slot becomes free.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::{MaybeUninit, align_of, size_of};
use std::ptr::NonNull;
use std::task::Waker;

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::Target;

use super::Core;
use super::blocks::{ALIGN, Blocks};
use super::key::{Key, NONE, next_generation};
use super::op::Late;

/// Owners up to this size live in the slot itself.
pub(crate) const INLINE_BYTES: usize = 192;
const PAGE_SLOTS: usize = 64;

/// How the table works on an owner whose type it does not know.
pub(crate) struct Vtable {
    /// Fills an SQE for the owner in `storage`.
    pub(crate) encode: unsafe fn(storage: NonNull<u8>, target: Target, sqe: &mut Sqe),
    /// Notes a result; true if the request must go to the kernel again for the rest.
    pub(crate) resume: unsafe fn(storage: NonNull<u8>, res: i32) -> bool,
    /// Consumes the owner of an orphan with its late result.
    pub(crate) reclaim: unsafe fn(storage: NonNull<u8>, core: &Core, late: Late),
    /// What is asked for, for people.
    pub(crate) opcode: Option<Opcode>,
    /// What the owner's type is called.
    pub(crate) kind: fn() -> &'static str,
}

/// Where a slot is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Free,
    Queued,
    Flight,
    Done,
    Orphan,
    /// A cancel is on its way; the future still wants result and buffer.
    Cancelling,
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
    /// A chain of linked requests.
    Chain,
    /// None any more: a zero-copy send whose bytes the socket has, and whose memory the kernel has.
    Released,
}

/// What the driver knows of a slot.
#[repr(C, align(16))]
pub(crate) struct Slot {
    /// That of the slot's key; with [`VACANT`] while the slot is free, so that no key fits.
    generation: u32,
    pub(crate) phase: Phase,
    pub(crate) lane: Lane,
    /// The future is gone although the slot is still `Queued`.
    pub(crate) abandoned: bool,
    /// A first completion with F_MORE has set `res`; the final one must not.
    pub(crate) res_is_set: bool,
    index: u32,
    /// The record that the request works on, or [`NONE`].
    pub(crate) record: u32,
    pub(crate) record_generation: u32,
    /// Link of the free list, of a send queue, or of a chain.
    pub(crate) next: u32,
    pub(crate) res: i32,
    /// Of the completion; until then, the generation of `next` in a chain.
    pub(crate) flags: u32,
    /// The round in which it became an orphan.
    pub(crate) left: u32,
    /// Notifications that zero-copy sends have announced and that have not come.
    pub(crate) notifications: u16,
    /// It has tried to send without copying. False in a slot that has ended.
    pub(crate) zero_copy: bool,
    pub(crate) waker: Option<Waker>,
    pub(crate) vtable: Option<&'static Vtable>,
}

/// In `Slot::generation`, above the bits that a key has.
const VACANT: u32 = 1 << 31;

/// A slot, and behind it the room for an owner. References are made to the slot alone: what the
/// kernel may write to meanwhile is only ever reached through a raw pointer.
#[repr(C)]
struct Place {
    slot: Slot,
    storage: MaybeUninit<[u8; INLINE_BYTES]>,
}

const _: () = assert!(align_of::<Place>() == ALIGN);
const _: () = assert!(std::mem::offset_of!(Place, storage) % ALIGN == 0);

/// All slots of a core.
pub(crate) struct Table {
    pages: Vec<NonNull<Place>>,
    free: u32,
    used: u32,
    pub(crate) blocks: Blocks,
}

/// What the future of a slot finds there.
pub(crate) enum Found<'a> {
    /// Not the slot of this key any more.
    Gone,
    /// The request has not ended.
    Waiting(&'a mut Slot),
    /// It has: this is its result, and the owner is to be taken out.
    Done(Ended),
}

/// A slot whose request has ended.
pub(crate) struct Ended {
    place: NonNull<Place>,
    pub(crate) res: i32,
    pub(crate) flags: u32,
}

impl Slot {
    /// The slot's name for as long as it is not free.
    #[inline]
    pub(crate) fn key(&self) -> Key {
        Key { index: self.index, generation: self.generation }
    }

    /// Names the record that the request works on.
    #[inline]
    pub(crate) fn bind(&mut self, record: Key) {
        self.record = record.index;
        self.record_generation = record.generation;
    }

    /// The record that the request works on.
    #[inline]
    pub(crate) fn record_key(&self) -> Option<Key> {
        let key = Key { index: self.record, generation: self.record_generation };
        (self.record != NONE).then_some(key)
    }
}

impl Table {
    pub(crate) fn new() -> Self {
        Self { pages: Vec::new(), free: NONE, used: 0, blocks: Blocks::default() }
    }

    /// Slots that are not free.
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    /// Where a slot is; panics if there is none with this index.
    #[inline]
    fn place(&self, index: u32) -> NonNull<Place> {
        let page = self.pages[index as usize / PAGE_SLOTS];
        // SAFETY: a page has PAGE_SLOTS places, and the remainder is below that.
        unsafe { page.add(index as usize % PAGE_SLOTS) }
    }

    /// Takes a free slot, and places `owner` in it: in flight, on no record, in no lane.
    #[inline]
    pub(crate) fn take<D>(
        &mut self,
        owner: D,
        vtable: &'static Vtable,
        waker: Option<Waker>,
    ) -> (&mut Slot, NonNull<D>) {
        if self.free == NONE {
            self.grow();
        }
        let place = self.place(self.free);
        let storage = storage_of(place);
        let owner_place = if fits::<D>() {
            storage.cast::<D>()
        } else {
            let block = self.blocks.take(size_of::<D>());
            // SAFETY: storage is valid for INLINE_BYTES and aligned; a pointer fits.
            unsafe { storage.cast::<NonNull<u8>>().write(block) };
            block.cast::<D>()
        };
        // SAFETY: `owner_place` is valid for `D` by size and alignment (`fits`, or a block of its
        // size), and holds no live value: the slot was free.
        unsafe { owner_place.write(owner) };
        // SAFETY: as in `at`.
        let slot = unsafe { slot_of(place) };
        self.free = slot.next;
        self.used += 1;
        slot.generation &= !VACANT;
        slot.phase = Phase::Flight;
        slot.lane = Lane::Free;
        slot.abandoned = false;
        slot.res_is_set = false;
        slot.record = NONE;
        slot.next = NONE;
        // SAFETY: a valid place of that type. What it held is none: a free slot has no waker.
        unsafe { (&raw mut slot.waker).write(waker) };
        slot.vtable = Some(vtable);
        (slot, owner_place)
    }

    /// Where the slot of a live key is.
    #[inline]
    fn find(&self, key: Key) -> Option<NonNull<Place>> {
        let page = *self.pages.get(key.index as usize / PAGE_SLOTS)?;
        // SAFETY: a page has PAGE_SLOTS places, and the remainder is below that.
        let place = unsafe { page.add(key.index as usize % PAGE_SLOTS) };
        // SAFETY: `grow` initialised the generation, the first field of the slot.
        let generation = unsafe { place.cast::<u32>().read() };
        (generation == key.generation).then_some(place)
    }

    /// The slot of a live key.
    #[inline]
    pub(crate) fn get(&mut self, key: Key) -> Option<&mut Slot> {
        // SAFETY: the place is of this table, which is borrowed for as long as the slot is.
        self.find(key).map(|place| unsafe { slot_of(place) })
    }

    /// A slot by index, for lists that hold only live ones.
    #[inline]
    pub(crate) fn at(&mut self, index: u32) -> &mut Slot {
        // SAFETY: the place is of this table, which is borrowed for as long as the slot is.
        unsafe { slot_of(self.place(index)) }
    }

    /// The address of a slot's storage.
    #[inline]
    pub(crate) fn storage(&self, index: u32) -> NonNull<u8> {
        storage_of(self.place(index))
    }

    /// What the future that holds `key` finds there.
    #[inline]
    pub(crate) fn look(&mut self, key: Key) -> Found<'_> {
        let Some(place) = self.find(key) else {
            return Found::Gone;
        };
        // SAFETY: the place is of this table, which is borrowed for as long as the slot is.
        let slot = unsafe { slot_of(place) };
        if slot.phase != Phase::Done {
            return Found::Waiting(slot);
        }
        Found::Done(Ended { place, res: slot.res, flags: slot.flags })
    }

    /// Moves the owner out of a slot that was just found to be done, and frees the slot.
    ///
    /// # Safety
    /// * The slot holds a `D`, and nothing was done to this table since it was looked at.
    #[inline]
    pub(crate) unsafe fn collect<D>(&mut self, ended: Ended) -> D {
        // SAFETY: the caller's contract; `Done` says that the kernel has ended the request.
        unsafe { self.vacate(ended.place) }
    }

    /// Moves the owner out of a slot and frees the slot.
    ///
    /// # Safety
    /// * The slot is not free and holds a `D`.
    /// * The kernel has ended the request: it touches nothing of the owner any more.
    pub(crate) unsafe fn take_out<D>(&mut self, index: u32) -> D {
        // SAFETY: the caller's contract.
        unsafe { self.vacate(self.place(index)) }
    }

    /// # Safety
    /// * As for [`Table::take_out`]; the place is of this table.
    #[inline]
    unsafe fn vacate<D>(&mut self, place: NonNull<Place>) -> D {
        // SAFETY: the caller says that the slot holds a `D`.
        let owner_place = unsafe { locate::<D>(storage_of(place)) };
        // SAFETY: it is initialised, and the slot becomes free below, so it is read once.
        let owner = unsafe { owner_place.read() };
        if !fits::<D>() {
            // SAFETY: `take` got the block with this size; the value was moved out.
            unsafe { self.blocks.give(owner_place.cast(), size_of::<D>()) };
        }
        // SAFETY: the place is of this table, which is borrowed here.
        let slot = unsafe { slot_of(place) };
        debug_assert_ne!(slot.phase, Phase::Free, "a slot is freed once");
        debug_assert!(slot.waker.is_none(), "who waits for a slot is told before it is freed");
        slot.generation = next_generation(slot.generation) | VACANT;
        slot.phase = Phase::Free;
        slot.next = self.free;
        self.free = slot.index;
        self.used -= 1;
        owner
    }

    #[cold]
    fn grow(&mut self) {
        let layout = page_layout();
        // SAFETY: the layout has a size above zero.
        let page = unsafe { alloc(layout) };
        let page = NonNull::new(page).unwrap_or_else(|| handle_alloc_error(layout)).cast::<Place>();
        let first = (self.pages.len() * PAGE_SLOTS) as u32;
        for offset in 0..PAGE_SLOTS as u32 {
            let index = first + offset;
            let last = offset == PAGE_SLOTS as u32 - 1;
            let slot = Slot {
                generation: VACANT,
                phase: Phase::Free,
                lane: Lane::Free,
                abandoned: false,
                res_is_set: false,
                index,
                record: NONE,
                record_generation: 0,
                next: if last { self.free } else { index + 1 },
                res: 0,
                flags: 0,
                left: 0,
                notifications: 0,
                zero_copy: false,
                waker: None,
                vtable: None,
            };
            // SAFETY: the page has PAGE_SLOTS places.
            let place = unsafe { page.add(offset as usize) };
            // SAFETY: the slot lies at the start of its place, in memory that is ours alone.
            unsafe { place.cast::<Slot>().write(slot) };
        }
        self.pages.push(page);
        self.free = first;
    }

    /// Keys of every slot that is not free.
    pub(crate) fn live(&mut self) -> Vec<Key> {
        let slots = (self.pages.len() * PAGE_SLOTS) as u32;
        let keys = (0..slots).filter_map(|index| {
            let slot = self.at(index);
            (slot.phase != Phase::Free).then(|| slot.key())
        });
        keys.collect()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        for key in self.live() {
            // A foreign waker is the only thing in a slot that is not the kernel's business.
            self.at(key.index).waker = None;
        }
        if self.used > 0 {
            // The kernel may still write to these owners: they and their pages are leaked, never
            // freed.
            return;
        }
        for page in self.pages.drain(..) {
            // SAFETY: allocated in `grow` with this layout; no slot is in use.
            unsafe { dealloc(page.as_ptr().cast(), page_layout()) };
        }
    }
}

/// The slot of a place.
///
/// # Safety
/// * The place is of a table that is borrowed exclusively for `'a`.
#[inline]
unsafe fn slot_of<'a>(place: NonNull<Place>) -> &'a mut Slot {
    // SAFETY: the slot lies at the start of its place and was initialised by `grow`; the caller
    // says that nobody else refers to it.
    unsafe { place.cast::<Slot>().as_mut() }
}

/// The storage of a place.
#[inline]
fn storage_of(place: NonNull<Place>) -> NonNull<u8> {
    // SAFETY: the offset is that of a field, so it stays inside of the place.
    unsafe { place.cast::<u8>().add(std::mem::offset_of!(Place, storage)) }
}

fn page_layout() -> Layout {
    Layout::array::<Place>(PAGE_SLOTS).expect("a page is a few kilobytes")
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

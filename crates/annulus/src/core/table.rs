//! The op table: one slot for each request that a future has given to the kernel.
//!
//! Owns: where slots are, and the storage in which a slot keeps the *owner* of everything the
//! kernel may touch. Does not own: what a slot says (`slot`), the meaning of owners (a [`Vtable`]
//! has it), the ring, the records.
//!
//! ```text
//!                 take                     final CQE           poll
//!   Free ----------------------> Flight ------------> Done ----------> Free
//!     | behind others     push   ^   | future dropped   | future dropped
//!     +-------------> Queued ----+   +--> Orphan --final CQE--> reclaimed --> Free
//! ```
//!
//! | the future is dropped in | what happens |
//! |---|---|
//! | Queued | the slot is abandoned and stays in its socket's send queue: accepted bytes are sent; a step of a chain is cancelled when its turn comes |
//! | Flight | the slot becomes an orphan; a cancel is queued if the op allows it |
//! | Cancelling | the slot becomes an orphan; its cancel is on its way already. One of a send queue stays what it is, and is abandoned (`Slot::lose_future`) |
//! | Done | the owner is reclaimed at once with the result |
//!
//! Invariants: storage never moves while its slot is not free; an owner is taken out exactly once;
//! the generation moves on each time a slot becomes free; pages stay until the table is dropped.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::{MaybeUninit, align_of, size_of};
use std::ptr::NonNull;

use annulus_task::Waiter;

use super::blocks::{ALIGN, Blocks};
use super::key::{Key, key_of};
use super::slot::{while_done, while_in_flight};

pub(crate) use super::slot::{Lane, Phase, Slot, Vtable};

/// Owners up to this size live in the slot itself.
pub(crate) const INLINE_BYTES: usize = 192;
const PAGE_SLOTS: usize = 64;

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
    /// The first free place; each one's storage has the next.
    free: Option<NonNull<Place>>,
    used: u32,
    pub(crate) blocks: Blocks,
}

/// A free slot that is in no list any more. One that is not filled stays away.
#[must_use]
pub(crate) struct Vacant(NonNull<Place>);

/// What was just taken.
pub(crate) struct Taken<'a, D> {
    pub(crate) ticket: Ticket,
    pub(crate) slot: &'a mut Slot,
    /// Where the owner is.
    pub(crate) owner: NonNull<D>,
}

/// Where a future finds its slot again, and by which name.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    place: NonNull<Place>,
    /// What the slot is called once its request has ended.
    done: u64,
}

// SAFETY: a name with an address that is only followed by the table that gave it, on its thread.
unsafe impl Send for Ticket {}
// SAFETY: as above.
unsafe impl Sync for Ticket {}

impl Ticket {
    #[inline]
    pub(crate) fn key(self) -> Key {
        key_of(self.done)
    }

    /// What the slot is called while its request is in flight.
    #[inline]
    pub(crate) fn user_data(self) -> u64 {
        while_in_flight(self.done)
    }
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

impl Table {
    pub(crate) fn new() -> Self {
        Self { pages: Vec::new(), free: None, used: 0, blocks: Blocks::default() }
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
        waiter: Waiter,
    ) -> Taken<'_, D> {
        let vacant = self.vacant();
        self.fill(vacant, owner, vtable, waiter)
    }

    /// Places `owner` in a slot that was just taken out of the free ones of this table.
    #[inline]
    pub(crate) fn fill<D>(
        &mut self,
        Vacant(place): Vacant,
        owner: D,
        vtable: &'static Vtable,
        waiter: Waiter,
    ) -> Taken<'_, D> {
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
        self.used += 1;
        slot.occupy(vtable, waiter);
        let done = while_done(slot.name);
        Taken { ticket: Ticket { place, done }, slot, owner: owner_place }
    }

    /// Takes the first place out of the free list, to be [filled](Self::fill).
    #[inline]
    pub(crate) fn vacant(&mut self) -> Vacant {
        let place = match self.free {
            Some(place) => place,
            None => self.grow(),
        };
        // SAFETY: the storage of a free slot has the next one, written when it became free.
        self.free = unsafe { storage_of(place).cast::<Option<NonNull<Place>>>().read() };
        Vacant(place)
    }

    /// Where the slot of an index is, if there is one.
    #[inline]
    fn find(&self, index: u32) -> Option<NonNull<Place>> {
        let page = *self.pages.get(index as usize / PAGE_SLOTS)?;
        // SAFETY: a page has PAGE_SLOTS places, and the remainder is below that.
        Some(unsafe { page.add(index as usize % PAGE_SLOTS) })
    }

    /// The slot that waits for a completion with this `user_data`, if what it waits for is nothing
    /// but the one completion of a request of no lane, whose future is still there.
    #[inline]
    pub(crate) fn in_flight(&mut self, user_data: u64) -> Option<&mut Slot> {
        let place = self.find(user_data as u32)?;
        // SAFETY: the place is of this table, which is borrowed for as long as the slot is.
        let slot = unsafe { slot_of(place) };
        (slot.name == user_data).then_some(slot)
    }

    /// The slot of a live key.
    #[inline]
    pub(crate) fn get(&mut self, key: Key) -> Option<&mut Slot> {
        let place = self.find(key.index)?;
        // SAFETY: the place is of this table, which is borrowed for as long as the slot is.
        let slot = unsafe { slot_of(place) };
        slot.is_live(key).then_some(slot)
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

    /// A slot as [`at`](Self::at) gives it, and the address of its storage.
    #[inline]
    pub(crate) fn with_storage(&mut self, index: u32) -> (&mut Slot, NonNull<u8>) {
        let place = self.place(index);
        // SAFETY: the place is of this table, which is borrowed for as long as the slot is.
        (unsafe { slot_of(place) }, storage_of(place))
    }

    /// What the future that holds `ticket` finds there.
    ///
    /// # Safety
    /// * The ticket is of this table.
    #[inline]
    pub(crate) unsafe fn look(&mut self, ticket: Ticket) -> Found<'_> {
        // SAFETY: the place is of this table, by the caller's contract, which keeps its pages; it
        // is borrowed for as long as the slot is.
        let slot = unsafe { slot_of(ticket.place) };
        if slot.name == ticket.done {
            return Found::Done(Ended { place: ticket.place, res: slot.res, flags: slot.flags });
        }
        if slot.key() == ticket.key() { Found::Waiting(slot) } else { Found::Gone }
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
        slot.vacate();
        self.set_free(place);
        self.used -= 1;
        owner
    }

    /// Makes a page of free slots, when there is no other, and gives the first.
    #[cold]
    fn grow(&mut self) -> NonNull<Place> {
        let layout = page_layout();
        // SAFETY: the layout has a size above zero.
        let page = unsafe { alloc(layout) };
        let page = NonNull::new(page).unwrap_or_else(|| handle_alloc_error(layout)).cast::<Place>();
        let first = (self.pages.len() * PAGE_SLOTS) as u32;
        for offset in (0..PAGE_SLOTS).rev() {
            let slot = Slot::free(first + offset as u32);
            // SAFETY: the page has PAGE_SLOTS places.
            let place = unsafe { page.add(offset) };
            // SAFETY: the slot lies at the start of its place, in memory that is ours alone.
            unsafe { place.cast::<Slot>().write(slot) };
            self.set_free(place);
        }
        self.pages.push(page);
        page
    }

    /// Puts a place in front of the free list.
    #[inline]
    fn set_free(&mut self, place: NonNull<Place>) {
        // SAFETY: the slot has no owner, so its storage is free for a pointer, which fits.
        unsafe { storage_of(place).cast().write(self.free) };
        self.free = Some(place);
    }

    /// Keys of every slot that is not free.
    pub(crate) fn live(&mut self) -> Vec<Key> {
        let slots = (self.pages.len() * PAGE_SLOTS) as u32;
        let keys = (0..slots).filter_map(|index| {
            let slot = self.at(index);
            (slot.phase() != Phase::Free).then(|| slot.key())
        });
        keys.collect()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        for key in self.live() {
            // A foreign waker is the only thing in a slot that is not the kernel's business.
            self.at(key.index).waiter = Waiter::default();
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

//! Task headers, and the paged memory that they live in.
//!
//! Page `k` holds `256 << k` headers, so 19 pages hold 2^26 and the place of an index is a shift
//! and a subtraction away. Pages come zeroed from the allocator, so a large one costs memory only
//! where it is used; they belong to a registry slot and are never freed, which is what makes names
//! of tasks safe to keep for ever.
//!
//! Owns the headers and who may touch what of them: [`Remote`] is for every thread, [`Own`] is the
//! rest, for the thread that owns the slot. Does not own the free list or the run queue, which are
//! linked through the headers.
//!
//! Invariants: a header is in at most one of the free list and the run queues; its mark says
//! whether it has a cell, and whether it is in a queue. It has a cell exactly while its task is
//! alive; one that is neither alive nor queued is free, or spent: no two tasks of it have one name.

#[cfg(not(any(loom, shuttle)))]
use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::ptr::{self, NonNull};

use crate::cell::Head;
use crate::id::{GENERATION_MASK, INDEX_LIMIT, TaskId};
use crate::inbox::Remote;
use crate::sync::{AtomicPtr, Cell, Ordering, constructor, each};

/// A model makes all of a page's headers in each of its executions.
const FIRST_PAGE: u32 = if cfg!(any(loom, shuttle)) { 4 } else { 256 };
const PAGES: usize = if cfg!(any(loom, shuttle)) {
    5
} else {
    (INDEX_LIMIT.ilog2() - FIRST_PAGE.ilog2() + 1) as usize
};

/// One task's place: 32 bytes, all zero before its first use.
#[repr(C, align(32))]
pub(crate) struct Header {
    remote: Remote,
    /// The index of this header, `AT_REST` and `ALIVE`.
    mark: Cell<u32>,
    /// The next header in the free list or in the run queue.
    link: Cell<Option<Own>>,
    cell: Cell<Option<NonNull<Head>>>,
}

#[cfg(not(any(loom, shuttle)))]
const _: () = assert!(size_of::<Header>() == 32);

/// In `Header::mark`: this header is in no run queue.
const AT_REST: u32 = 1 << 31;

/// In `Header::mark`: this header has a cell.
const ALIVE: u32 = 1 << 30;

const _: () = assert!(INDEX_LIMIT <= ALIVE);

// SAFETY: of a shared header, threads other than the owner of its slot reach only `remote`, which
// is atomic: the cells are private to this module and reached only through `Own`, whose makers
// promise to be that owner, and which is not `Send`.
unsafe impl Sync for Header {}

impl Header {
    pub(crate) fn remote(&self) -> &Remote {
        &self.remote
    }
}

/// A header in the hands of the thread that owns its slot.
#[derive(Clone, Copy, PartialEq)]
#[repr(transparent)]
pub(crate) struct Own(NonNull<Header>);

impl Own {
    /// # Safety
    /// - The calling thread owns the slot of this header for as long as the value is used.
    #[inline]
    pub(crate) unsafe fn new(header: &'static Header) -> Self {
        Self(NonNull::from(header))
    }

    #[inline]
    fn header(&self) -> &'static Header {
        // SAFETY: `new` made the pointer from a `&'static Header`.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn remote(&self) -> &'static Remote {
        self.header().remote()
    }

    #[inline]
    pub(crate) fn index(&self) -> u32 {
        self.header().mark.get() & !(AT_REST | ALIVE)
    }

    /// Gives a header its first index.
    #[inline]
    pub(crate) fn set_index(&self, index: u32) {
        debug_assert!(self.cell().is_none(), "a header with a task got an index");
        self.header().mark.set(index | AT_REST);
    }

    #[inline]
    pub(crate) fn is_queued(&self) -> bool {
        self.header().mark.get() & AT_REST == 0
    }

    #[inline]
    pub(crate) fn set_queued(&self, queued: bool) {
        let mark = self.header().mark.get();
        self.header().mark.set(if queued { mark & !AT_REST } else { mark | AT_REST });
    }

    /// Whether a task lives here that is in no run queue: both bits are at the top, so it is one
    /// compare.
    #[inline]
    pub(crate) fn can_be_queued(&self) -> bool {
        self.header().mark.get() >= AT_REST | ALIVE
    }

    #[inline]
    pub(crate) fn link(&self) -> Option<Own> {
        self.header().link.get()
    }

    #[inline]
    pub(crate) fn set_link(&self, next: Option<Own>) {
        self.header().link.set(next);
    }

    #[inline]
    pub(crate) fn cell(&self) -> Option<NonNull<Head>> {
        self.header().cell.get()
    }

    #[inline]
    pub(crate) fn set_cell(&self, cell: Option<NonNull<Head>>) {
        let mark = self.header().mark.get();
        self.header().mark.set(if cell.is_some() { mark | ALIVE } else { mark & !ALIVE });
        self.header().cell.set(cell);
    }

    /// The name of the task that lives here, or that will live here next.
    #[inline]
    pub(crate) fn id(&self, slot: u32) -> TaskId {
        TaskId::new(slot, self.index(), self.remote().generation())
    }

    /// Makes every name that was given out for this header stale. It is not spent.
    #[inline]
    pub(crate) fn retire(&self) {
        debug_assert!(!self.is_spent(), "a header without a name was given out");
        let remote = self.remote();
        remote.set_generation(remote.generation() + 1);
    }

    /// As [`retire`](Self::retire), of a header that is needed for ever: its names come again.
    pub(crate) fn rename(&self) {
        let remote = self.remote();
        remote.set_generation((remote.generation() + 1) & GENERATION_MASK);
    }

    /// Whether every name of this header was given out: its next task would have that of an earlier
    /// one, so it gets none.
    #[inline]
    pub(crate) fn is_spent(&self) -> bool {
        self.remote().generation() == GENERATION_MASK
    }
}

/// The headers of one registry slot.
pub(crate) struct Pages([AtomicPtr<Header>; PAGES]);

/// The page of `index`, the place in the page, and the length of the page.
#[inline]
fn place(index: u32) -> (usize, usize, usize) {
    let shifted = index + FIRST_PAGE;
    let page = shifted.ilog2() - FIRST_PAGE.ilog2();
    let len = FIRST_PAGE << page;
    (page as usize, (shifted - len) as usize, len as usize)
}

impl Pages {
    constructor! {
        pub(crate) fn new() -> Self {
            Self(each!(AtomicPtr::new(ptr::null_mut()); PAGES))
        }
    }

    /// The header of `index`; `None` if no task ever had that index.
    #[inline]
    pub(crate) fn find(&self, index: u32) -> Option<&'static Header> {
        debug_assert!(index < INDEX_LIMIT);
        let (page, offset, _) = place(index);
        // ORDERING: Acquire, pairs with the store in `grow`: the page is zeroed.
        let page = self.0.get(page)?.load(Ordering::Acquire);
        if page.is_null() {
            return None;
        }
        // SAFETY: `place` gives an offset below the length with which the page was allocated.
        let header = unsafe { page.add(offset) };
        // SAFETY: pages are never freed, all zero is a valid header, and headers are only shared.
        Some(unsafe { &*header })
    }

    /// All headers whose pages are there.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static Header> + '_ {
        (0..INDEX_LIMIT).map_while(|index| self.find(index))
    }

    /// Owner: the header of `index`, in a page that is allocated if need be.
    #[cold]
    pub(crate) fn grow(&self, index: u32) -> &'static Header {
        assert!(index < INDEX_LIMIT, "a core can have no more than 2^26 tasks at a time");
        if let Some(header) = self.find(index) {
            return header;
        }
        let (page, _, len) = place(index);
        // ORDERING: Release, pairs with the load in `find`.
        self.0[page].store(allocate(len), Ordering::Release);
        self.find(index).expect("the page was stored just now")
    }
}

/// Headers that no task has used, never to be freed.
#[cfg(not(any(loom, shuttle)))]
fn allocate(len: usize) -> *mut Header {
    let layout = Layout::array::<Header>(len).expect("a page is at most 2 GiB long");
    // SAFETY: the layout is not zero-sized.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    memory.cast()
}

/// The atomics of a model are not made of zeros.
#[cfg(any(loom, shuttle))]
fn allocate(len: usize) -> *mut Header {
    let header = |_| Header {
        remote: Remote::new(),
        mark: Cell::new(0),
        link: Cell::new(None),
        cell: Cell::new(None),
    };
    Box::leak((0..len).map(header).collect::<Box<[_]>>()).as_mut_ptr()
}

#[cfg(test)]
mod tests;

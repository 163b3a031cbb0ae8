//! Memory for task cells: blocks of a few sizes, kept by the core for the next spawn.
//!
//! A task lives shortly as often as not, so its cell is the allocation that a core makes most. A
//! block that was given back is the next to be taken, warm in the cache, for the price of a list
//! operation instead of two calls of the allocator.
//!
//! Owns the free blocks of one core. Does not own blocks that are out: each is an allocation of its
//! own, so one that comes back where no core is entered goes to the allocator.
//!
//! Invariants: a block of a class was allocated with the layout of the class; no more than
//! [`KEPT_BYTES`] of a class are kept, so a burst of tasks does not hold memory for ever.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::NonNull;

use crate::current::with_entered;

/// The classes are the multiples of this, a line of the cache.
const STEP: usize = 64;
const CLASSES: usize = 16;
const ALIGN: usize = 16;
const KEPT_BYTES: usize = 256 * 1024;

/// A free block; its own memory links it to the next.
struct Block {
    next: Option<NonNull<Block>>,
}

/// The free blocks of one size.
struct Class {
    first: Cell<Option<NonNull<Block>>>,
    kept: Cell<u32>,
}

/// The free blocks of a core.
pub(crate) struct Memory([Class; CLASSES]);

impl Memory {
    pub(crate) const fn new() -> Self {
        Self([const { Class { first: Cell::new(None), kept: Cell::new(0) } }; CLASSES])
    }

    #[inline]
    fn take(&self, class: usize) -> Option<NonNull<u8>> {
        let class = &self.0[class];
        let block = class.first.get()?;
        // SAFETY: blocks on the list are free, and `give` made them `Block`s.
        class.first.set(unsafe { block.as_ref() }.next);
        class.kept.set(class.kept.get() - 1);
        Some(block.cast())
    }

    /// False if enough is kept already.
    ///
    /// # Safety
    /// - `block` was allocated with the layout of the class, and nobody uses it any more.
    #[inline]
    unsafe fn give(&self, block: NonNull<u8>, index: usize) -> bool {
        let class = &self.0[index];
        if class.kept.get() as usize * bytes_of(index) >= KEPT_BYTES {
            return false;
        }
        let block = block.cast::<Block>();
        // SAFETY: the block is at least a line long, aligned to 16, and unused.
        unsafe { block.write(Block { next: class.first.get() }) };
        class.first.set(Some(block));
        class.kept.set(class.kept.get() + 1);
        true
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for index in 0..CLASSES {
            while let Some(block) = self.take(index) {
                // SAFETY: a free block of this class, allocated with its layout.
                unsafe { dealloc(block.as_ptr(), layout_of(index)) };
            }
        }
    }
}

#[inline]
const fn bytes_of(class: usize) -> usize {
    (class + 1) * STEP
}

/// The class of a layout; `None` for what is too large to be kept.
#[inline]
const fn class_of(layout: Layout) -> Option<usize> {
    if layout.size() == 0 || layout.size() > CLASSES * STEP || layout.align() > ALIGN {
        return None;
    }
    Some((layout.size() - 1) / STEP)
}

#[inline]
fn layout_of(class: usize) -> Layout {
    Layout::from_size_align(bytes_of(class), ALIGN).expect("a class is at most a kilobyte")
}

/// Uninitialised memory of this layout, whose size is not zero.
#[inline]
pub(crate) fn take(layout: Layout) -> NonNull<u8> {
    let class = class_of(layout);
    let kept = class.and_then(|class| with_entered(|local| local.memory.take(class)).flatten());
    kept.unwrap_or_else(|| allocate(class.map_or(layout, layout_of)))
}

#[cold]
fn allocate(layout: Layout) -> NonNull<u8> {
    debug_assert!(layout.size() > 0, "a cell has a head");
    // SAFETY: a cell has a head, so its size is not zero.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Takes memory back.
///
/// # Safety
/// - It came from [`take`] with the same layout, on this thread, and nobody uses it any more.
#[inline]
pub(crate) unsafe fn give(memory: NonNull<u8>, layout: Layout) {
    let class = class_of(layout);
    let kept = class.is_some_and(|class| {
        // SAFETY: `take` allocated it with the layout of the class; the caller gives it up.
        with_entered(|local| unsafe { local.memory.give(memory, class) }) == Some(true)
    });
    if !kept {
        // SAFETY: as above, with the layout that `take` used.
        unsafe { dealloc(memory.as_ptr(), class.map_or(layout, layout_of)) };
    }
}

#[cfg(test)]
mod tests;

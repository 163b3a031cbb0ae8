//! Memory for op owners that do not fit into a slot: blocks of a few sizes, kept for reuse.
//!
//! Owns: the free blocks. Does not own: blocks that are handed out. Invariants: a block goes back
//! with the layout it was taken with; every block is aligned to [`ALIGN`].

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// The alignment of every block and of the storage inside a slot.
pub(crate) const ALIGN: usize = 16;
const CLASS_BYTES: [usize; 5] = [256, 512, 1024, 2048, 4096];
const KEPT_PER_CLASS: usize = 1024;

/// Free blocks by size class.
#[derive(Default)]
pub(crate) struct Blocks {
    free: [Vec<NonNull<u8>>; CLASS_BYTES.len()],
}

impl Blocks {
    /// A block of at least `bytes` bytes, uninitialised.
    pub(crate) fn take(&mut self, bytes: usize) -> NonNull<u8> {
        if let Some(class) = class_of(bytes) {
            if let Some(block) = self.free[class].pop() {
                return block;
            }
        }
        let layout = layout_of(bytes);
        // SAFETY: the layout's size is never zero: the smallest class has 256 bytes.
        let block = unsafe { alloc(layout) };
        NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// * `block` came from [`Blocks::take`] of any `Blocks` with the same `bytes`.
    /// * Nobody uses it any more.
    pub(crate) unsafe fn give(&mut self, block: NonNull<u8>, bytes: usize) {
        if let Some(class) = class_of(bytes) {
            if self.free[class].len() < KEPT_PER_CLASS {
                self.free[class].push(block);
                return;
            }
        }
        // SAFETY: by the contract `take` allocated it with this very layout, and it is unused.
        unsafe { dealloc(block.as_ptr(), layout_of(bytes)) };
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        for (class, blocks) in self.free.iter_mut().enumerate() {
            for block in blocks.drain(..) {
                // SAFETY: a free block of this class was allocated with the class's layout.
                unsafe { dealloc(block.as_ptr(), layout_of(CLASS_BYTES[class])) };
            }
        }
    }
}

fn class_of(bytes: usize) -> Option<usize> {
    CLASS_BYTES.iter().position(|&class_bytes| bytes <= class_bytes)
}

fn layout_of(bytes: usize) -> Layout {
    let bytes = class_of(bytes).map_or(bytes, |class| CLASS_BYTES[class]);
    Layout::from_size_align(bytes, ALIGN).expect("an op owner is far smaller than isize::MAX")
}

//! The end of cells that neither a task nor a handle knows any more.
//!
//! Owns the iteration that stands in for recursion: the result in one cell may hold the handle of
//! the next finished task, whose result holds the next handle, a million deep. A cell that dies
//! while another one is being buried on this thread is put on a list, not on the stack.
//!
//! Invariant: the list is empty unless `bury` is on the stack of this thread. The thread-locals
//! have no destructors, so this works to the last breath of a thread.

use std::cell::Cell;
use std::ptr::NonNull;

use crate::cell::{ALIVE, CellRef, Head};
use crate::sync::local;
use crate::waker::wake_current;

local! {
    static BURYING: Cell<bool> = { Cell::new(false) };
    static WAITING: Cell<Option<NonNull<Head>>> = { Cell::new(None) };
}

/// Drops what the cell holds and frees it, now or when the burial under way is over. A cell that is
/// still alive (spawned on an executor that has shut down) is cancelled instead, and freed when its
/// handle is gone.
///
/// # Safety
/// - The cell is live, and no `JoinHandle` and no header know it; a handle may if it is alive.
#[inline]
pub(crate) unsafe fn bury(head: NonNull<Head>) {
    // SAFETY: the caller gives up the cell, so it is freed by this function alone.
    let cell = unsafe { CellRef::new(head) };
    if !cell.head().has(ALIVE) && !cell.head().has_output() {
        // Nothing in it could bury another one.
        // SAFETY: neither task nor handle know the cell.
        return unsafe { cell.free() };
    }
    // SAFETY: the caller's contract.
    unsafe { bury_in_turn(cell, head) };
}

/// What is in the cell may bury others.
///
/// # Safety
/// - As for [`bury`].
#[cold]
unsafe fn bury_in_turn(cell: CellRef, head: NonNull<Head>) {
    cell.head().next.set(WAITING.with(|waiting| waiting.replace(Some(head))));
    if BURYING.with(|burying| burying.replace(true)) {
        return;
    }
    while bury_next() {}
    BURYING.with(|burying| burying.set(false));
}

/// Buries one that waits. False if none does.
pub(crate) fn bury_next() -> bool {
    let Some(head) = WAITING.with(Cell::get) else { return false };
    // SAFETY: cells on the list were given up by callers of `bury`, and are live until they left.
    let cell = unsafe { CellRef::new(head) };
    WAITING.with(|waiting| waiting.set(cell.head().next.take()));
    if cell.head().has(ALIVE) {
        cell.cancel();
        cell.finish(wake_current);
    } else {
        // SAFETY: neither task nor handle know the cell, and it left the list.
        unsafe { cell.free() };
    }
    true
}

//! Memory in which records are encrypted before the send queue takes them.
//!
//! Owns: one piece for each thread, so that no connection keeps one.

use std::cell::Cell;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the memory, with whatever is in it.
pub(crate) fn with<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut memory = SPARE.take();
    let done = work(&mut memory);
    SPARE.set(memory);
    done
}

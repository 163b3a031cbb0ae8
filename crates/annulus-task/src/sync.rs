//! The atomics that every cross-thread structure here is built from: those of `std`, or loom's
//! under `cfg(loom)`, so that the models in `tests/loom.rs` explore the shipped code itself.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};

/// Lets another thread make the progress that this one waits for.
pub(crate) fn give_way() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::thread::yield_now();
}

/// `new()` is `const` with the atomics of `std`; loom's atomics have no const constructor.
macro_rules! constructor {
    ($(#[$attribute:meta])* $vis:vis fn new() -> Self $body:block) => {
        #[cfg(not(loom))]
        $(#[$attribute])*
        $vis const fn new() -> Self $body

        #[cfg(loom)]
        $(#[$attribute])*
        $vis fn new() -> Self $body
    };
}
pub(crate) use constructor;

//! What everything that threads share is built from: the atomics, locks, cells and threads of
//! `std`, or those of a model checker, so that the models explore the shipped code itself.
//!
//! | `cfg` | who | sees |
//! |---|---|---|
//! | `loom` | `tests/loom` | every interleaving and every value that the orderings allow |
//! | `shuttle` | `tests/shuttle` | many random interleavings, sequentially consistent |
//!
//! Under a model all threads are coroutines of one, and every execution begins anew: thread-locals
//! and statics are the checker's, too. [`Cell`] is for what only its owner may touch although the
//! type is `Sync`: loom reports who touches it without a happens-before.

#[cfg(loom)]
pub(crate) use loom::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence},
    sync::{Mutex, MutexGuard},
    thread,
};
#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence},
    sync::{Mutex, MutexGuard},
    thread,
};
#[cfg(not(loom))]
pub(crate) use std::cell::Cell;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence},
    sync::{Mutex, MutexGuard},
    thread,
};

/// `new()` is `const` with the atomics of `std`; those of loom have no const constructor.
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

/// A static; under a model, one for each execution.
macro_rules! global {
    ($(#[$attribute:meta])* static $name:ident: $type:ty = $value:expr;) => {
        #[cfg(not(any(loom, shuttle)))]
        $(#[$attribute])*
        static $name: $type = $value;

        #[cfg(loom)]
        loom::lazy_static! { $(#[$attribute])* static ref $name: $type = $value; }

        #[cfg(shuttle)]
        shuttle::lazy_static! { $(#[$attribute])* static ref $name: $type = $value; }
    };
}
pub(crate) use global;

/// A thread-local; under a model, one for each of its threads.
macro_rules! local {
    ($(static $name:ident: $type:ty = $value:block;)*) => { $(
        #[cfg(not(any(loom, shuttle)))]
        std::thread_local! { static $name: $type = const $value; }

        #[cfg(loom)]
        loom::thread_local! { static $name: $type = $value; }

        #[cfg(shuttle)]
        shuttle::thread_local! { static $name: $type = $value; }
    )* };
}
pub(crate) use local;

/// An array of equal values that are not `Copy`.
macro_rules! each {
    ($value:expr; $count:expr) => {{
        #[cfg(not(loom))]
        let array = [const { $value }; $count];
        #[cfg(loom)]
        let array = std::array::from_fn(|_| $value);
        array
    }};
}
pub(crate) use each;

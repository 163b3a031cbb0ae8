//! Synchronisation for futures: primitives of one core, and the few that cross cores.
//!
//! This crate knows no I/O and no executor: it works with the wakers of any.
//!
//! # Of one core
//! [`oneshot`], [`mpsc`], [`watch`], [`Notify`], [`Semaphore`], [`Mutex`], [`RwLock`] and
//! [`Barrier`] serve the tasks of one thread. They hold no atomic and no lock, so a send or an
//! uncontended lock costs a few plain instructions; in exchange, no two threads can share one: none
//! is `Sync`, and neither ends of channels nor guards nor what waits are `Send`.
//!
//! ```
//! # use std::future::Future;
//! # use std::task::{Context, Poll, Waker};
//! # fn block_on<F: Future>(future: F) -> F::Output {
//! #     let mut cx = Context::from_waker(Waker::noop());
//! #     match std::pin::pin!(future).poll(&mut cx) {
//! #         Poll::Ready(output) => output,
//! #         Poll::Pending => unreachable!("nothing here has to wait"),
//! #     }
//! # }
//! # block_on(async {
//! let (sender, mut receiver) = annulus_sync::mpsc::channel(8);
//! sender.send("one").await.unwrap();
//! sender.send("two").await.unwrap();
//! drop(sender);
//! assert_eq!(receiver.recv().await, Some("one"));
//! assert_eq!(receiver.recv().await, Some("two"));
//! assert_eq!(receiver.recv().await, None);
//! # });
//! ```
//!
//! # Between cores
//! [`cross::channel`] and [`cross::oneshot`] carry values from any thread to any other. A value is
//! moved under a short lock; nothing is woken, dropped or cloned while it is held.
//!
//! # What holds for all of them
//! - Who waits is served in the order in which it came. A newcomer does not overtake.
//! - Dropping a future that waits gives its place, and what it may have been granted already, to
//!   the next. Each method says under *Cancel safety* what is lost, which is mostly nothing.
//! - A waker that throws keeps nobody else asleep, and loses no value: what it threw goes on to the
//!   caller when all are awake. What may throw when it is dropped is dropped after that.
//! - No internal borrow is held while a waker or a value of the user runs code, so destructors and
//!   wakers may use the same primitive again.

#![forbid(unsafe_code)]

// Under loom only what threads share is built.
pub mod cross;
mod lock;
mod waiters;
mod waking;

#[cfg(not(loom))]
mod barrier;
mod error;
#[cfg(not(loom))]
pub mod mpsc;
#[cfg(not(loom))]
mod mutex;
#[cfg(not(loom))]
mod notify;
#[cfg(not(loom))]
pub mod oneshot;
#[cfg(not(loom))]
mod rw_lock;
#[cfg(not(loom))]
mod semaphore;
#[cfg(not(loom))]
pub mod watch;

#[cfg(not(loom))]
pub use crate::{
    barrier::{Barrier, Wait},
    mutex::{Mutex, MutexGuard},
    notify::{Notified, Notify},
    rw_lock::{RwLock, RwLockReadGuard, RwLockWriteGuard},
    semaphore::{Acquire, OwnedPermit, Permit, Semaphore},
};
pub use error::{Closed, SendError, TryAcquireError, TryRecvError, TrySendError};

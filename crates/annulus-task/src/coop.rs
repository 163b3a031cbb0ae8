//! Being one of many: yielding, and the budget of one poll.
//!
//! A task that awaits only what is ready already would never return to its core. Two things keep it
//! from that: [`yield_now`], which the task calls, and a budget, which the leaf futures of a
//! runtime ask for: [`BUDGET`] of them may be ready in one poll, then the next one yields instead.
//!
//! Who yields goes behind everything that is ready, and behind one turn of I/O. For a task's own
//! waker that is a push to the queue of the next run. A waker of somebody else (of
//! `FuturesUnordered`, of the future of `block_on`) is kept, and woken when the queue has come to
//! where it stood; woken at once, a combinator would poll its child again before anything else
//! could run.
//!
//! Owns both rules. Does not own the queue and the counter, which are in `local`.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::current::with_entered;

/// How many leaf futures may be ready in one poll of a task.
pub const BUDGET: u32 = 128;

/// Lets everything else that is ready run first, and the I/O of one turn.
///
/// Outside of an executor of this crate it wakes at once and is ready at its second poll.
///
/// # Cancel safety
/// Nothing is lost if it is dropped.
///
/// ```
/// use annulus_task::{Executor, OnPanic, yield_now};
///
/// let executor = Executor::new(OnPanic::Contain)?;
/// let _entered = executor.enter();
/// let task = executor.spawn(async {
///     for _ in 0..3 {
///         yield_now().await;
///     }
/// });
/// assert_eq!([1, 1, 1, 1], std::array::from_fn(|_| executor.run(64)));
/// assert!(task.is_finished());
/// # Ok::<(), annulus_task::RegistryFull>(())
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        step_back(cx.waker());
        Poll::Pending
    }
}

/// Asks whether this poll may go on: `Ready` while there is budget. Else the task is woken, behind
/// everything that is ready, and `Pending` must be returned.
///
/// A leaf future calls it first, and [`made_progress`] when it is ready, so waiting costs no
/// budget:
///
/// ```
/// use std::future::poll_fn;
/// use std::task::{Poll, ready};
/// use annulus_task::{Executor, OnPanic, coop};
///
/// let executor = Executor::new(OnPanic::Contain)?;
/// let _entered = executor.enter();
/// let mut queue = 0..1000;
/// let task = executor.spawn(async move {
///     loop {
///         let next = poll_fn(|cx| {
///             ready!(coop::poll_proceed(cx));
///             coop::made_progress();
///             Poll::Ready(queue.next())
///         });
///         if next.await.is_none() {
///             break;
///         }
///     }
/// });
/// executor.run(1);
/// assert!(!task.is_finished(), "it had its share");
/// while executor.run(1) > 0 {}
/// assert!(task.is_finished());
/// # Ok::<(), annulus_task::RegistryFull>(())
/// ```
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    if !has_budget() {
        step_back(cx.waker());
        return Poll::Pending;
    }
    Poll::Ready(())
}

/// Whether this poll has budget left, for a future that has another way when it has none.
#[inline]
pub fn has_budget() -> bool {
    with_entered(|local| local.coop.get()) != Some(0)
}

/// A leaf future is ready: takes one from the budget of this poll.
#[inline]
pub fn made_progress() {
    with_entered(|local| local.coop.set(local.coop.get().saturating_sub(1)));
}

/// Wakes `waker` behind everything that is ready.
fn step_back(waker: &Waker) {
    let own = with_entered(|local| local.yield_current(waker));
    match own {
        Some(true) => {}
        Some(false) => {
            let waker = waker.clone();
            let refused = with_entered(|local| local.defer(waker));
            refused.flatten().into_iter().for_each(Waker::wake);
        }
        None => waker.wake_by_ref(),
    }
}

//! Hearing that the core is to end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use annulus_task::CoreId;

use crate::core::key::Key;
use crate::core::stop::{Phase, current_phase};
use crate::core::{current_id, errors, with_any, with_core};
use crate::time::{Instant, Sleep, sleep_until};

/// Ready once the current core is asked to end, by
/// [`Launched::shutdown`](super::Launched::shutdown) or
/// [`CoreHandle::stop`](super::CoreHandle::stop).
///
/// A server stops accepting then, and finishes the connections it has:
///
/// # Kernel
/// None: a core knows by itself that it is to end.
///
/// ```
/// # use annulus::net::TcpListener;
/// # async fn serve(listener: TcpListener) {
/// # use futures_util::{FutureExt as _, select_biased};
/// loop {
///     select_biased! {
///         () = annulus::runtime::stopping().fuse() => break,
///         accepted = listener.accept().fuse() => drop(accepted),
///     }
/// }
/// # }
/// ```
///
/// # Cancel safety
/// Dropping the future changes nothing.
pub fn stopping() -> Stopping {
    Stopping { place: Place { waiter: None } }
}

/// Whether the current core was asked to end. False where no runtime runs.
pub fn is_stopping() -> bool {
    current_phase().is_ok_and(|phase| phase != Phase::Running)
}

/// The future of [`stopping`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Stopping {
    place: Place,
}

impl Future for Stopping {
    type Output = ();

    /// # Panics
    /// If no runtime runs on this thread.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.place.poll(Phase::Running, cx).map(|_stopping| ())
    }
}

/// A place among those who wait for another phase. Left when dropped.
#[derive(Debug)]
struct Place {
    waiter: Option<(CoreId, Key)>,
}

impl Place {
    fn poll(&mut self, seen: Phase, cx: &mut Context<'_>) -> Poll<Phase> {
        let Some(here) = current_id() else { panic!("{}", errors::no_runtime()) };
        if self.waiter.is_some_and(|(core, _)| core != here) {
            self.leave();
        }
        let mut waiter = self.waiter.map(|(_, key)| key);
        let polled = with_any(|core| {
            // Dropped when nothing of the core is borrowed: a displaced waker may be user code.
            let mut who = core.executor.waiter(cx.waker());
            let polled = core.state.borrow_mut().poll_stop(seen, &mut waiter, &mut who);
            drop(who);
            polled
        });
        self.waiter = waiter.map(|key| (here, key));
        let Ok(phase) = polled else { return Poll::Pending };
        if phase.is_ready() {
            self.leave();
        }
        phase
    }

    fn leave(&mut self) {
        let Some((core, key)) = self.waiter.take() else { return };
        let leave = move || {
            let who = with_core(core, |core| core.state.borrow_mut().leave_stop(key));
            drop(who);
        };
        if current_id() == Some(core) {
            leave();
        } else {
            let _ = annulus_task::post(core, leave);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Runs a future to its end, or until the deadline of a stop is over: `None` then.
pub(super) async fn until_deadline<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut ending = Ending { seen: Phase::Running, place: Place { waiter: None }, sleep: None };
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => ending.poll(cx).map(|()| None),
    })
    .await
}

/// Waits for the deadline of a stop, which may come nearer while it is waited for.
struct Ending {
    seen: Phase,
    place: Place,
    sleep: Option<Sleep>,
}

impl Ending {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(phase) = self.place.poll(self.seen, cx) {
            self.seen = phase;
            if let Phase::Stopping(Some(deadline)) = phase {
                self.sleep = Some(sleep_until(deadline));
            }
        }
        match &mut self.sleep {
            Some(sleep) => Pin::new(sleep).poll(cx),
            None => Poll::Pending,
        }
    }
}

/// The deadline that is `bound` from now on.
pub(super) fn deadline_in(bound: std::time::Duration) -> Instant {
    Instant::now() + bound
}

//! Waiting for a moment.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use annulus_task::{CoreId, coop};

use super::Instant;
use crate::core::timers::Due;
use crate::core::wheel::TimerKey;
use crate::core::{current_id, errors, with_any, with_core};

/// Waits for `duration`, which starts now.
///
/// # Cancel safety
/// Dropping it takes the timer away; nothing else happens.
///
/// # Kernel
/// No request: the next timer of the core is the timeout of its wait (`EXT_ARG`, Linux 5.11).
///
/// ```
/// # #[annulus::main]
/// # async fn main() {
/// use std::time::Duration;
/// annulus::time::sleep(Duration::from_millis(1)).await;
/// # }
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now() + duration)
}

/// Waits until `deadline`, by the clock of the core; one that has passed is over at the first poll.
///
/// # Cancel safety
/// Dropping it takes the timer away; nothing else happens.
///
/// # Kernel
/// As [`sleep()`].
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::time::{Instant, sleep_until};
/// use std::time::Duration;
///
/// let soon = Instant::now() + Duration::from_millis(1);
/// sleep_until(soon).await;
/// assert!(Instant::now() >= soon);
/// # Ok(())
/// # }
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline, timer: None }
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// It is `Send`: polled on another core, it moves its timer there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    deadline: Instant,
    /// Where the timer is armed.
    timer: Option<(CoreId, TimerKey)>,
}

impl Sleep {
    /// When it is over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Sets another deadline. The timer is armed anew at the next poll.
    pub fn reset(&mut self, deadline: Instant) {
        self.disarm();
        self.deadline = deadline;
    }

    fn disarm(&mut self) {
        let Some((core, timer)) = self.timer.take() else {
            return;
        };
        // Who slept may be user code: it is dropped when the state is not borrowed any more.
        let end = move || drop(with_core(core, |core| core.state.borrow_mut().end_timer(timer)));
        if current_id() == Some(core) {
            end();
        } else {
            let _ = annulus_task::post(core, end);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    /// # Panics
    /// If no runtime runs on this thread.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(here) = current_id() else { panic!("{}", errors::no_runtime()) };
        ready!(coop::poll_proceed(cx));
        if self.timer.is_some_and(|(core, _)| core != here) {
            self.disarm();
        }
        let deadline = self.deadline;
        let armed = self.timer.map(|(_, timer)| timer);
        let polled = with_any(|core| {
            if armed.is_some_and(|timer| core.state.borrow_mut().is_sleep_over(timer)) {
                return None;
            }
            // Not while the state is borrowed: a waker may be user code, also one that is
            // displaced. It may even have moved the clock, so the sleep is looked at once more.
            let mut who = core.executor.waiter(cx.waker());
            let mut state = core.state.borrow_mut();
            let timer = match armed {
                Some(timer) => state.note_sleeper(timer, &mut who).then_some(timer),
                None if deadline.as_ns() <= state.now_ns() => None,
                None => {
                    let due = Due::Sleep(std::mem::take(&mut who));
                    Some(state.start_timer(deadline.as_ns(), due))
                }
            };
            drop(state);
            drop(who);
            timer
        });
        let Ok(timer) = polled else {
            return Poll::Pending;
        };
        self.timer = timer.map(|timer| (here, timer));
        if self.timer.is_none() {
            coop::made_progress();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}

//! One timer for all the deadlines of a connection, which waits for one thing at a time.
//!
//! ```text
//!   deadlines    ├── a ──┤  ├── b ──┤  ├── c ──┤          a, b: met in time
//!   armed        ├───────────────┤ rings in vain, armed anew
//!                                ├─────────────────┤      (c is missed)
//! ```
//!
//! Arming a timer for each request and taking it away again costs more than all that is said with
//! it. So one that is armed stays, for as long as it is not after the deadline that matters now,
//! and is armed anew when it rings: once in a time limit, and not twice in a request.
//!
//! Invariant: whoever waits is woken at the deadline, or before and again.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use annulus::time::{Instant, Sleep, sleep_until};

/// The timer of a connection. One wait at a time uses it.
pub struct Alarm(RefCell<Sleep>);

impl Alarm {
    /// None is armed.
    pub fn new() -> Self {
        Self(RefCell::new(sleep_until(Instant::now())))
    }

    /// Ready once the deadline is over.
    pub fn poll(&self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let mut sleep = self.0.borrow_mut();
        if deadline < sleep.deadline() {
            sleep.reset(deadline);
        }
        loop {
            ready!(Pin::new(&mut *sleep).poll(context));
            if sleep.deadline() == deadline {
                return Poll::Ready(());
            }
            sleep.reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use annulus::runtime::Runtime;
    use annulus::time;

    use super::*;

    #[test]
    fn it_rings_at_the_deadline_of_now_whatever_was_waited_for_before() {
        Runtime::new().unwrap().block_on(async {
            time::pause();
            let (start, alarm) = (Instant::now(), Alarm::new());
            let after = |seconds| start + Duration::from_secs(seconds);
            // Met in time, all of them: it stays armed for the first.
            for seconds in [10, 60, 70] {
                let polled = poll_fn(|context| Poll::Ready(alarm.poll(after(seconds), context)));
                assert!(polled.await.is_pending());
            }
            poll_fn(|context| alarm.poll(after(80), context)).await;
            assert_eq!(start.elapsed(), Duration::from_secs(80));
            // It has rung, and is armed for what comes next.
            poll_fn(|context| alarm.poll(after(90), context)).await;
            assert_eq!(start.elapsed(), Duration::from_secs(90));
        });
    }

    #[test]
    fn an_earlier_deadline_is_not_slept_through() {
        Runtime::new().unwrap().block_on(async {
            time::pause();
            let (start, alarm) = (Instant::now(), Alarm::new());
            let after = |seconds| start + Duration::from_secs(seconds);
            let late = poll_fn(|context| Poll::Ready(alarm.poll(after(60), context)));
            assert!(late.await.is_pending());
            poll_fn(|context| alarm.poll(after(5), context)).await;
            assert_eq!(start.elapsed(), Duration::from_secs(5));
            poll_fn(|context| alarm.poll(after(5), context)).await;
            assert_eq!(start.elapsed(), Duration::from_secs(5), "what is over is over");
        });
    }
}

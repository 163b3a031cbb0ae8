//! A bound on how long a future may take.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use pin_project_lite::pin_project;

use super::{Instant, Sleep, sleep, sleep_until};

/// Awaits `future` for at most `duration`.
///
/// When the time is over, the future is dropped, and what it was doing is cancelled; see its own
/// notes on cancel safety. The future is polled before the clock is looked at, so a result that is
/// there wins.
///
/// # Errors
/// [`Elapsed`], which converts into an [`io::Error`] of kind `TimedOut`.
///
/// # Cancel safety
/// Dropping it drops the future inside: see that one's own notes.
///
/// # Kernel
/// No request: the next timer of the core is the timeout of its wait (`EXT_ARG`, Linux 5.11).
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use std::time::Duration;
/// use annulus::time::timeout;
///
/// assert_eq!(timeout(Duration::from_secs(5), async { 1 }).await?, 1);
/// assert!(timeout(Duration::from_millis(1), std::future::pending::<()>()).await.is_err());
/// # Ok(())
/// # }
/// ```
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), sleep: sleep(duration) }
}

/// Awaits `future` until `deadline` at most, by the clock of the core; else as [`timeout()`].
///
/// # Errors
/// [`Elapsed`], which converts into an [`io::Error`] of kind `TimedOut`.
///
/// # Cancel safety
/// Dropping it drops the future inside: see that one's own notes.
///
/// # Kernel
/// As [`timeout()`].
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::time::{Instant, timeout_at};
/// use std::time::Duration;
///
/// let soon = Instant::now() + Duration::from_millis(1);
/// assert!(timeout_at(soon, std::future::pending::<()>()).await.is_err());
/// # Ok(())
/// # }
/// ```
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), sleep: sleep_until(deadline) }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        #[pin]
        sleep: Sleep,
    }
}

impl<F> Timeout<F> {
    /// The future inside, given up on the bound.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        this.sleep.poll(cx).map(|()| Err(Elapsed(())))
    }
}

/// The time was over first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time for this was over before it had ended")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}

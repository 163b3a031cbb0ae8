//! The clock in the hands of a test.

use std::time::Duration;

use super::instant::nanos;
use crate::core::{errors, with_any};
use crate::task::yield_now;

/// Stops the clock of the current core: [`Instant::now`](super::Instant::now) stays what it is, and
/// timers fire only when the clock is moved, by [`advance`] or by itself.
///
/// By itself it moves when the core would otherwise sleep: it then jumps to the next timer. So a
/// test that sleeps for an hour takes no time, and what it sees is always the same. The clock
/// waits, in real time, for work of [`spawn_blocking`](crate::task::spawn_blocking) and for
/// requests that the kernel ends by itself, such as reads of files, connects and sends (a second at
/// most). It does not wait for what only a peer can end: a receive or an accept is a wait like that
/// for a timer.
///
/// It is this core's clock only: other cores, and the kernel's own timers (those of TCP), go on.
/// Every timer of the core goes by it, also those inside this crate.
///
/// ```
/// use std::time::Duration;
/// use annulus::time::{self, Instant};
///
/// # #[annulus::main]
/// # async fn main() {
/// time::pause();
/// let start = Instant::now();
/// time::sleep(Duration::from_secs(3600)).await;
/// assert_eq!(start.elapsed(), Duration::from_secs(3600));
/// # }
/// ```
///
/// # Kernel
/// No call: a wait that would last until the next timer does not happen.
///
/// # Panics
/// If the clock stands already, or no runtime runs on this thread.
#[track_caller]
pub fn pause() {
    let paused = with_any(|core| core.state.borrow_mut().pause_clock());
    assert!(must(paused), "the clock is paused already");
}

/// Lets the clock of the current core run again, on from where it stands: it is behind the
/// kernel's, or ahead of it, from then on.
///
/// # Panics
/// If the clock runs, or no runtime runs on this thread.
#[track_caller]
pub fn resume() {
    let resumed = with_any(|core| {
        let resumed = core.state.borrow_mut().resume_clock();
        core.run_after();
        resumed
    });
    assert!(must(resumed), "the clock runs already");
}

/// Moves the paused clock of the current core on, at once and by all of `duration`, and lets the
/// tasks run whose timers that has fired.
///
/// These all see the later time. To let timers fire one after the other, each at its own time,
/// [sleep](super::sleep()) instead: a paused clock goes from timer to timer. At the end of time the
/// clock stands still, also after a [`resume`].
///
/// # Cancel safety
/// The clock has moved once this was polled.
///
/// # Panics
/// If the clock runs, or no runtime runs on this thread.
///
/// ```
/// use std::time::Duration;
/// use annulus::time::{self, Instant};
///
/// # #[annulus::main]
/// # async fn main() {
/// time::pause();
/// let start = Instant::now();
/// time::advance(Duration::from_millis(1500)).await;
/// assert_eq!(start.elapsed(), Duration::from_millis(1500));
/// time::resume();
/// # }
/// ```
pub async fn advance(duration: Duration) {
    let advanced = with_any(|core| {
        let advanced = core.state.borrow_mut().advance_clock(nanos(duration));
        core.run_after();
        advanced
    });
    assert!(must(advanced), "only a paused clock can be advanced");
    yield_now().await;
}

#[track_caller]
fn must(done: std::io::Result<bool>) -> bool {
    match done {
        Ok(done) => done,
        Err(_) => panic!("{}", errors::no_runtime()),
    }
}

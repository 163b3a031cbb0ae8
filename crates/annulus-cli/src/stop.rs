//! Stopping: SIGINT or SIGTERM once asks every core to stop; twice, and the process ends.
//!
//! Owns: the request ([`Stop`]) and the thread that waits for signals. Does not own: what a core
//! does when it is asked. Invariant: no waker is called while the lock is held.
//!
//! Mirrors signal(7).

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::say::say_before;

/// The request to stop, shared by all cores.
#[derive(Clone, Default)]
pub struct Stop {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    requested: bool,
    waiting: Vec<Waker>,
}

impl Stop {
    /// Asks every core to stop. Asking again changes nothing.
    pub fn trigger(&self) {
        let waiting = {
            let mut state = self.lock();
            state.requested = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Whether stopping was asked for.
    pub fn is_requested(&self) -> bool {
        self.lock().requested
    }

    /// Ready once stopping was asked for.
    pub fn poll_requested(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.requested {
            return Poll::Ready(());
        }
        let waker = context.waker();
        if !state.waiting.iter().any(|waiting| waiting.will_wake(waker)) {
            state.waiting.push(waker.clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As [`on_first_signal`]: the first says `notice` and triggers `stop`.
///
/// # Errors
/// As there.
pub fn on_signals(stop: Stop, notice: &'static str) -> io::Result<()> {
    on_first_signal(move |_signal| say_before(notice, || stop.trigger()))
}

/// Starts the thread that waits for signals: `act` is called with the first, the second ends the
/// process with the status that shells give to a program ended by that signal.
///
/// # Errors
/// The kernel's, when handlers cannot be installed or there can be no further thread.
pub fn on_first_signal(act: impl FnOnce(i32) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("annulus-signals".to_owned()).spawn(move || {
        let mut arrived = signals.forever();
        if let Some(signal) = arrived.next() {
            act(signal);
        }
        if let Some(signal) = arrived.next() {
            std::process::exit(128 + signal);
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests;

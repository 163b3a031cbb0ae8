//! Where the cores wait for each other, so that no request starts before all are connected.
//!
//! Owns: how many are there, and that waiting is in vain. Does not own: the cores. A barrier of the
//! standard library would do if every thread could be had: one that cannot be started never comes.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A gate that opens when so many have come, or is given up.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    missing: u32,
    given_up: bool,
}

impl Gate {
    /// A gate for so many.
    pub fn new(cores: u32) -> Self {
        let state = Mutex::new(State { missing: cores, given_up: false });
        Self { state, changed: Condvar::new() }
    }

    /// Comes, and waits for the others. False if the gate was given up.
    pub fn pass(&self) -> bool {
        let mut state = self.lock();
        state.missing = state.missing.saturating_sub(1);
        if state.missing == 0 {
            self.changed.notify_all();
        }
        while state.missing > 0 && !state.given_up {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.given_up
    }

    /// Some will never come: whoever waits, or comes later, is let go.
    pub fn give_up(&self) {
        self.lock().given_up = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn it_opens_when_the_last_has_come_and_not_before() {
        let (gate, came) = (Gate::new(4), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    // ORDERING: SeqCst, here and below; a count of a test.
                    came.fetch_add(1, Ordering::SeqCst);
                    assert!(gate.pass());
                    assert_eq!(came.load(Ordering::SeqCst), 4);
                });
            }
        });
    }

    #[test]
    fn who_waits_is_let_go_if_one_can_never_come() {
        let gate = Gate::new(3);
        thread::scope(|scope| {
            let waiting: Vec<_> = (0..2).map(|_| scope.spawn(|| gate.pass())).collect();
            gate.give_up();
            for thread in waiting {
                assert!(!thread.join().unwrap());
            }
        });
        assert!(!gate.pass(), "nor does anybody wait later");
    }
}

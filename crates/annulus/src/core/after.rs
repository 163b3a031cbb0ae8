//! What has to wait until nothing of the core is borrowed, because it may be code of a user.
//!
//! Owns: the list of it, and what becomes of what such code throws. Invariants: no user code
//! (wakers of other executors, drops of buffers) runs while the state is borrowed; what it throws
//! ends neither the turn nor the work that waits behind it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use annulus_task::OnPanic;

use super::key::Key;
use super::{Core, State};

/// One piece of it.
pub(crate) enum After {
    /// The owner of an orphan whose request has ended is reclaimed, which may be code of a user.
    Reclaim(Key),
    /// A waker that is not ours is woken.
    Wake(Waker),
}

impl State {
    #[cold]
    pub(super) fn wake_later(&mut self, waker: Waker) {
        self.put_off(After::Wake(waker));
    }

    /// Notes what is to be done when nothing is borrowed.
    pub(super) fn put_off(&mut self, errand: After) {
        self.after.push(errand);
        self.has_chores = true;
    }
}

impl Core {
    /// Does what had to wait until nothing was borrowed.
    #[inline]
    pub(crate) fn run_after(&self) {
        if !self.state.borrow().after.is_empty() {
            self.run_after_now();
        }
    }

    #[cold]
    fn run_after_now(&self) {
        loop {
            let mut errands = std::mem::take(&mut self.state.borrow_mut().after);
            if errands.is_empty() {
                return;
            }
            for errand in errands.drain(..) {
                self.contain(|| match errand {
                    After::Reclaim(key) => self.reclaim(key),
                    After::Wake(waker) => waker.wake(),
                });
            }
            // Its memory is used again, unless user code has begun a new list meanwhile.
            let after = &mut self.state.borrow_mut().after;
            if after.is_empty() {
                *after = errands;
                return;
            }
        }
    }

    /// Runs code of a user for which no task answers. What it throws ends here, unless the policy
    /// is to abort: the panic hook has reported it, and others wait behind it. The payload is
    /// leaked, because dropping it is such code as well.
    pub(super) fn contain(&self, user_code: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(user_code)) {
            if matches!(self.on_panic, OnPanic::Abort) {
                std::process::abort();
            }
            std::mem::forget(payload);
        }
    }
}

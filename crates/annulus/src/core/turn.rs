//! The turn: what a core does again and again.
//!
//! ```text
//!   drain inbox -> run ready tasks (within a budget) -> one enter -> reap -> expire timers
//! ```
//!
//! Owns: the order of these steps and when a core sleeps. What most turns have nothing of (lists
//! that are not empty, timers, buffers to be replaced, a clock that stands still) are *chores*, for
//! which a turn asks once.
//!
//! Invariants: whoever gives a core a chore says so (`State::has_chores`) in the same borrow; one
//! `io_uring_enter` a turn, which submits, runs task work and waits, and a second one behind a wait
//! that has left task work (`State::fetch_rest`); the clock is read only if a
//! timer is armed or a stall threshold is set, while the core spins, and for what is tried again in
//! a while (`again`, `rests`); an idle core makes no system call.

use std::cell::RefMut;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use annulus_ring::Run;
use annulus_ring::abi::Errno;

use super::bell::Ended;
use super::metrics::Board;
use super::pool::Pool;
use super::{Core, State};
use crate::runtime::StalledBy;

impl Core {
    /// Runs a future to its end, and everything that was spawned meanwhile.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        self.executor.root_waker().wake();
        let driven = Driven::new(self);
        let mut woken = self.begin();
        loop {
            if woken {
                let polled = driven.poll_root(|| self.executor.poll_root(future.as_mut()));
                if let Poll::Ready(output) = polled {
                    self.run_after();
                    return output;
                }
                self.lap(StalledBy::BlockOn);
            }
            self.turns_until_root_wakes();
            woken = true;
        }
    }

    /// What comes before the tasks: jobs and wakes from elsewhere. True if the root is to be
    /// polled.
    fn begin(&self) -> bool {
        if let Some(watch) = &self.stall {
            watch.begin(self);
        }
        if self.executor.drain_inbox() {
            self.lap(StalledBy::Posted);
        }
        self.executor.take_root_wake()
    }

    /// Most of a core's life.
    #[inline(never)]
    fn turns_until_root_wakes(&self) {
        if self.stall.is_some() || self.spin_ns > 0 {
            return self.watched_turns();
        }
        loop {
            self.executor.run(self.budget);
            self.turn_round();
            self.executor.drain_inbox();
            if self.executor.take_root_wake() {
                return;
            }
        }
    }

    /// The same where stalls are looked for, or completions before the core sleeps.
    #[inline(never)]
    fn watched_turns(&self) {
        loop {
            self.run_tasks();
            self.turn_with_chores(None);
            if self.begin() {
                return;
            }
        }
    }

    fn run_tasks(&self) {
        match &self.stall {
            None => self.executor.run(self.budget),
            Some(watch) => {
                let polled = self
                    .executor
                    .run_watched(self.budget, |task, name| watch.polled(self, task, name));
                watch.end(self);
                polled
            }
        };
    }

    #[inline]
    fn lap(&self, by: StalledBy<'_>) {
        if let Some(watch) = &self.stall {
            watch.lap(self, by);
        }
    }

    /// A turn in which no task runs, and after the root has ended: that it was woken since does not
    /// keep the core awake. `bound_ns` limits the wait.
    pub(crate) fn turn_without_tasks(&self, bound_ns: Option<u64>) {
        let _woken = self.executor.take_root_wake();
        self.turn_with_chores(bound_ns);
    }

    /// Submits what tasks asked for, waits if there is nothing else to do, and hands out what the
    /// kernel has completed.
    #[inline(always)]
    fn turn_round(&self) {
        self.assert_own();
        let mut state = self.state.borrow_mut();
        if state.has_chores {
            drop(state);
            return self.turn_with_chores(None);
        }
        debug_assert!(!state.lists_anything(), "a chore was listed that no turn knows of");
        let entered = match self.executor.fall_asleep() {
            Some(_asleep) => state.wait_for_any(),
            // Tasks, and the root, only wake each other.
            None if state.is_quiet() => return,
            None => state.submit(),
        };
        if let Err(errno) = entered {
            self.check_enter(&mut state, errno);
        }
        state.reap();
        if state.has_chores {
            drop(state);
            self.run_after();
        }
    }

    /// The same with all that there may be besides: what waits in lists, timers, a clock that a
    /// test has stopped, a wait that is bounded or begins by spinning.
    #[inline(never)]
    fn turn_with_chores(&self, bound_ns: Option<u64>) {
        self.assert_own();
        let mut state = self.state.borrow_mut();
        let listed = state.has_listed();
        if !listed
            && self.executor.has_work()
            && state.is_quiet()
            && state.wheel.len() == 0
            && state.doubts.is_empty()
        {
            state.has_chores = state.lists_anything();
            return;
        }
        if listed {
            state = self.work_off(state);
        }
        state.replenish();
        if !state.doubts.is_empty() {
            state.resolve_doubts(self.executor.has_work());
        }
        if let Err(errno) = self.enter_ring(&mut state, bound_ns) {
            self.check_enter(&mut state, errno);
        }
        state.reap();
        if state.wheel.len() > 0 {
            state.expire();
        }
        state.has_chores = state.lists_anything();
        drop(state);
        self.run_after();
    }

    /// Does what waits in the lists of the state, as far as it can be done now.
    fn work_off<'a>(&'a self, state: RefMut<'a, State>) -> RefMut<'a, State> {
        drop(state);
        self.run_after();
        let mut state = self.state.borrow_mut();
        state.run_chores();
        state
    }

    /// The turn's one call of the kernel; it sleeps until a completion, a wake from elsewhere, or
    /// the next timer, if nothing is left to do.
    fn enter_ring(&self, state: &mut State, bound_ns: Option<u64>) -> Result<(), Errno> {
        if !state.doubts.is_empty() {
            // Does not wait, and runs what the kernel has pending: the next turn looks again.
            return state.enter_now();
        }
        if state.clock.is_paused() && self.executor.is_idle() {
            return self.wait_paused(state, bound_ns);
        }
        if self.spin_ns > 0 && self.executor.is_idle() && self.spin(state)? {
            return Ok(());
        }
        // A root that was woken meanwhile needs no call of the kernel to be polled.
        match self.executor.fall_asleep() {
            Some(_asleep) => state.wait(bound_ns),
            None => state.submit(),
        }
    }

    /// What io_uring_enter may say: be interrupted, be short of memory, or have completions to reap
    /// first. All of these mean "go on", the last two in a while if they last. Anything else breaks
    /// an invariant of the driver.
    fn check_enter(&self, state: &mut State, errno: Errno) {
        match errno.0 {
            libc::EINTR | libc::ETIME => {}
            libc::EAGAIN | libc::EBUSY => state.enter_refused(errno, self.executor.is_idle()),
            // What waits for these would wait for ever, and its memory is leaked with the core.
            libc::EBADR => panic!("the kernel had no memory for completions, and has lost some"),
            _ => panic!(
                "io_uring_enter failed with {errno}: the ring is valid and owned by this thread"
            ),
        }
    }
}

/// While it lives, a core is driven by `block_on`: for those who look at it from outside.
struct Driven(Arc<Board>);

impl Driven {
    fn new(core: &Core) -> Self {
        let board = core.state.borrow().counters.clone();
        board.life.driven.set(1);
        Self(board)
    }

    #[inline]
    fn poll_root<T>(&self, poll: impl FnOnce() -> T) -> T {
        let Board { life, tally, .. } = &*self.0;
        life.root_round.set(tally.rounds());
        life.in_root.set(1);
        let polled = poll();
        life.in_root.set(0);
        polled
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.life.in_root.set(0);
        self.0.life.driven.set(0);
    }
}

impl State {
    /// Whether there is more to look after than tasks and the ring: what `has_chores` remembers, so
    /// that a turn asks one question for all.
    fn lists_anything(&self) -> bool {
        self.has_listed()
            || self.wheel.len() > 0
            || !self.doubts.is_empty()
            || self.has_unsent_chain
            || self.clock.is_paused()
            || self.pools.iter().chain(self.messages.look()).any(Pool::is_short)
    }

    /// Whether anything waits in a list that is worked off before the kernel is called.
    fn has_listed(&self) -> bool {
        let listed = self.after.len()
            | self.dirty.len()
            | self.starved.len()
            | self.messages.starved.len()
            | self.again.len()
            | self.devices.len()
            | self.unsent.len();
        listed != 0
    }

    /// Brings what waits in the lists into the submission queue.
    fn run_chores(&mut self) {
        if !self.dirty.is_empty() {
            self.start_chunks();
        }
        if !(self.starved.is_empty() && self.messages.starved.is_empty()) {
            self.feed_starved();
        }
        if !self.again.is_empty() {
            self.cancel_again();
        }
        if !self.unsent.is_empty() {
            self.flush_unsent();
        }
        if self.devices.len() > 0 {
            self.poll_devices();
        }
    }

    /// Gives the kernel the buffers that have come back.
    fn replenish(&mut self) {
        self.pools.replenish();
        if let Some(pool) = self.messages.group() {
            pool.replenish();
        }
    }

    /// Whether nothing has come and nothing is to be submitted.
    #[inline]
    fn is_quiet(&self) -> bool {
        !self.ring.wants_enter() && self.ring.cq_ready() == 0
    }

    /// Submits and waits for the first completion, in a turn without chores.
    #[inline(always)]
    fn wait_for_any(&mut self) -> Result<(), Errno> {
        if self.bell_armed { self.submit_and_wait(1, None) } else { self.wait(None) }
    }

    /// Submits and waits; not if requests wait for room.
    #[inline(never)]
    fn wait(&mut self, bound_ns: Option<u64>) -> Result<(), Errno> {
        if self.devices.len() > 0 {
            // Nobody would wake the core for these.
            return self.submit();
        }
        let mut timeout_ns = bound_ns;
        if self.wheel.len() > 0 {
            timeout_ns = self.until_next_timer(bound_ns);
        }
        if !self.again.is_empty() {
            timeout_ns = self.until_cancel_again(timeout_ns);
        }
        if !self.bell_armed && timeout_ns.is_none() && self.sleep_alone() {
            return Ok(());
        }
        self.arm_bell();
        if !self.bell_armed {
            timeout_ns = self.until_bell(timeout_ns);
        }
        let want = u32::from(self.unsent.is_empty());
        let entered = self.submit_and_wait(want, timeout_ns);
        self.submitted();
        entered
    }

    /// One call that submits and waits. The kernel does not wait if completions are ready, or have
    /// overflowed.
    #[inline(always)]
    fn submit_and_wait(&mut self, want: u32, timeout_ns: Option<u64>) -> Result<(), Errno> {
        self.counters.note_overflow(self.ring.overflowed());
        self.note_wait();
        let consumed = self.ring.submit_and_wait(want, timeout_ns)?;
        if consumed == 0 {
            self.lighten();
        }
        if self.ring.task_work_pending() { self.fetch_rest() } else { Ok(()) }
    }

    /// Gets what has come together with what ended a wait. A wait that slept has run the task work
    /// of one completion (since 6.13), however much there is: its task would run alone, and what it
    /// asks for would be submitted alone. This runs that of 20 more, at most. It submits nothing,
    /// or what the wait has left of a chain would begin.
    #[cold]
    fn fetch_rest(&mut self) -> Result<(), Errno> {
        self.counters.note_overflow(self.ring.overflowed());
        self.note_submit();
        self.ring.flush()
    }

    /// Sleeps on the bell itself if nothing is in the ring, or on its way there, and no descriptor
    /// is open. False if it has to be a wait for the ring. (With a timer it has to: futex(2) ends
    /// late by the thread's slack.)
    #[cold]
    fn sleep_alone(&mut self) -> bool {
        let alone = self.table.used() + self.records.used() + self.cancels + self.closes == 0
            && !self.tick.is_armed()
            && !self.ring.wants_enter()
            && self.ring.cq_ready() == 0
            && !self.stopping;
        if !alone {
            return false;
        }
        let ended = self.bell.sleep(self.ring.kernel());
        self.counters.waits_alone.add(u64::from(ended != Ended::Refused));
        self.counters.bell_rings.add(u64::from(ended == Ended::Rung));
        ended != Ended::Refused
    }

    /// How long until the next timer has to fire, or the bound if that is less.
    pub(super) fn until_next_timer(&mut self, bound_ns: Option<u64>) -> Option<u64> {
        let Some(deadline_ns) = self.wheel.next_deadline_ns() else {
            return bound_ns;
        };
        let latest_ns = deadline_ns.saturating_add(self.timer_slack_ns);
        let left_ns = latest_ns.saturating_sub(self.now_ns());
        Some(bound_ns.map_or(left_ns, |bound_ns| bound_ns.min(left_ns)))
    }

    /// Submits without waiting, if there is anything to submit or to run.
    pub(super) fn submit(&mut self) -> Result<(), Errno> {
        if self.ring.wants_enter() { self.enter_now() } else { Ok(()) }
    }

    /// One call that submits and runs task work, without waiting.
    pub(super) fn enter_now(&mut self) -> Result<(), Errno> {
        self.counters.note_overflow(self.ring.overflowed());
        self.note_submit();
        let entered = self.ring.submit().map(drop);
        self.submitted();
        entered
    }

    /// What was pushed may be with the kernel: looks at what became of chains.
    #[inline(always)]
    pub(super) fn submitted(&mut self) {
        if self.has_unsent_chain {
            self.mend_chain();
        }
    }

    /// Gives every completion to whom it belongs.
    #[inline(always)]
    fn reap(&mut self) {
        // No more than are there now: dispatching may submit, and bring others.
        let mut left = self.ring.look();
        self.counters.add_cqes(left as usize);
        while left > 0 {
            let run = self.ring.next_run();
            left -= run.len();
            let mut reaping = Reaping { state: self, run, left };
            // SAFETY: nothing is reaped from the core's ring but here, and it is never resized.
            while let Some(cqe) = unsafe { reaping.run.take() } {
                reaping.state.dispatch(cqe);
            }
            std::mem::forget(reaping);
        }
        self.ring.give_back();
    }
}

/// A run of completions that are given out. Dropped if that panics: those that are left stay in the
/// queue for another turn, because whoever waits for them has nothing to do with it.
struct Reaping<'a> {
    state: &'a mut State,
    run: Run,
    /// How many come behind the run.
    left: u32,
}

impl Drop for Reaping<'_> {
    // Small and inlined, so that the run need not lie in memory while nothing panics.
    #[inline(always)]
    fn drop(&mut self) {
        self.state.put_back(self.run.len(), self.left);
    }
}

impl State {
    /// The last of a run, and those behind it, are reaped in another turn.
    #[cold]
    #[inline(never)]
    fn put_back(&mut self, of_run: u32, behind: u32) {
        self.counters.cqes.subtract(u64::from(of_run + behind));
        // SAFETY: they are of the last run of the core's ring, which is being dropped; see `reap`.
        unsafe { self.ring.put_back(of_run) };
    }
}

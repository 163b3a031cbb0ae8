//! The record of a watched descriptor: what it is ready for, and who waits for that.
//!
//! Owns: the readiness that was reported and not taken yet, its waiters, and when the poll is
//! armed. Does not own: the descriptor (the record).
//!
//! ```text
//!   Idle --somebody waits--> Armed --final CQE, whatever it says--> Idle --somebody waits--> …
//! ```
//!
//! | mode | the poll | a report |
//! |---|---|---|
//! | `Edge` | multishot | is taken by the first waiter |
//! | `Level` | once, anew for each wait: the kernel refuses `POLL_ADD_LEVEL` | as above |
//! | `Kept` | multishot | wakes all waiters, and stays until somebody says that it is over |
//!
//! Invariants: one poll is in flight at a time; what was reported stays until somebody takes it,
//! and reports that come meanwhile are joined to it, so nothing is lost and nothing piles up; a
//! poll that is armed anew reports what is there at that moment, so no edge is lost in between.

use std::io;
use std::task::Poll;

use annulus_ring::abi::{Cqe, PollFlags};
use annulus_ring::op::{Op as _, PollAdd};
use annulus_task::Waiter;

use super::key::{Key, Kind as UserKind, user_data};
use super::record::Kind;
use super::stream::{IN_VAIN_MAX, is_passing};
use super::waiters::Queue;
use super::{State, errors};

/// How readiness is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Edge,
    Level,
    Kept,
}

/// A watched descriptor.
pub(crate) struct Watch {
    mode: Mode,
    /// How many reports there were, modulo 2^32: what was seen before one is not over because of
    /// what was seen before.
    reports: u32,
    /// What is waited for.
    events: u32,
    /// What was reported and not taken.
    ready: u32,
    waiters: Queue,
    armed: bool,
    /// What is waited for has changed, and a cancel of the poll is on its way.
    changing: bool,
    failed: Option<i32>,
    /// Polls in a row that ended and reported nothing.
    in_vain: u8,
}

impl Watch {
    pub(crate) fn new(events: u32, mode: Mode) -> Box<Self> {
        let waiters = Queue::EMPTY;
        let (reports, ready, armed, changing, failed) = (0, 0, false, false, None);
        let in_vain = 0;
        Box::new(Self { mode, reports, events, ready, waiters, armed, changing, failed, in_vain })
    }

    pub(crate) fn is_armed(&self) -> bool {
        self.armed
    }

    /// What is waited for, what of it was reported and not taken, and who waits: for whoever looks
    /// from outside.
    pub(crate) fn look(&self) -> (u32, u32, Queue) {
        (self.events, self.ready, self.waiters)
    }
}

/// Events that are reported whether asked for or not.
const ALWAYS: u32 = (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) as u32;

impl State {
    /// Whether a poll that is to end is still with the kernel.
    pub(crate) fn watch_is_ending(&mut self, key: Key) -> bool {
        let closing = self.records.get(key).is_some_and(|record| record.closing);
        let watch = self.records.watch(key);
        watch.is_some_and(|watch| watch.armed && (closing || watch.changing))
    }

    /// What the descriptor is ready for; never nothing.
    pub(crate) fn poll_watch(
        &mut self,
        key: Key,
        waiter: &mut Option<Key>,
        who: &mut Waiter,
    ) -> Poll<io::Result<u32>> {
        let Some(watch) = self.records.watch(key) else {
            return Poll::Ready(Err(errors::handle_gone()));
        };
        if self.waiters.may_take(watch.waiters, *waiter) {
            let ready = std::mem::take(&mut watch.ready);
            if ready != 0 {
                return Poll::Ready(Ok(ready));
            }
            if let Some(errno) = watch.failed.take() {
                return Poll::Ready(Err(io::Error::from_raw_os_error(errno)));
            }
        }
        self.waiters.wait(&mut watch.waiters, waiter, who);
        self.arm_watch(key);
        Poll::Pending
    }

    /// What of `wanted` the descriptor is ready for, and how many reports there were. It stays so.
    pub(crate) fn poll_kept(
        &mut self,
        (key, wanted): (Key, u32),
        waiter: &mut Option<Key>,
        who: &mut Waiter,
    ) -> Poll<io::Result<(u32, u32)>> {
        let Some(watch) = self.records.watch(key) else {
            return Poll::Ready(Err(errors::handle_gone()));
        };
        let ready = watch.ready & wanted;
        if ready != 0 {
            return Poll::Ready(Ok((ready, watch.reports)));
        }
        if let Some(errno) = watch.failed.take() {
            // Whoever else waits arms the poll anew, and is told the same.
            let waiters = watch.waiters;
            self.wake_all(waiters);
            return Poll::Ready(Err(io::Error::from_raw_os_error(errno)));
        }
        self.waiters.wait(&mut watch.waiters, waiter, who);
        self.arm_watch(key);
        Poll::Pending
    }

    /// What of `wanted` the descriptor is known to be ready for, as [`State::poll_kept`] gives it.
    pub(crate) fn watch_known(&mut self, key: Key, wanted: u32) -> Option<(u32, u32)> {
        let watch = self.records.watch(key)?;
        let ready = watch.ready & wanted;
        (ready != 0).then_some((ready, watch.reports))
    }

    /// The descriptor is not ready for `events` any more, unless there was a report since.
    pub(crate) fn clear_watch(&mut self, key: Key, events: u32, reports: u32) {
        if let Some(watch) = self.records.watch(key) {
            if watch.reports == reports {
                watch.ready &= !events;
            }
        }
    }

    /// Waits for other events from now on. What is there of them is reported anew.
    pub(crate) fn watch_events(&mut self, key: Key, events: u32) -> io::Result<()> {
        let Some(watch) = self.records.watch(key) else {
            return Err(errors::handle_gone());
        };
        watch.events = events;
        watch.ready &= events | ALWAYS;
        if watch.armed && !watch.changing {
            // Its final completion arms it with the new ones, if somebody waits.
            watch.changing = true;
            self.push_cancel(user_data(UserKind::Watch, key));
        }
        Ok(())
    }

    /// Who waited is done or gone.
    pub(crate) fn leave_watch(&mut self, key: Key, waiter: Key) -> Waiter {
        let Some(watch) = self.records.watch(key) else {
            return self.waiters.abandon(waiter);
        };
        let (others, displaced) = self.waiters.leave(&mut watch.waiters, waiter);
        if others {
            self.wake_watcher(key);
        }
        displaced
    }

    fn wake_watcher(&mut self, key: Key) {
        let Some(watch) = self.records.watch(key) else {
            return;
        };
        let waiters = watch.waiters;
        if watch.mode == Mode::Kept {
            self.wake_all(waiters);
        } else {
            self.wake_first(waiters);
        }
    }

    pub(crate) fn arm_watch(&mut self, key: Key) {
        let Some(record) = self.records.get(key) else {
            return;
        };
        let target = record.target();
        let Kind::Watch(watch) = &mut record.kind else {
            return;
        };
        if watch.armed || record.closing {
            return;
        }
        watch.armed = true;
        record.in_flight += 1;
        let flags = match watch.mode {
            Mode::Edge | Mode::Kept => PollFlags::ADD_MULTI,
            Mode::Level => PollFlags::EMPTY,
        };
        let op = PollAdd { target, events: watch.events, flags };
        self.push(user_data(UserKind::Watch, key), |sqe| op.encode(sqe));
    }

    /// A completion of a multishot poll.
    pub(crate) fn on_watch(&mut self, key: Key, cqe: Cqe) {
        let Some(record) = self.records.get(key) else {
            self.counters.stale_cqes.add(1);
            return;
        };
        let ended = !cqe.more();
        if ended {
            record.in_flight -= 1;
        }
        let closing = record.closing;
        let Kind::Watch(watch) = &mut record.kind else {
            return;
        };
        let is_asked = watch.changing;
        watch.armed &= !ended;
        watch.changing &= !ended;
        match cqe.res {
            res if res >= 0 => {
                // It may be of a poll for other events, which is being cancelled.
                watch.ready |= res as u32 & (watch.events | ALWAYS);
                watch.reports = watch.reports.wrapping_add(1);
                watch.in_vain = 0;
            }
            // It says nothing about the descriptor: the poll is simply armed again. Unless it says
            // so again and again.
            res if is_passing(-res) && (is_asked || watch.in_vain < IN_VAIN_MAX) => {
                watch.in_vain += u8::from(!is_asked);
            }
            res => watch.failed = Some(-res),
        }
        if closing {
            self.finish_close(key);
            return;
        }
        let news = watch.ready != 0 || watch.failed.is_some();
        let kept = watch.mode == Mode::Kept;
        let wanted = ended && !watch.waiters.is_empty();
        if news {
            self.wake_watcher(key);
        }
        // What is kept may not be what everybody waits for.
        if wanted && (kept || !news) {
            self.arm_watch(key);
        }
    }
}

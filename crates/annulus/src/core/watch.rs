//! The record of a watched descriptor: what it is ready for, and who waits for that.
//!
//! Owns: the readiness that was reported and not taken yet, its waiters, and when the multishot
//! poll is armed. Does not own: the descriptor (the record).
//!
//! ```text
//!   Idle --somebody waits--> Armed --final CQE, whatever it says--> Idle --somebody waits--> …
//! ```
//!
//! Invariants: one poll is in flight at a time; what was reported stays until somebody takes it,
//! and reports that come meanwhile are joined to it, so nothing is lost and nothing piles up; a
//! poll that is armed anew reports what is there at that moment, so no edge is lost in between.

use std::io;
use std::task::{Poll, Waker};

use annulus_ring::abi::{Cqe, PollFlags};
use annulus_ring::op::{Op as _, PollAdd};

use super::key::{Key, Kind as UserKind, user_data};
use super::record::Kind;
use super::waiters::Queue;
use super::{State, errors};

/// A watched descriptor.
pub(crate) struct Watch {
    /// What is waited for.
    events: u32,
    /// What was reported and not taken.
    ready: u32,
    waiters: Queue,
    armed: bool,
    failed: Option<i32>,
}

impl Watch {
    pub(crate) fn new(events: u32) -> Box<Self> {
        Box::new(Self { events, ready: 0, waiters: Queue::EMPTY, armed: false, failed: None })
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

impl State {
    /// Whether the poll of a closing watch is still with the kernel.
    pub(crate) fn watch_is_closing(&mut self, key: Key) -> bool {
        let closing = self.records.get(key).is_some_and(|record| record.closing);
        closing && self.records.watch(key).is_some_and(|watch| watch.armed)
    }

    /// What the descriptor is ready for; never nothing.
    pub(crate) fn poll_watch(
        &mut self,
        key: Key,
        waiter: &mut Option<Key>,
        waker: &mut Option<Waker>,
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
        self.waiters.wait(&mut watch.waiters, waiter, waker);
        self.arm_watch(key);
        Poll::Pending
    }

    /// Who waited is done or gone.
    pub(crate) fn leave_watch(&mut self, key: Key, waiter: Key) -> Option<Waker> {
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
        if let Some(waker) = self.waiters.first(watch.waiters) {
            self.wake(waker);
        }
    }

    fn arm_watch(&mut self, key: Key) {
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
        let op = PollAdd { target, events: watch.events, flags: PollFlags::ADD_MULTI };
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
        watch.armed &= !ended;
        match cqe.res {
            res if res >= 0 => watch.ready |= res as u32,
            // It says nothing about the descriptor: the poll is simply armed again.
            res if matches!(-res, libc::ECANCELED | libc::EAGAIN | libc::EINTR) => {}
            res => watch.failed = Some(-res),
        }
        if closing {
            self.finish_close(key);
            return;
        }
        let news = watch.ready != 0 || watch.failed.is_some();
        if news {
            self.wake_watcher(key);
        } else if ended && !watch.waiters.is_empty() {
            self.arm_watch(key);
        }
    }
}

//! The record of a listening socket: connections that were accepted and wait for a taker.
//!
//! Owns: the accept queue, its waiters, and when the multishot accept is armed. Does not own: the
//! listening descriptor (the record), nor an accepted one once a future has taken it.
//!
//! Invariants: one multishot accept is in flight at a time; an accepted descriptor is in the queue,
//! in a handle, or closed; running out of descriptors pauses the accept for a while instead of
//! spinning, and so does an error that would pass and does not; the connections stay in the
//! kernel's backlog meanwhile.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::task::Poll;

use annulus_ring::abi::{AcceptFlags, Cqe};
use annulus_ring::op::{AcceptMulti, Op as _, Place};
use annulus_task::Waiter;

use super::key::{Key, Kind as UserKind, user_data};
use super::record::Kind;
use super::stream::IN_VAIN_MAX;
use super::timers::Due;
use super::waiters::Queue;
use super::{State, errors};
use crate::runtime::Armed;

/// Connections that may wait for a taker before the accept is cancelled; more wait in the backlog.
const UNTAKEN_CONNECTIONS: usize = 256;
/// How long the accept rests after the process or the system ran out of descriptors, or after it
/// ended too often for nothing.
pub(crate) const PAUSE_NS: u64 = 20_000_000;

/// A listening socket.
pub(crate) struct Listener {
    queue: VecDeque<RawFd>,
    pub(crate) waiters: Queue,
    arm: Arm,
    failed: Option<i32>,
    /// Accepts in a row that ended and brought nobody.
    in_vain: u8,
    /// The descriptor is about to leave: nothing is armed again.
    leaving: bool,
    /// The group of buffers that accepted streams receive into.
    pub(crate) group: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Arm {
    Idle,
    Armed,
    Cancelling,
    /// Descriptors ran out, or it fails again and again; a timer will end the pause.
    Resting,
}

impl Listener {
    pub(crate) fn new() -> Box<Self> {
        let (queue, waiters) = (VecDeque::new(), Queue::EMPTY);
        let arm = Arm::Idle;
        let (failed, in_vain) = (None, 0);
        Box::new(Self { queue, waiters, arm, failed, in_vain, leaving: false, group: 0 })
    }

    /// Descriptors that nobody will take any more.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = RawFd> + '_ {
        self.queue.drain(..)
    }

    /// What of the accept is with the kernel, and how many connections nobody has taken.
    pub(crate) fn look(&self) -> (Armed, usize) {
        let armed = match self.arm {
            Arm::Idle => Armed::No,
            Arm::Armed => Armed::Yes,
            Arm::Cancelling => Armed::Cancelling,
            Arm::Resting => Armed::Starved,
        };
        (armed, self.queue.len())
    }

    /// Whether a multishot accept is with the kernel.
    pub(crate) fn is_armed(&self) -> bool {
        matches!(self.arm, Arm::Armed)
    }
}

impl State {
    /// The socket of a record, which was of no use before, listens from now on.
    pub(crate) fn become_listener(&mut self, key: Key) {
        if let Some(record) = self.records.get(key) {
            record.kind = Kind::Listener(Listener::new());
        }
    }

    /// Whether a cancel of the multishot accept is on its way.
    pub(crate) fn accept_is_cancelling(&mut self, key: Key) -> bool {
        let closing = self.records.get(key).is_some_and(|record| record.closing);
        let arm = self.records.listener(key).map(|listener| listener.arm);
        arm == Some(Arm::Cancelling) || (closing && arm == Some(Arm::Armed))
    }

    /// The next accepted descriptor.
    pub(crate) fn poll_accept(
        &mut self,
        key: Key,
        waiter: &mut Option<Key>,
        who: &mut Waiter,
    ) -> Poll<io::Result<RawFd>> {
        let Some(listener) = self.records.listener(key) else {
            return Poll::Ready(Err(errors::handle_gone()));
        };
        if self.waiters.may_take(listener.waiters, *waiter) {
            if let Some(fd) = listener.queue.pop_front() {
                return Poll::Ready(Ok(fd));
            }
            if let Some(errno) = listener.failed.take() {
                return Poll::Ready(Err(io::Error::from_raw_os_error(errno)));
            }
        }
        self.waiters.wait(&mut listener.waiters, waiter, who);
        self.arm_accept(key);
        Poll::Pending
    }

    /// Whether the descriptor may leave: no accept is with the kernel. Cancels the one that is.
    pub(crate) fn poll_accept_stopped(
        &mut self,
        key: Key,
        waiter: &mut Option<Key>,
        who: &mut Waiter,
    ) -> Poll<io::Result<()>> {
        let Some(listener) = self.records.listener(key) else {
            return Poll::Ready(Err(errors::handle_gone()));
        };
        listener.leaving = true;
        match (listener.arm, listener.queue.len()) {
            // The timer of a pause finds no record any more, and that is that.
            (Arm::Idle | Arm::Resting, 0) => return Poll::Ready(Ok(())),
            (Arm::Idle | Arm::Resting, untaken) => {
                return Poll::Ready(Err(io::Error::other(format!(
                    "{untaken} connections were accepted and not taken yet: take them before giving \
                     up the handle"
                ))));
            }
            _ => {}
        }
        self.waiters.wait(&mut listener.waiters, waiter, who);
        if listener.arm == Arm::Armed {
            listener.arm = Arm::Cancelling;
            self.push_cancel(user_data(UserKind::Accept, key));
        }
        Poll::Pending
    }

    /// The descriptor does not leave after all.
    pub(crate) fn accept_again(&mut self, key: Key) {
        if let Some(listener) = self.records.listener(key) {
            listener.leaving = false;
        }
    }

    /// What the queue has for an acceptor that is in it. Nothing is armed.
    pub(crate) fn take_accepted(&mut self, key: Key, waiter: Key) -> Option<RawFd> {
        let listener = self.records.listener(key)?;
        if !self.waiters.may_take(listener.waiters, Some(waiter)) {
            return None;
        }
        listener.queue.pop_front()
    }

    /// An acceptor is done or gone: the next one is woken if there is something to take.
    pub(crate) fn leave_accept(&mut self, key: Key, waiter: Key) -> Waiter {
        let Some(listener) = self.records.listener(key) else {
            return self.waiters.abandon(waiter);
        };
        let (others, displaced) = self.waiters.leave(&mut listener.waiters, waiter);
        if others {
            self.wake_acceptor(key);
        }
        displaced
    }

    pub(crate) fn wake_acceptor(&mut self, key: Key) {
        if let Some(listener) = self.records.listener(key) {
            let waiters = listener.waiters;
            self.wake_first(waiters);
        }
    }

    pub(crate) fn arm_accept(&mut self, key: Key) {
        let Some(record) = self.records.get(key) else {
            return;
        };
        let target = record.target();
        let Kind::Listener(listener) = &mut record.kind else {
            return;
        };
        if listener.arm != Arm::Idle || listener.leaving {
            return;
        }
        listener.arm = Arm::Armed;
        record.in_flight += 1;
        // Nonblocking for sendfile(2); the ring does not care.
        let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let ioprio = AcceptFlags::EMPTY;
        let op = AcceptMulti { target, flags, ioprio, place: Place::Fd };
        self.push(user_data(UserKind::Accept, key), |sqe| op.encode(sqe));
    }

    /// A completion of a multishot accept.
    pub(crate) fn on_accept(&mut self, key: Key, cqe: Cqe) {
        let Some(record) = self.records.get(key) else {
            self.counters.stale_cqes.add(1);
            if cqe.res >= 0 {
                self.close_descriptor(cqe.res);
            }
            return;
        };
        let ended = !cqe.more();
        if ended {
            record.in_flight -= 1;
        }
        if record.closing {
            if cqe.res >= 0 {
                self.close_descriptor(cqe.res);
            }
            self.finish_close(key);
            return;
        }
        let Kind::Listener(listener) = &mut record.kind else {
            return;
        };
        let is_asked = listener.arm == Arm::Cancelling;
        if ended {
            listener.arm = Arm::Idle;
        }
        let mut rest = false;
        match cqe.res {
            fd if fd >= 0 => {
                listener.in_vain = 0;
                listener.queue.push_back(fd);
            }
            res if is_transient(-res) => {
                listener.in_vain = listener.in_vain.saturating_add(u8::from(!is_asked));
                rest = ended && !is_asked && listener.in_vain > IN_VAIN_MAX;
            }
            res => {
                listener.failed = Some(-res);
                rest = is_exhausted(-res) && ended;
            }
        }
        if rest {
            listener.arm = Arm::Resting;
        }
        let crowded = listener.arm == Arm::Armed && listener.queue.len() >= UNTAKEN_CONNECTIONS;
        if crowded {
            listener.arm = Arm::Cancelling;
        }
        let wanted = !listener.waiters.is_empty() && listener.failed.is_none();
        if rest {
            let deadline = self.now_ns().saturating_add(PAUSE_NS);
            self.start_timer(deadline, Due::AcceptRest(key));
        }
        if crowded {
            self.push_cancel(user_data(UserKind::Accept, key));
        }
        self.wake_acceptor(key);
        if ended && wanted {
            self.arm_accept(key);
        }
    }

    /// The pause after running out of descriptors is over.
    pub(crate) fn end_accept_rest(&mut self, key: Key) {
        let Some(listener) = self.records.listener(key) else {
            return;
        };
        if listener.arm == Arm::Resting {
            listener.arm = Arm::Idle;
            if !listener.waiters.is_empty() {
                self.arm_accept(key);
            }
        }
    }
}

/// The connection was gone before it was accepted, or the accept was merely interrupted.
fn is_transient(errno: i32) -> bool {
    matches!(
        errno,
        libc::ECONNABORTED | libc::EINTR | libc::EAGAIN | libc::ECANCELED | libc::EPROTO
    )
}

fn is_exhausted(errno: i32) -> bool {
    matches!(errno, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
}

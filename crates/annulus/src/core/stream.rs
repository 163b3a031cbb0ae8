//! The record of a connected socket: what has been received, who waits for it.
//!
//! Owns: the receive queue and its waiters, and when the multishot receive is armed. Does not own:
//! the descriptor (the record), buffers (the pool), slots (the table), what is to be sent
//! (`send_queue`).
//!
//! ```text
//!   Idle --a reader waits--> Armed --queue is long--> Cancelling --final CQE--> Idle
//!    ^                         |                      (data still arrives)
//!    +------ final CQE --------+--- ENOBUFS --> Starved --a buffer is free--> Armed
//!                                                  +--none is: heap--> Single
//!
//!   Idle --`read`, or a reader where there is no group: heap--> Single --CQE--> Idle
//! ```
//!
//! A starved stream for which nobody waits is idle again.
//!
//! Invariants: one receive is in flight at a time, the multishot or a single one; only the first
//! waiter takes from the queue; a dropped future loses no byte.

use std::io;
use std::task::Poll;

use annulus_ring::abi::{Cqe, CqeFlags, RecvSendFlags};
use annulus_ring::op::{Op as _, RecvMulti};
use annulus_task::Waiter;

use super::key::{Key, Kind as UserKind, NONE, user_data};
use super::send_queue::Sends;
use super::unread::Unread;
use super::waiters::Queue;
use super::zero_copy::Gear;
use super::{State, errors};
use crate::buf::Lease;

/// Buffers' worth of data that may lie unread before the receive is cancelled, so that one
/// connection cannot take the whole pool and the peer feels TCP's flow control.
const UNREAD_BUFFERS: usize = 4;
/// The same in leases, where many share a buffer.
const UNREAD_LEASES: usize = 64;
/// The same in bytes, where many share a buffer: more than a message of 64 KiB, or each such
/// message would cost a cancel and a receive. No more than [`UNREAD_SHARED`] buffers' worth.
const UNREAD_BYTES: usize = 128 * 1024;
const UNREAD_SHARED: usize = 8;
/// Up to so many bytes that came in two pieces are copied into one lease.
const JOINED_BYTES: usize = 4096;

/// How often in a row a multishot may end for nothing and be armed again at once. After that the
/// reason is no passing one.
pub(super) const IN_VAIN_MAX: u8 = 16;

/// Both directions of a connected socket.
pub(crate) struct Stream {
    pub(crate) recv: Receive,
    pub(crate) send: Sends,
    /// Closing it may block (`SO_LINGER`): a worker of the kernel does it.
    pub(crate) lingers: bool,
}

/// The receiving direction.
pub(crate) struct Receive {
    pub(crate) queue: Unread,
    pub(crate) waiters: Queue,
    pub(crate) arm: Arm,
    pub(crate) end: Option<End>,
    /// The descriptor is about to leave: nothing is armed again.
    pub(crate) leaving: bool,
    /// The group of buffers that it is armed from next, and that of the multishot in flight.
    pub(crate) group: u8,
    pub(crate) armed_group: u8,
    /// The kernel can lose the end of the stream; see [`Stream::of_unix`].
    loses_end: bool,
    /// It may have, and nobody has looked yet.
    pub(crate) in_doubt: bool,
    /// Receives in a row that ended for a passing reason and brought nothing.
    pub(crate) in_vain: u8,
    /// Those that found no buffer. Nothing is wrong with a connection because others have them all.
    pub(crate) unfed: u8,
    /// The slot of the receive into the heap that is in flight: it has no future to cancel it.
    pub(crate) heap: Option<Key>,
}

impl Receive {
    /// It brought something. What is behind an end, or a gap, is nobody's.
    #[inline]
    fn bring(&mut self, lease: Lease, joined_max: usize) {
        if self.end.is_none() {
            self.in_vain = 0;
            self.unfed = 0;
            self.queue.push_back(lease, joined_max);
        }
    }

    /// A receive has ended for a passing reason. True if it has done so too often for that.
    fn is_in_vain(&mut self) -> bool {
        self.in_vain = self.in_vain.saturating_add(1);
        self.in_vain > IN_VAIN_MAX
    }

    /// Notes what a completion says beside its bytes; `is_asked` if the receive was cancelled. True
    /// if no buffer was left.
    fn note(&mut self, res: i32, is_asked: bool) -> bool {
        match res {
            0 => self.ends(End::Eof),
            res if res > 0 => {}
            res if is_passing(-res) && (is_asked || !self.is_in_vain()) => {}
            res if -res == libc::ENOBUFS => {
                self.unfed = self.unfed.saturating_add(1);
                return !self.leaving && self.end.is_none();
            }
            res => self.ends(End::Failed(-res)),
        }
        false
    }

    /// No more data will come, unless that was known.
    fn ends(&mut self, end: End) {
        self.end.get_or_insert(end);
    }
}

/// What of the receive is with the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arm {
    Idle,
    Armed,
    /// A cancel of the multishot is on its way.
    Cancelling,
    /// The pool was empty; the stream is in the core's list of starved ones.
    Starved,
    /// A single receive into somebody's buffer is in flight.
    Single,
}

/// Why no more data will come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The peer has shut its sending direction down.
    Eof,
    /// The receive failed; reported once, then it reads as end of file.
    Failed(i32),
}

impl Stream {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            recv: Receive {
                queue: Unread::default(),
                waiters: Queue::EMPTY,
                arm: Arm::Idle,
                end: None,
                leaving: false,
                group: 0,
                armed_group: 0,
                loses_end: false,
                in_doubt: false,
                in_vain: 0,
                unfed: 0,
                heap: None,
            },
            send: Sends {
                head: NONE,
                tail: NONE,
                open: NONE,
                queued_bytes: 0,
                room: Queue::EMPTY,
                shut: false,
                failed: None,
                given_up: false,
                flush: None,
                gear: Gear::OFF,
            },
            lingers: false,
        })
    }
}

impl Stream {
    /// A Unix socket's, whose end the kernel can lose: see `doubts`.
    pub(crate) fn of_unix() -> Box<Self> {
        let mut stream = Self::new();
        stream.recv.loses_end = true;
        stream
    }

    /// Whether it is that of a Unix socket.
    pub(crate) fn is_unix(&self) -> bool {
        self.recv.loses_end
    }
}

/// What a reader finds.
pub(crate) enum Found {
    Lease(Lease),
    Eof,
    Failed(i32),
    /// Nothing yet, and it is this reader's turn.
    Nothing,
    /// Others are before this reader.
    NotYourTurn,
}

impl State {
    /// What the receive queue has for this reader. Takes it out.
    pub(crate) fn take_received(&mut self, key: Key, waiter: Option<Key>) -> io::Result<Found> {
        let Some(stream) = self.records.stream(key) else {
            return Err(errors::handle_gone());
        };
        if !self.waiters.may_take(stream.recv.waiters, waiter) {
            return Ok(Found::NotYourTurn);
        }
        if let Some(lease) = stream.recv.queue.pop_front() {
            return Ok(Found::Lease(lease));
        }
        Ok(match stream.recv.end {
            Some(End::Eof) => Found::Eof,
            Some(End::Failed(errno)) => {
                stream.recv.end = Some(End::Eof);
                Found::Failed(errno)
            }
            None => Found::Nothing,
        })
    }

    /// What `recv` meets nearly always, without the rest of [`poll_lease`](Self::poll_lease): a
    /// lease for the only reader there is, who leaves the queue with it, or nothing yet, so that he
    /// waits. `None` does nothing, and says nothing.
    #[inline(always)]
    pub(crate) fn poll_lease_alone(
        &mut self,
        key: Key,
        waiter: &mut Option<Key>,
        who: &mut Waiter,
    ) -> Option<Poll<Lease>> {
        let recv = &mut self.records.stream(key)?.recv;
        if !recv.queue.is_empty() {
            if !self.waiters.leave_alone(&mut recv.waiters, waiter) {
                return None;
            }
            return recv.queue.pop_front().map(Poll::Ready);
        }
        if recv.arm != Arm::Armed || recv.end.is_some() {
            return None;
        }
        self.waiters.wait(&mut recv.waiters, waiter, who);
        Some(Poll::Pending)
    }

    /// `recv`: the next lease, or `None` at the end.
    pub(crate) fn poll_lease(
        &mut self,
        key: Key,
        waiter: &mut Option<Key>,
        who: &mut Waiter,
    ) -> Poll<io::Result<Option<Lease>>> {
        match self.take_received(key, *waiter) {
            Err(error) => Poll::Ready(Err(error)),
            Ok(Found::Lease(lease)) => Poll::Ready(Ok(Some(lease))),
            Ok(Found::Eof) => Poll::Ready(Ok(None)),
            Ok(Found::Failed(errno)) => Poll::Ready(Err(errors::of_receive(errno))),
            Ok(Found::Nothing) => {
                if let Some(stream) = self.records.stream(key) {
                    self.waiters.wait(&mut stream.recv.waiters, waiter, who);
                    if stream.recv.arm == Arm::Idle {
                        self.arm_recv(key);
                    }
                }
                Poll::Pending
            }
            Ok(Found::NotYourTurn) => {
                self.wait_received(key, waiter, who);
                Poll::Pending
            }
        }
    }

    /// Whoever has just taken a lease becomes the first of the queue, if it is in none.
    pub(crate) fn hold_recv(&mut self, key: Key, waiter: &mut Option<Key>) {
        if let Some(stream) = self.records.stream(key) {
            if waiter.is_none() {
                self.waiters.wait(&mut stream.recv.waiters, waiter, &mut Waiter::default());
            }
        }
    }

    pub(crate) fn wait_received(&mut self, key: Key, waiter: &mut Option<Key>, who: &mut Waiter) {
        if let Some(stream) = self.records.stream(key) {
            self.waiters.wait(&mut stream.recv.waiters, waiter, who);
        }
    }

    /// A reader is done or gone: the next in the queue is woken if there is something for it to do.
    pub(crate) fn leave_recv(&mut self, key: Key, waiter: Key) -> Waiter {
        let Some(stream) = self.records.stream(key) else {
            return self.waiters.abandon(waiter);
        };
        let (others, displaced) = self.waiters.leave(&mut stream.recv.waiters, waiter);
        if others {
            self.wake_reader(key);
        }
        displaced
    }

    /// Bytes that a reader took and did not use go back to the front.
    pub(crate) fn unread(&mut self, key: Key, lease: Lease) {
        let Some(stream) = self.records.stream(key) else {
            return;
        };
        stream.recv.queue.push_front(lease);
        self.wake_reader(key);
    }

    pub(crate) fn wake_reader(&mut self, key: Key) {
        if let Some(stream) = self.records.stream(key) {
            let waiters = stream.recv.waiters;
            self.wake_first(waiters);
        }
    }

    /// Whether a cancel of the multishot receive is on its way.
    pub(crate) fn recv_is_cancelling(&mut self, key: Key) -> bool {
        self.records.stream(key).is_some_and(|stream| stream.recv.arm == Arm::Cancelling)
    }

    /// Whether no receive of any kind is with the kernel.
    pub(crate) fn recv_is_idle(&mut self, key: Key) -> bool {
        self.records.stream(key).is_some_and(|stream| stream.recv.arm == Arm::Idle)
    }

    /// Arms the multishot receive unless a receive is in flight.
    pub(crate) fn arm_recv(&mut self, key: Key) {
        let Some(record) = self.records.get(key) else {
            return;
        };
        if record.closing {
            return;
        }
        let target = record.target();
        let super::record::Kind::Stream(stream) = &mut record.kind else {
            return;
        };
        if stream.recv.arm != Arm::Idle || stream.recv.leaving {
            return;
        }
        let group = stream.recv.group;
        let Some(pool) = self.pools.get(group) else {
            // A kernel without buffer rings, or no locked memory for one.
            self.launch_heap_receive(key);
            return;
        };
        let bgid = pool.bgid();
        if !pool.replenish() {
            self.starve(key);
            return;
        }
        stream.recv.arm = Arm::Armed;
        stream.recv.armed_group = group;
        record.in_flight += 1;
        let op = RecvMulti { target, bgid, ioprio: RecvSendFlags::EMPTY, cap_bytes: 0 };
        self.push(user_data(UserKind::Recv, key), |sqe| op.encode(sqe));
    }

    /// A single receive has ended without a future to tell.
    pub(crate) fn received_late(&mut self, key: Key, res: i32, bytes: Vec<u8>) {
        let Some(stream) = self.records.stream(key) else {
            return;
        };
        match res {
            0 => stream.recv.ends(End::Eof),
            res if res > 0 => stream.recv.bring(Lease::from_vec(bytes), JOINED_BYTES),
            res if res == -libc::ECANCELED => {}
            res if is_passing(-res) && !stream.recv.is_in_vain() => {}
            res => stream.recv.ends(End::Failed(-res)),
        }
        self.wake_reader(key);
    }

    /// A completion of a multishot receive, of a stream or of messages.
    pub(crate) fn on_recv(&mut self, key: Key, cqe: Cqe) {
        let Some(record) = self.records.get(key) else {
            self.counters.stale_cqes.add(1);
            return;
        };
        let super::record::Kind::Stream(stream) = &mut record.kind else {
            self.on_message(key, cqe);
            return;
        };
        let (more_of_buffer, mut joined_max) = (cqe.flags.contains(CqeFlags::BUF_MORE), 0);
        self.has_chores |= !more_of_buffer;
        let lease = match (cqe.buffer_id(), self.pools.get(stream.recv.armed_group)) {
            (Some(bid), Some(pool)) if cqe.res > 0 => {
                self.counters.leases.add(1);
                joined_max = JOINED_BYTES.min(pool.buffer_bytes() as usize);
                pool.lease(bid, cqe.res as u32, more_of_buffer)
            }
            (Some(bid), Some(pool)) => {
                pool.discard(bid, more_of_buffer);
                None
            }
            _ => None,
        };
        let ended = !cqe.more();
        if ended {
            record.in_flight -= 1;
        }
        if record.closing {
            self.finish_close(key);
            return;
        }
        let recv = &mut stream.recv;
        let told = ended || cqe.flags.contains(CqeFlags::SOCK_NONEMPTY);
        if recv.loses_end && !told && !recv.in_doubt {
            recv.in_doubt = true;
            self.doubts.add(key);
            self.has_chores = true;
        }
        let is_asked = recv.arm == Arm::Cancelling;
        if ended {
            recv.arm = Arm::Idle;
        }
        match lease {
            Some(lease) => recv.bring(lease, joined_max),
            None if cqe.res > 0 => return self.miss_bytes(key),
            None => {}
        }
        let starving = recv.note(cqe.res, is_asked);
        if starving {
            if let Some(pool) = self.pools.get(recv.armed_group) {
                pool.grow();
            }
            self.starve(key);
            return;
        }
        let (has_news, wanted) =
            (!recv.queue.is_empty() || recv.end.is_some(), !recv.waiters.is_empty());
        let crowded = recv.arm == Arm::Armed && recv.queue.len() >= UNREAD_BUFFERS;
        if (has_news || recv.leaving) && wanted {
            let waiters = recv.waiters;
            self.wake_first(waiters);
        } else if wanted {
            self.arm_recv(key);
        }
        if crowded {
            self.limit_unread(key);
        }
    }

    /// Bytes came, and are nowhere: the kernel named a buffer that it did not have. That is the end
    /// of the stream.
    #[cold]
    fn miss_bytes(&mut self, key: Key) {
        if let Some(stream) = self.records.stream(key) {
            stream.recv.ends(End::Failed(errors::MISNAMED));
            self.pause_recv(key);
            self.wake_reader(key);
        }
    }

    /// Cancels the receive of a stream that holds more of the pool than its share.
    fn limit_unread(&mut self, key: Key) {
        let Some(stream) = self.records.stream(key) else {
            return;
        };
        let Some(pool) = self.pools.get(stream.recv.armed_group) else {
            return;
        };
        let queue = &stream.recv.queue;
        let within_share = || {
            let bytes: usize = queue.iter().map(|lease| lease.len()).sum();
            let most = UNREAD_BYTES.min(UNREAD_SHARED * pool.buffer_bytes() as usize);
            queue.len() < UNREAD_LEASES && bytes < most
        };
        if pool.is_incremental() && within_share() {
            return;
        }
        self.pause_recv(key);
    }

    /// Whether the descriptor may leave: nothing is in flight on it. Cancels the receive if one is
    /// armed.
    pub(crate) fn poll_at_rest(
        &mut self,
        key: Key,
        waiter: &mut Option<Key>,
        who: &mut Waiter,
    ) -> Poll<io::Result<()>> {
        let Some(stream) = self.records.stream(key) else {
            return Poll::Ready(Err(errors::handle_gone()));
        };
        stream.recv.leaving = true;
        if matches!(stream.recv.arm, Arm::Idle | Arm::Starved) {
            return Poll::Ready(Ok(()));
        }
        self.waiters.wait(&mut stream.recv.waiters, waiter, who);
        self.pause_recv(key);
        Poll::Pending
    }

    /// The descriptor does not leave after all: it is received again for who waits.
    pub(crate) fn stay(&mut self, key: Key) {
        let Some(stream) = self.records.stream(key) else {
            return;
        };
        stream.recv.leaving = false;
        if !stream.recv.waiters.is_empty() {
            self.arm_recv(key);
        }
    }

    /// Cancels the multishot receive; data that arrives before the cancel is kept.
    pub(crate) fn pause_recv(&mut self, key: Key) {
        let Some(stream) = self.records.stream(key) else {
            return;
        };
        if stream.recv.arm == Arm::Armed {
            stream.recv.arm = Arm::Cancelling;
            self.push_cancel(user_data(UserKind::Recv, key));
        } else if let Some(slot) = stream.recv.heap.take() {
            self.push_cancel(user_data(UserKind::Op, slot));
        }
    }
}

/// Errors that say nothing about the connection: the receive is simply armed again.
pub(super) fn is_passing(errno: i32) -> bool {
    matches!(errno, libc::ECANCELED | libc::EAGAIN | libc::EINTR)
}

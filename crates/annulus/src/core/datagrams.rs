//! The record of a socket that keeps messages apart: what has been received, and who waits for it.
//!
//! Owns: the queue of messages and its waiters, and when the multishot RECVMSG is armed. Does not
//! own: the descriptor (the record), the buffers (`messages.rs`), slots (the table). Sends have no
//! queue here: a message is sent whole or not at all, so several may be in flight.
//!
//! ```text
//!   Idle --a reader waits--> Armed --queue is long, no reader--> Cancelling --final CQE--> Idle
//!    ^                         |                                   (messages still arrive)
//!    +------ final CQE --------+--- ENOBUFS --> Starved --a buffer is free--> Armed
//! ```
//!
//! Invariants: one receive is in flight at a time, the multishot or a single one; only the first
//! waiter takes from the queue; a message that the kernel has given is in the queue or in
//! somebody's hands, whatever future is dropped; an empty message ends a multishot as an error
//! does, and is a message all the same.

use std::collections::VecDeque;
use std::io;
use std::task::Poll;

use annulus_ring::Kernel as _;
use annulus_ring::abi::{Cqe, RecvSendFlags};
use annulus_ring::op::{Op as _, RecvMsgMulti};
use annulus_task::Waiter;

use super::key::{Key, Kind as UserKind, user_data};
use super::message::{Layout, Message};
use super::messages::UNREAD_MAX;
use super::record::Kind;
use super::stream::{Arm, IN_VAIN_MAX, is_passing};
use super::waiters::Queue;
use super::{State, errors};

/// A socket of messages.
pub(crate) struct Datagrams {
    queue: VecDeque<Message>,
    pub(crate) waiters: Queue,
    pub(crate) arm: Arm,
    /// The receive failed; reported once, behind what came before.
    failed: Option<i32>,
    /// The peer is gone: sequences of packets have an end.
    ended: bool,
    has_end: bool,
    pub(crate) leaving: bool,
    /// Receives in a row that ended for a passing reason and brought nothing, and those that found
    /// no buffer.
    pub(crate) in_vain: u8,
    pub(crate) unfed: u8,
    /// The slot of the receive into the heap that is in flight: it has no future to cancel it.
    pub(crate) heap: Option<Key>,
    layout: Layout,
}

impl Datagrams {
    /// Of UDP.
    pub(crate) fn internet() -> Box<Self> {
        Self::new(Layout::Internet, false)
    }

    /// Of Unix datagrams.
    pub(crate) fn unix() -> Box<Self> {
        Self::new(Layout::Unix, false)
    }

    /// Of a connection that keeps packets apart.
    pub(crate) fn packets() -> Box<Self> {
        Self::new(Layout::Unix, true)
    }

    fn new(layout: Layout, has_end: bool) -> Box<Self> {
        Box::new(Self {
            queue: VecDeque::new(),
            waiters: Queue::EMPTY,
            arm: Arm::Idle,
            failed: None,
            ended: false,
            has_end,
            leaving: false,
            in_vain: 0,
            unfed: 0,
            heap: None,
            layout,
        })
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// How many messages nobody has taken, and how many bytes are in them.
    pub(crate) fn unread(&self) -> (usize, usize) {
        (self.queue.len(), self.queue.iter().map(|message| message.payload().len()).sum())
    }

    /// A receive has brought something.
    fn has_come(&mut self) {
        self.in_vain = 0;
        self.unfed = 0;
    }

    /// A receive has ended for a passing reason. True if it has done so too often for that.
    fn is_in_vain(&mut self) -> bool {
        self.in_vain = self.in_vain.saturating_add(1);
        self.in_vain > IN_VAIN_MAX
    }

    /// Forgets what nobody will take any more.
    pub(crate) fn discard(&mut self) {
        self.queue.clear();
    }
}

/// What a reader finds.
pub(crate) enum Found {
    Message(Message),
    /// The peer is gone.
    End,
    Failed(i32),
    /// Nothing yet, and it is this reader's turn.
    Nothing,
    /// Others are before this reader.
    NotYourTurn,
}

impl State {
    /// What the queue has for this reader. Takes it out.
    pub(crate) fn take_message(&mut self, key: Key, waiter: Option<Key>) -> io::Result<Found> {
        let Some(datagrams) = self.records.datagrams(key) else {
            return Err(errors::handle_gone());
        };
        if !self.waiters.may_take(datagrams.waiters, waiter) {
            return Ok(Found::NotYourTurn);
        }
        if let Some(message) = datagrams.queue.pop_front() {
            return Ok(Found::Message(message));
        }
        Ok(match datagrams.failed.take() {
            Some(errno) => Found::Failed(errno),
            None if datagrams.ended => Found::End,
            None => Found::Nothing,
        })
    }

    /// One more message, if there is one for this reader.
    pub(crate) fn next_message(&mut self, key: Key, waiter: Option<Key>) -> Option<Message> {
        let datagrams = self.records.datagrams(key)?;
        if !self.waiters.may_take(datagrams.waiters, waiter) {
            return None;
        }
        datagrams.queue.pop_front()
    }

    /// The next message for a reader that waits if there is none; `None` at the end.
    pub(crate) fn poll_message(
        &mut self,
        key: Key,
        waiter: &mut Option<Key>,
        who: &mut Waiter,
    ) -> Poll<io::Result<Option<Message>>> {
        match self.take_message(key, *waiter) {
            Err(error) => Poll::Ready(Err(error)),
            Ok(Found::Message(message)) => Poll::Ready(Ok(Some(message))),
            Ok(Found::End) => Poll::Ready(Ok(None)),
            Ok(Found::Failed(errno)) => Poll::Ready(Err(errors::of_receive(errno))),
            Ok(Found::Nothing) => {
                self.wait_message(key, waiter, who);
                self.arm_messages(key);
                Poll::Pending
            }
            Ok(Found::NotYourTurn) => {
                self.wait_message(key, waiter, who);
                Poll::Pending
            }
        }
    }

    /// As [`poll_message`](Self::poll_message), and `look` sees the message where it stays.
    pub(crate) fn poll_peek<T>(
        &mut self,
        key: Key,
        (waiter, who): (&mut Option<Key>, &mut Waiter),
        look: impl FnOnce(&Message) -> T,
    ) -> Poll<io::Result<Option<T>>> {
        let first = match self.records.datagrams(key) {
            Some(datagrams) if self.waiters.may_take(datagrams.waiters, *waiter) => {
                datagrams.queue.front()
            }
            _ => None,
        };
        if let Some(message) = first {
            return Poll::Ready(Ok(Some(look(message))));
        }
        // Nothing can be taken: the queue was just seen to be empty, or it is another's turn.
        self.poll_message(key, waiter, who).map_ok(|_end| None)
    }

    pub(crate) fn wait_message(&mut self, key: Key, waiter: &mut Option<Key>, who: &mut Waiter) {
        if let Some(datagrams) = self.records.datagrams(key) {
            self.waiters.wait(&mut datagrams.waiters, waiter, who);
        }
    }

    /// A reader is done or gone: the next in the queue is woken.
    pub(crate) fn leave_messages(&mut self, key: Key, waiter: Key) -> Waiter {
        let Some(datagrams) = self.records.datagrams(key) else {
            return self.waiters.abandon(waiter);
        };
        let (others, displaced) = self.waiters.leave(&mut datagrams.waiters, waiter);
        if others {
            self.wake_messages(key);
        }
        displaced
    }

    fn wake_messages(&mut self, key: Key) {
        if let Some(datagrams) = self.records.datagrams(key) {
            let waiters = datagrams.waiters;
            self.wake_first(waiters);
        }
    }

    /// Whether a cancel of the multishot receive is on its way.
    pub(crate) fn messages_are_cancelling(&mut self, key: Key) -> bool {
        self.records.datagrams(key).is_some_and(|datagrams| datagrams.arm == Arm::Cancelling)
    }

    /// Whether it is this reader's turn, and no receive of any kind is with the kernel.
    pub(crate) fn may_receive_directly(&mut self, key: Key, waiter: Option<Key>) -> bool {
        self.records.datagrams(key).is_some_and(|datagrams| {
            datagrams.arm == Arm::Idle && self.waiters.may_take(datagrams.waiters, waiter)
        })
    }

    /// Arms the multishot receive unless a receive is in flight.
    pub(crate) fn arm_messages(&mut self, key: Key) {
        let Some(record) = self.records.get(key) else {
            return;
        };
        if record.closing {
            return;
        }
        let target = record.target();
        let Kind::Datagrams(datagrams) = &mut record.kind else {
            return;
        };
        if datagrams.arm != Arm::Idle || datagrams.leaving || datagrams.ended {
            return;
        }
        let layout = datagrams.layout;
        let Some(pool) = self.messages.pool(&mut self.ring, &self.counters) else {
            self.launch_heap_message(key, layout);
            return;
        };
        let bgid = pool.bgid();
        if !pool.replenish() {
            self.starve_messages(key);
            return;
        }
        datagrams.arm = Arm::Armed;
        record.in_flight += 1;
        let op = RecvMsgMulti {
            target,
            msg: layout.header(),
            flags: libc::MSG_TRUNC | libc::MSG_CMSG_CLOEXEC,
            bgid,
            ioprio: RecvSendFlags::EMPTY,
        };
        self.push(user_data(UserKind::Recv, key), |sqe| op.encode(sqe));
    }

    /// A completion of a multishot receive of messages.
    pub(crate) fn on_message(&mut self, key: Key, cqe: Cqe) {
        let lease = self.messages.leased(cqe, &self.counters);
        // Its buffer is to be replaced.
        self.has_chores = true;
        let Some(record) = self.records.get(key) else {
            self.counters.stale_cqes.add(1);
            return;
        };
        let ended = !cqe.more();
        if ended {
            record.in_flight -= 1;
        }
        let (closing, fd) = (record.closing, record.fd);
        let Kind::Datagrams(datagrams) = &mut record.kind else {
            return;
        };
        let layout = datagrams.layout;
        // SAFETY: the receive of this record has just put the message there, in this layout.
        let message = lease.and_then(|lease| unsafe { Message::received(lease, layout) });
        if closing {
            // What came, and its descriptors, goes with the handle.
            self.finish_close(key);
            return;
        }
        let is_asked = datagrams.arm == Arm::Cancelling;
        if ended {
            datagrams.arm = Arm::Idle;
        }
        let mut starving = false;
        match cqe.res {
            res if res > 0 && message.is_none() => datagrams.failed = Some(errors::MISNAMED),
            res if res >= 0 => datagrams.has_come(),
            res if is_passing(-res) && (is_asked || !datagrams.is_in_vain()) => {}
            res if -res == libc::ENOBUFS && ended => {
                starving = !datagrams.leaving;
                datagrams.unfed = datagrams.unfed.saturating_add(1);
            }
            // A kernel that has buffer rings and no multishot RECVMSG.
            res if -res == libc::EINVAL && self.messages.refuse_multishot() => {}
            res => datagrams.failed = Some(-res),
        }
        if let Some(message) = message {
            self.messages.prove_multishot();
            let nothing = datagrams.has_end && message.payload().is_empty();
            if nothing && self.ring.kernel().is_hung_up(fd) {
                datagrams.ended = true;
            } else {
                datagrams.queue.push_back(message);
            }
        }
        if starving {
            self.starve_messages(key);
            return;
        }
        self.tell_messages(key);
    }

    /// A single receive has ended without a future to tell: into the heap, or into the buffer of
    /// somebody who is gone.
    pub(crate) fn message_late(&mut self, key: Key, res: i32, message: Option<Message>) {
        let Some(record) = self.records.get(key) else {
            return;
        };
        let fd = record.fd;
        let Kind::Datagrams(datagrams) = &mut record.kind else {
            return;
        };
        if let Some(message) = message {
            let nothing = datagrams.has_end && message.payload().is_empty();
            if nothing && self.ring.kernel().is_hung_up(fd) {
                datagrams.ended = true;
            } else {
                datagrams.queue.push_back(message);
            }
        } else if res < 0
            && res != -libc::ECANCELED
            && (!is_passing(-res) || datagrams.is_in_vain())
        {
            datagrams.failed = Some(-res);
        }
        if res >= 0 {
            datagrams.has_come();
        }
        self.tell_messages(key);
    }

    /// Something has come, or a receive has ended: wakes who waits, or goes on receiving for them.
    fn tell_messages(&mut self, key: Key) {
        let Some(datagrams) = self.records.datagrams(key) else {
            return;
        };
        let has_news = !datagrams.queue.is_empty() || datagrams.failed.is_some() || datagrams.ended;
        let (wanted, leaving) = (!datagrams.waiters.is_empty(), datagrams.leaving);
        let crowded = datagrams.arm == Arm::Armed && datagrams.queue.len() >= UNREAD_MAX;
        if (has_news || leaving) && wanted {
            self.wake_messages(key);
        } else if wanted {
            self.arm_messages(key);
        }
        if crowded {
            self.pause_messages(key);
        }
    }

    /// Cancels the multishot receive; messages that arrive before the cancel are kept.
    pub(crate) fn pause_messages(&mut self, key: Key) {
        let Some(datagrams) = self.records.datagrams(key) else {
            return;
        };
        if datagrams.arm == Arm::Armed {
            datagrams.arm = Arm::Cancelling;
            self.push_cancel(user_data(UserKind::Recv, key));
        } else if let Some(slot) = datagrams.heap.take() {
            self.push_cancel(user_data(UserKind::Op, slot));
        }
    }

    /// Whether the descriptor may leave: nothing receives on it. Cancels the receive if one is
    /// armed.
    pub(crate) fn poll_messages_at_rest(
        &mut self,
        key: Key,
        waiter: &mut Option<Key>,
        who: &mut Waiter,
    ) -> Poll<io::Result<()>> {
        let Some(datagrams) = self.records.datagrams(key) else {
            return Poll::Ready(Err(errors::handle_gone()));
        };
        datagrams.leaving = true;
        if matches!(datagrams.arm, Arm::Idle | Arm::Starved) {
            return Poll::Ready(Ok(()));
        }
        self.waiters.wait(&mut datagrams.waiters, waiter, who);
        self.pause_messages(key);
        Poll::Pending
    }
}

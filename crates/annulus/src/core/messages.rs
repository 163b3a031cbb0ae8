//! The memory that messages are received into: a second group of provided buffers.
//!
//! Owns: the group, made when the first socket receives messages by lease, and which sockets wait
//! for a buffer of it. Does not own: the queues (`datagrams.rs`).
//!
//! Streams share buffers that the kernel consumes bit by bit; a message that met the end of one
//! would be cut. So messages have whole buffers, each for the longest datagram there is. Untouched
//! pages of them cost nothing, and their length is no multiple of a page, so that the first lines
//! of all of them do not meet in one set of a cache.
//!
//! | the kernel has | messages come |
//! |---|---|
//! | multishot RECVMSG on a buffer ring (6.0) | into the group, one request for any number |
//! | no buffer ring, or EINVAL for the first multishot | one by one into the heap |
//! | no buffer left | one by one into the heap, until one is free |

use std::collections::VecDeque;
use std::sync::Arc;

use annulus_ring::Ring;
use annulus_ring::abi::Cqe;

use super::State;
use super::key::Key;
use super::metrics::Board;
use super::pool::{Pool, Shape};
use super::stream::{Arm, IN_VAIN_MAX};
use crate::buf::Lease;

/// Messages that may lie unread before the receive is cancelled; more wait in the socket.
pub(crate) const UNREAD_MAX: usize = 128;
/// Room for 64 KiB behind the largest layout.
pub(crate) const BUFFER_BYTES: u32 = 64 * 1024 + 1280;
/// The most buffers.
const COUNT_MAX: u16 = 256;
const BGID: u16 = 1;

/// Where messages are received.
pub(crate) struct Messages {
    pool: Option<Pool>,
    stage: Stage,
    /// Sockets that wait for a buffer.
    pub(crate) starved: VecDeque<Key>,
    count: u16,
    published: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Nobody has received a message yet.
    Untried,
    /// The group is there; whether the kernel takes a multishot RECVMSG is not known yet.
    Unproven,
    Proven,
    /// There is no group, or no request for it.
    Refused,
}

impl Messages {
    pub(crate) fn new(count: u16, published: u16) -> Self {
        let count = count.next_power_of_two().clamp(1, COUNT_MAX);
        let (pool, stage, starved) = (None, Stage::Untried, VecDeque::new());
        Self { pool, stage, starved, count, published }
    }

    /// The group, if messages can be received into one.
    pub(crate) fn pool(&mut self, ring: &mut Ring, board: &Arc<Board>) -> Option<&mut Pool> {
        if self.stage == Stage::Untried {
            self.pool = self.build(ring, board);
            self.stage = if self.pool.is_some() { Stage::Unproven } else { Stage::Refused };
        }
        self.pool.as_mut().filter(|_| self.stage != Stage::Refused)
    }

    fn build(&self, ring: &mut Ring, board: &Arc<Board>) -> Option<Pool> {
        if !ring.capabilities().buf_rings() {
            return None;
        }
        let shape = Shape {
            buffer_bytes: BUFFER_BYTES,
            count: self.count,
            published: self.published.min(self.count),
            incremental: false,
        };
        Pool::new(ring, board.clone(), shape, BGID).ok()
    }

    /// The group, if there is one.
    pub(crate) fn group(&mut self) -> Option<&mut Pool> {
        self.pool.as_mut()
    }

    pub(crate) fn look(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    pub(crate) fn take(&mut self) -> Option<Pool> {
        self.pool.take()
    }

    /// What a completion has brought.
    pub(crate) fn leased(&mut self, cqe: Cqe, board: &Board) -> Option<Lease> {
        let (bid, pool) = (cqe.buffer_id()?, self.pool.as_mut()?);
        if cqe.res < 0 {
            pool.discard(bid, false);
            return None;
        }
        board.leases.add(1);
        pool.lease(bid, cqe.res as u32, false)
    }

    /// The kernel has answered EINVAL. True if that may mean that it knows no such request.
    pub(crate) fn refuse_multishot(&mut self) -> bool {
        let unproven = self.stage == Stage::Unproven;
        if unproven {
            self.stage = Stage::Refused;
        }
        unproven || self.stage == Stage::Refused
    }

    pub(crate) fn prove_multishot(&mut self) {
        self.stage = Stage::Proven;
    }
}

impl State {
    /// No buffer is left for this socket: it is served in the next turn, as a stream is.
    pub(crate) fn starve_messages(&mut self, key: Key) {
        let Some(datagrams) = self.records.datagrams(key) else {
            return;
        };
        datagrams.arm = Arm::Starved;
        self.messages.starved.push_back(key);
        self.has_chores = true;
        self.note_starved();
        self.counters.starvations.add(1);
        if let Some(pool) = self.messages.group() {
            pool.grow();
        }
    }

    /// Buffers may have come back: arms as many starved sockets as there are buffers for; the
    /// others receive once into the heap, so that who keeps messages cannot stall them for ever.
    pub(crate) fn feed_starved_messages(&mut self) {
        if self.messages.starved.is_empty() {
            return;
        }
        let Some(pool) = self.messages.group() else { return };
        pool.replenish();
        let mut buffers = usize::from(pool.published());
        for _ in 0..self.messages.starved.len() {
            let Some(key) = self.messages.starved.pop_front() else {
                break;
            };
            let Some(datagrams) = self.records.datagrams(key) else {
                continue;
            };
            if datagrams.arm != Arm::Starved {
                continue;
            }
            datagrams.arm = Arm::Idle;
            if datagrams.waiters.is_empty() {
                continue;
            }
            // Buffers that never come to it may be there all the same.
            if buffers > 0 && datagrams.unfed <= IN_VAIN_MAX {
                buffers -= 1;
                self.arm_messages(key);
            } else {
                self.launch_heap_message_of(key);
            }
        }
        self.note_starved();
    }

    pub(crate) fn note_starved(&self) {
        self.counters.starved.set((self.starved.len() + self.messages.starved.len()) as u64);
    }
}

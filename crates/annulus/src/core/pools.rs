//! The groups of provided buffers of a core, and the streams that wait for a buffer of theirs.
//!
//! Owns: which groups there are, which stream receives from which, and what happens when one is
//! empty. Does not own: the buffers of a group (`pool`), when a receive is armed (`stream`).
//!
//! ```text
//!   ENOBUFS --> starved --the next turn--> armed again, as many as the group has buffers
//!                                    +---> one receive into the heap each, when it has none left,
//!                                          or after 17 ENOBUFS in a row, whatever it has
//! ```
//!
//! Invariants: a group starves alone: streams of others go on; a starved stream is served in the
//! order in which it starved, by its group or by the heap, so nobody who keeps leases can stall
//! others for ever.

use std::io;

use super::State;
use super::key::Key;
use super::pool::Pool;
use super::stream::{Arm, IN_VAIN_MAX};

/// The groups of a core.
#[derive(Default)]
pub(crate) struct Pools {
    /// Group 0: that of every stream that was not put on another.
    first: Option<Pool>,
    /// Those that were asked for besides; `None` for one that the system refused.
    others: Vec<Option<Pool>>,
}

impl Pools {
    pub(crate) fn new(first: Option<Pool>, others: Vec<Option<Pool>>) -> Self {
        Self { first, others }
    }

    /// The group of a stream; `None` where receives go through the heap.
    #[inline]
    pub(crate) fn get(&mut self, group: u8) -> Option<&mut Pool> {
        match group {
            0 => self.first.as_mut(),
            other => self.others.get_mut(usize::from(other) - 1)?.as_mut(),
        }
    }

    /// The group that a user's number means: one that was refused is replaced by the first.
    fn find(&self, number: usize) -> io::Result<u8> {
        if number > self.others.len() {
            return Err(no_such_pool(number, self.others.len()));
        }
        let is_there = number > 0 && self.others[number - 1].is_some();
        // There are at most `u8::MAX` others, which the builder sees to.
        Ok(if is_there { number as u8 } else { 0 })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pool> {
        self.first.iter().chain(self.others.iter().flatten())
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pool> {
        self.first.iter_mut().chain(self.others.iter_mut().flatten())
    }

    /// Gives the kernel buffers of every group up to its target.
    #[inline]
    pub(crate) fn replenish(&mut self) {
        if let Some(pool) = &mut self.first {
            pool.replenish();
        }
        for pool in self.others.iter_mut().flatten() {
            pool.replenish();
        }
    }
}

fn no_such_pool(number: usize, others: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "there is no receive pool {number}: this runtime has the default one, 0, and {others} of \
             Builder::receive_pool"
        ),
    )
}

impl State {
    /// Puts a stream on another group. What is armed is armed again there.
    pub(crate) fn set_group(&mut self, key: Key, number: usize) -> io::Result<()> {
        let group = self.pools.find(number)?;
        let Some(stream) = self.records.stream(key) else {
            return Err(super::errors::handle_gone());
        };
        let recv = &mut stream.recv;
        if recv.group != group {
            recv.group = group;
            // With its final completion it is armed from the new group, if somebody waits.
            if recv.arm == Arm::Armed {
                self.pause_recv(key);
            }
        }
        Ok(())
    }

    /// Puts the streams that a listener accepts from now on on another group.
    pub(crate) fn set_group_of_accepted(&mut self, key: Key, number: usize) -> io::Result<()> {
        let group = self.pools.find(number)?;
        let Some(listener) = self.records.listener(key) else {
            return Err(super::errors::handle_gone());
        };
        listener.group = group;
        Ok(())
    }

    /// No buffer is left for this stream: it is served in the next turn, from a buffer that has
    /// come back meanwhile, or through the heap.
    pub(crate) fn starve(&mut self, key: Key) {
        let Some(stream) = self.records.stream(key) else {
            return;
        };
        stream.recv.arm = Arm::Starved;
        self.starved.push_back(key);
        self.has_chores = true;
        self.note_starved();
        self.counters.starvations.add(1);
    }

    /// Buffers may have come back: re-arms as many starved streams as there are buffers for, and
    /// serves the others by a receive into the heap, so that no stream waits for a lease.
    pub(crate) fn feed_starved(&mut self) {
        self.feed_starved_messages();
        if self.starved.is_empty() {
            return;
        }
        for pool in self.pools.iter_mut() {
            pool.replenish();
            pool.ration();
        }
        for _ in 0..self.starved.len() {
            let Some(key) = self.starved.pop_front() else {
                break;
            };
            let Some(stream) = self.records.stream(key) else {
                continue;
            };
            let recv = &mut stream.recv;
            if recv.arm != Arm::Starved {
                continue;
            }
            recv.arm = Arm::Idle;
            let (group, wanted) = (recv.group, !recv.waiters.is_empty());
            // Buffers that never come to it may be there all the same.
            let in_vain = recv.unfed > IN_VAIN_MAX;
            if !wanted {
                continue;
            }
            if !in_vain && self.pools.get(group).is_some_and(Pool::take_ration) {
                self.arm_recv(key);
            } else {
                self.launch_heap_receive(key);
            }
        }
        self.note_starved();
    }
}

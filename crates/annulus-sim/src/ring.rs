//! One ring, from the kernel's side.
//!
//! Owns: its queues, its requests, its task work, its overflow list, its tables. Does not own: the
//! world around it.
//!
//! Invariants: while the overflow list is not empty everything goes there, so completions come in
//! order; the OVERFLOW flag is set exactly as long as it is not; with DEFER_TASKRUN task work runs
//! in enters with GETEVENTS alone, a limited part of it in each pass ([`Ring::work_of_pass`]), and
//! the TASKRUN flag (if asked for) says that there is some.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;

use annulus_abi::{Cqe, SetupFlags, SqFlags};

use crate::Profile;
use crate::files::Id;
use crate::group::Group;
use crate::memory::Queues;
use crate::request::Request;

/// Task work of a pass that is not behind a sleep, at most: `IO_LOCAL_TW_DEFAULT_MAX`.
const PASS: u32 = 20;

/// One ring.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) queues: Queues,
    pub(crate) profile: Profile,
    pub(crate) fd: RawFd,
    pub(crate) enabled: bool,
    pub(crate) requests: BTreeMap<Id, Request>,
    pub(crate) work: VecDeque<Id>,
    overflow: VecDeque<Cqe>,
    /// The fixed-file table.
    pub(crate) table: Option<Vec<Option<Id>>>,
    pub(crate) groups: BTreeMap<u16, Group>,
    /// Completions ever posted.
    pub(crate) posted: u64,
}

/// Where a completion went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Posted {
    Queue,
    Overflow,
}

impl Ring {
    pub(crate) fn new(queues: Queues, profile: Profile, fd: RawFd) -> Self {
        let enabled = !queues.params().flags.contains(SetupFlags::R_DISABLED);
        Self {
            queues,
            profile,
            fd,
            enabled,
            requests: BTreeMap::new(),
            work: VecDeque::new(),
            overflow: VecDeque::new(),
            table: None,
            groups: BTreeMap::new(),
            posted: 0,
        }
    }

    pub(crate) fn has(&self, flags: SetupFlags) -> bool {
        self.queues.params().flags.contains(flags)
    }

    /// Whether the next completion will find no room.
    pub(crate) fn is_full(&self) -> bool {
        !self.overflow.is_empty() || self.queues.cq_room() == 0
    }

    /// Posts a completion; to the list if the queue is full or shall count as full.
    pub(crate) fn post(&mut self, cqe: Cqe, as_if_full: bool) -> Posted {
        self.posted += 1;
        if !as_if_full && !self.is_full() {
            self.queues.post(cqe);
            return Posted::Queue;
        }
        self.overflow.push_back(cqe);
        self.queues.set_flags(SqFlags::CQ_OVERFLOW, true);
        Posted::Overflow
    }

    /// Moves what overflowed into the queue, in order, as far as there is room.
    pub(crate) fn flush(&mut self) {
        while self.queues.cq_room() > 0 {
            let Some(cqe) = self.overflow.pop_front() else { break };
            self.queues.post(cqe);
        }
        if self.overflow.is_empty() {
            self.queues.set_flags(SqFlags::CQ_OVERFLOW, false);
        }
    }

    /// Adds task work.
    pub(crate) fn add_work(&mut self, request: Id) {
        self.work.push_back(request);
        self.flag_work();
    }

    /// Tells the program whether there is task work, if it has asked for that.
    pub(crate) fn flag_work(&mut self) {
        if self.has(SetupFlags::TASKRUN_FLAG) {
            self.queues.set_flags(SqFlags::TASKRUN, !self.work.is_empty());
        }
    }

    /// How much task work one pass runs at most, for so many completions that are wanted: since
    /// 6.13 a wait that slept ends with no more than these, and what is left takes another call.
    pub(crate) fn work_of_pass(&self, want: u32, slept: bool) -> u32 {
        if !self.has(SetupFlags::DEFER_TASKRUN) || !self.profile.is_since(6, 13) {
            return u32::MAX;
        }
        if slept { want.max(1) } else { want.max(PASS) }
    }

    /// Whether task work runs as soon as there is some, interrupting the program.
    pub(crate) fn interrupts(&self) -> bool {
        !self.has(SetupFlags::DEFER_TASKRUN) && !self.has(SetupFlags::COOP_TASKRUN)
    }
}

//! A request in flight.
//!
//! Owns: what is remembered between an entry and its last completion. Does not own: its life, which
//! is in `life`.
//!
//! ```text
//!   entry --start--> scheduled / waiting <--> working --finish--> finished --complete--> (gone)
//!                         |                                          |
//!                         +------ cancel: -ECANCELED ----------------+ too late: it succeeds
//! ```

use std::collections::VecDeque;
use std::os::fd::RawFd;

use annulus_abi::{CqeFlags, SqeFlags};

use crate::files::Id;
use crate::hold::Hold;
use crate::memory::{Entry, MessageHeader};

/// A request in flight.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: Id,
    pub(crate) entry: Entry,
    pub(crate) phase: Phase,
    /// The open file it works on, held.
    pub(crate) file: Option<Id>,
    pub(crate) hold: Option<Hold>,
    /// Bytes moved so far, of a request that wants all of them.
    pub(crate) done: u32,
    /// Entries that were linked behind it.
    pub(crate) chain: VecDeque<Entry>,
    /// Its time, if it waits for one.
    pub(crate) deadline_ns: Option<u64>,
    /// The period of a repeated timeout, and how often it will still fire (0: without end).
    pub(crate) period: Option<(u64, u64)>,
    /// The count of completions that a timeout waits for.
    pub(crate) count_at: Option<u64>,
    /// The linked timeout of this request, or the request of this linked timeout.
    pub(crate) partner: Option<Id>,
    /// What submission found out: an error, a path, an address.
    pub(crate) prepared: Prepared,
}

/// Where a request is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Until something happens, which wakes it.
    Waiting,
    /// Until an event that is planned.
    Scheduled,
    /// In the list of task work.
    Working,
    /// Its effect is done, its completion is not posted.
    Finished(i32, CqeFlags),
}

/// What was read from the program's memory at submission, once and for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Prepared {
    Nothing,
    Failed(i32),
    Open { path: Vec<u8>, base: Vec<u8>, flags: i32, beneath: bool },
    Stat { path: Vec<u8>, base: Vec<u8> },
    Address(Vec<u8>),
    Message(MessageHeader),
}

/// What a request waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Wait {
    Readable(Id),
    Writable(Id),
    Accept(Id),
    Event(Id),
}

/// What a try came to.
#[derive(Debug)]
pub(crate) enum Tried {
    Done(i32, CqeFlags),
    Wait(Vec<Wait>),
}

impl Tried {
    pub(crate) const fn done(res: i32) -> Self {
        Self::Done(res, CqeFlags::EMPTY)
    }
}

impl Request {
    pub(crate) fn new(id: Id, entry: Entry, chain: VecDeque<Entry>) -> Self {
        Self {
            id,
            entry,
            phase: Phase::Working,
            file: None,
            hold: None,
            done: 0,
            chain,
            deadline_ns: None,
            period: None,
            count_at: None,
            partner: None,
            prepared: Prepared::Nothing,
        }
    }

    pub(crate) fn selects_buffer(&self) -> bool {
        self.entry.flags.contains(SqeFlags::BUFFER_SELECT)
    }

    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished(..))
    }
}

/// The descriptor field of an entry.
pub(crate) fn target(entry: &Entry) -> (RawFd, bool) {
    (entry.fd, entry.flags.contains(SqeFlags::FIXED_FILE))
}

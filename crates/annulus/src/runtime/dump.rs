//! What a core is about at one moment: its tasks, what they wait for, and what the kernel has.
//!
//! Owns: the values and their text. Does not own: how they are found (`core::dump`), nor how a core
//! is asked (`asking`).

use std::os::fd::RawFd;
use std::panic::Location;
use std::time::Duration;

use annulus_task::{CoreId, Name, TaskId, TaskState};

use super::Metrics;
use crate::io::Events;

mod text;

/// All tasks of a core with what each waits for, all requests, and all descriptors. From
/// [`dump`](super::dump()), [`CoreHandle::dump`](super::CoreHandle::dump) or
/// [`CoreHandle::dump_blocking`](super::CoreHandle::dump_blocking); its `Display` is for people.
///
/// # What it knows
/// It is found out when asked for, from what the core has anyway: nothing is noted while tasks run
/// but one number for each poll. A task's waits are the requests, queues, timers and joins that
/// would wake it. What wakes it by other ways (a channel, a lock, another thread, a waker inside a
/// combinator such as `FuturesUnordered`) the core does not know: then a waiting task
/// [waits for something unknown](WaitsFor::Unknown).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dump {
    /// Whose.
    pub core: CoreId,
    /// Rounds of polling that the core has begun.
    pub round: u64,
    /// The tasks, the future of `block_on` first.
    pub tasks: Vec<TaskDump>,
    /// What is in the op table: requests that the kernel has, those that wait behind another, and
    /// results that nobody has taken yet.
    pub requests: Vec<RequestDump>,
    /// The descriptors that the core owns.
    pub descriptors: Vec<DescriptorDump>,
    /// Counters and levels.
    pub metrics: Metrics,
}

/// A task.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskDump {
    /// The number that names it.
    pub id: TaskId,
    /// What it is called, if it was [spawned with a name](crate::task::spawn_named).
    pub name: Option<Name>,
    /// Where it was spawned; `None` for the future of `block_on`.
    pub spawned_at: Option<&'static Location<'static>>,
    /// What the type of its future is called; empty for the future of `block_on`.
    pub kind: &'static str,
    /// Whether it runs, will run, or waits.
    pub state: TaskState,
    /// It was asked to end.
    pub aborting: bool,
    /// What would wake it. A task that selects among several waits for all of them.
    pub waits: Vec<WaitsFor>,
    /// Since it was polled last; `None` if it never was.
    pub idle: Option<Since>,
}

/// For how long something has been so.
///
/// Nobody reads a clock for it. It is known exactly how many rounds of polling ago it was (modulo
/// 2^32: more than an hour at a million turns a second). When that was is known from the turns in
/// which the core read the clock anyway: those with a timer armed, all of them if a
/// [stall threshold](super::Builder::stall_threshold) is set, and those of earlier dumps. If there
/// are many of these, both bounds are within a factor of about three of each other; if there are
/// none, all that is known is that it was since the core's start.
///
/// It is real time, also where a test has [paused](crate::time::pause) the core's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Since {
    /// Rounds of polling.
    pub rounds: u32,
    /// It was at least so long ago.
    pub at_least: Duration,
    /// It was at most so long ago.
    pub at_most: Option<Duration>,
}

/// What would wake a task.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WaitsFor {
    /// A request of its own.
    #[non_exhaustive]
    Request {
        /// What is asked for, in the kernel's words: `READ`.
        op: &'static str,
        /// Of which descriptor.
        descriptor: Option<RawFd>,
        /// Where the request is.
        state: RequestState,
    },
    /// Data that arrive on a socket.
    #[non_exhaustive]
    Receive {
        /// Which.
        descriptor: RawFd,
    },
    /// A connection.
    #[non_exhaustive]
    Accept {
        /// On which listener.
        descriptor: RawFd,
    },
    /// Room in the send queue of a socket, or that it is empty.
    #[non_exhaustive]
    Room {
        /// Which.
        descriptor: RawFd,
    },
    /// That a watched descriptor becomes ready ([`Readiness`](crate::io::Readiness)).
    #[non_exhaustive]
    Readiness {
        /// Which.
        descriptor: RawFd,
        /// For what.
        events: Events,
    },
    /// A moment.
    #[non_exhaustive]
    Timer {
        /// How far it is on the core's clock, which may be [paused](crate::time::pause).
        left: Duration,
    },
    /// The end of another task.
    #[non_exhaustive]
    Join {
        /// Which.
        task: TaskId,
        /// What that one is called.
        name: Option<Name>,
    },
    /// That the core is asked to [stop](super::stopping()).
    Stop,
    /// Something that the core does not know: a channel, a lock, a thread, a future inside a
    /// combinator.
    Unknown,
}

/// Where a request is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum RequestState {
    /// It waits behind another one of its socket.
    Queued,
    /// The kernel has it.
    InFlight,
    /// The kernel has it, and its future is gone.
    Orphan,
    /// It has ended, and its future was not polled since.
    Done,
}

/// A slot of the op table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestDump {
    /// What is asked for, in the kernel's words.
    pub op: &'static str,
    /// Of which descriptor.
    pub descriptor: Option<RawFd>,
    /// Where it is.
    pub state: RequestState,
    /// The task that its end would wake, if that is known.
    pub task: Option<TaskId>,
    /// Since when its future is gone.
    pub orphaned: Option<Since>,
}

/// A descriptor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DescriptorDump {
    /// Its number.
    pub descriptor: RawFd,
    /// What it is.
    pub kind: DescriptorKind,
    /// Requests that the kernel has on it, or that wait in its send queue.
    pub in_flight: u32,
    /// Its handle is gone: it closes when nothing is in flight.
    pub closing: bool,
}

/// What a descriptor is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DescriptorKind {
    /// A file, or anything else that is no socket.
    File,
    /// A connected socket.
    #[non_exhaustive]
    Stream {
        /// Who is at the other end, if it has an internet address.
        peer: Option<std::net::SocketAddr>,
        /// What of the receive is with the kernel.
        receive: Armed,
        /// Leases that arrived and were not read.
        leases: usize,
        /// Bytes in them.
        unread_bytes: usize,
        /// Bytes that wait to be sent without anybody waiting for it.
        queued_bytes: usize,
    },
    /// A listening socket.
    #[non_exhaustive]
    Listener {
        /// Where it listens, if that is an internet address.
        local: Option<std::net::SocketAddr>,
        /// What of the accept is with the kernel.
        accept: Armed,
        /// Connections that were accepted and not taken.
        untaken: usize,
    },
    /// A socket that keeps messages apart.
    #[non_exhaustive]
    Datagrams {
        /// Its address, if that is an internet address.
        local: Option<std::net::SocketAddr>,
        /// What of the receive is with the kernel.
        receive: Armed,
        /// Messages that arrived and were not taken.
        unread: usize,
        /// Bytes in them.
        unread_bytes: usize,
    },
    /// A descriptor that is [watched](crate::io::Readiness).
    #[non_exhaustive]
    Watched {
        /// For what.
        events: Events,
        /// What of the poll is with the kernel.
        poll: Armed,
        /// What was reported and not taken.
        ready: Events,
    },
}

/// What of a multishot request is with the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Armed {
    /// Nothing.
    No,
    /// It is armed and serves whatever arrives.
    Yes,
    /// It is being cancelled.
    Cancelling,
    /// It waits for something of the system: a provided buffer, a free descriptor.
    Starved,
    /// A single request is in flight instead.
    Single,
}

impl Dump {
    /// The first task with this name.
    #[must_use]
    pub fn task_named(&self, name: &str) -> Option<&TaskDump> {
        self.tasks.iter().find(|task| task.name.as_deref() == Some(name))
    }

    /// The task with this number.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&TaskDump> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// Requests that the kernel has although their futures are gone.
    pub fn orphans(&self) -> impl Iterator<Item = &RequestDump> {
        self.requests.iter().filter(|request| request.state == RequestState::Orphan)
    }
}

impl TaskDump {
    /// Whether it is the future of `block_on`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.spawned_at.is_none()
    }
}

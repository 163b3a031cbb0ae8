//! A dump as text for people.

use std::fmt;
use std::time::Duration;

use annulus_task::TaskState;

use super::{
    Armed, DescriptorDump, DescriptorKind, Dump, RequestDump, RequestState, Since, TaskDump,
    WaitsFor,
};

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} in round {}: {} tasks, {} requests, {} descriptors",
            self.core,
            self.round,
            self.tasks.len(),
            self.requests.len(),
            self.descriptors.len()
        )?;
        for task in &self.tasks {
            write!(f, "\n  {task}")?;
        }
        for request in &self.requests {
            write!(f, "\n  {request}")?;
        }
        for descriptor in &self.descriptors {
            write!(f, "\n  {descriptor}")?;
        }
        for line in self.metrics.to_string().lines() {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

/// One line: who, in which state, since when, waiting for what, spawned where.
impl fmt::Display for TaskDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "task {name:?} {:?} ", self.id)?,
            None if self.is_root() => f.write_str("the future of block_on ")?,
            None => write!(f, "task {:?} ", self.id)?,
        }
        f.write_str(match self.state {
            TaskState::Ready => "is ready",
            TaskState::Running => "runs",
            TaskState::Waiting => "waits",
        })?;
        for (at, wait) in self.waits.iter().enumerate() {
            f.write_str(if at == 0 { " for " } else { ", " })?;
            wait.fmt(f)?;
        }
        match &self.idle {
            None => f.write_str("; it was never polled")?,
            Some(_) if self.state == TaskState::Running => {}
            Some(since) => write!(f, "; polled {since}")?,
        }
        if self.aborting {
            f.write_str("; it is to end")?;
        }
        if let Some(at) = self.spawned_at {
            write!(f, "; spawned at {}:{}, {}", at.file(), at.line(), self.kind)?;
        }
        Ok(())
    }
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { op, descriptor, state } => {
                f.write_str(op)?;
                if let Some(descriptor) = descriptor {
                    write!(f, " on descriptor {descriptor}")?;
                }
                match state {
                    RequestState::InFlight | RequestState::Orphan => Ok(()),
                    RequestState::Queued => f.write_str(" (queued)"),
                    RequestState::Done => f.write_str(" (done)"),
                }
            }
            Self::Receive { descriptor } => write!(f, "data on descriptor {descriptor}"),
            Self::Accept { descriptor } => write!(f, "a connection on descriptor {descriptor}"),
            Self::Room { descriptor } => write!(f, "room to send on descriptor {descriptor}"),
            Self::Readiness { descriptor, events } => {
                write!(f, "{events:?} on descriptor {descriptor}")
            }
            Self::Timer { left } => write!(f, "a timer in {left:.1?}"),
            Self::Join { task, name: Some(name) } => write!(f, "the end of {name:?} {task:?}"),
            Self::Join { task, name: None } => write!(f, "the end of {task:?}"),
            Self::Stop => f.write_str("the core's stop"),
            Self::Unknown => f.write_str("a channel, a lock, or another future"),
        }
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rounds ago", self.rounds)?;
        match (self.at_least, self.at_most) {
            (Duration::ZERO, None) => Ok(()),
            (Duration::ZERO, Some(most)) => write!(f, " (within {most:.1?})"),
            (least, Some(most)) => write!(f, " ({least:.1?} to {most:.1?})"),
            (least, None) => write!(f, " (at least {least:.1?})"),
        }
    }
}

impl fmt::Display for RequestDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {}", self.op)?;
        if let Some(descriptor) = self.descriptor {
            write!(f, " on descriptor {descriptor}")?;
        }
        f.write_str(match self.state {
            RequestState::Queued => " is queued",
            RequestState::InFlight => " is in flight",
            RequestState::Orphan => " is an orphan",
            RequestState::Done => " is done",
        })?;
        if let Some(task) = self.task {
            write!(f, ", of {task:?}")?;
        }
        if let Some(since) = &self.orphaned {
            write!(f, ", left {since}")?;
        }
        Ok(())
    }
}

impl fmt::Display for DescriptorDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "descriptor {}: {}", self.descriptor, self.kind)?;
        write!(f, "; {} in flight", self.in_flight)?;
        if self.closing {
            f.write_str("; closing")?;
        }
        Ok(())
    }
}

impl fmt::Display for DescriptorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("no socket"),
            Self::Stream { peer, receive, leases, unread_bytes, queued_bytes } => {
                f.write_str("a connection")?;
                if let Some(peer) = peer {
                    write!(f, " with {peer}")?;
                }
                write!(f, ", receive {receive}, {unread_bytes} bytes unread in {leases} leases")?;
                write!(f, ", {queued_bytes} bytes to send")
            }
            Self::Listener { local, accept, untaken } => {
                f.write_str("a listener")?;
                if let Some(local) = local {
                    write!(f, " at {local}")?;
                }
                write!(f, ", accept {accept}, {untaken} connections untaken")
            }
            Self::Datagrams { local, receive, unread, unread_bytes } => {
                f.write_str("datagrams")?;
                if let Some(local) = local {
                    write!(f, " at {local}")?;
                }
                write!(f, ", receive {receive}, {unread_bytes} bytes unread in {unread} messages")
            }
            Self::Watched { events, poll, ready } => {
                write!(f, "watched for {events:?}, poll {poll}, ready for {ready:?}")
            }
        }
    }
}

impl fmt::Display for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::No => "not armed",
            Self::Yes => "armed",
            Self::Cancelling => "being cancelled",
            Self::Starved => "starved",
            Self::Single => "single",
        })
    }
}

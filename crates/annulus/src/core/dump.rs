//! Looking at everything that a core has: who waits for what.
//!
//! Owns: the walk over tasks, slots, records, waiters and sleeps, in which each waker's task says
//! whose wait it is. Does not own: any of these, nor the values that come out.
//!
//! Invariants: nothing is kept up for this while tasks run, and nothing is changed by it but the
//! samples of the clock. How long something has been so is time of the kernel's clock, which the
//! samples are of; how long a sleep has left is time of the core's own, which a test may have moved
//! (`clock`). It visits all there is, so it takes time in proportion.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::time::Duration;

use annulus_ring::Kernel as _;
use annulus_ring::abi::Opcode;
use annulus_task::{TaskId, TaskState, TaskView};

use super::key::Key;
use super::record::Kind;
use super::stream::Arm;
use super::table::Phase;
use super::waiters::Queue;
use super::{Core, State};
use crate::io::Events;
use crate::runtime::{
    Armed, DescriptorDump, DescriptorKind, Dump, RequestDump, RequestState, Since, TaskDump,
    WaitsFor,
};

/// The waits that were found, by the task that they would wake.
#[derive(Default)]
struct Found(HashMap<TaskId, Vec<WaitsFor>>);

impl Found {
    fn add(&mut self, task: TaskId, wait: WaitsFor) {
        self.0.entry(task).or_default().push(wait);
    }
}

impl Core {
    /// All that the core has, now.
    pub(crate) fn dump(&self) -> Dump {
        let root = self.executor.root_task();
        let mut tasks = Vec::new();
        self.executor.look_at_tasks(|task| tasks.push(task));
        let mut state = self.state.borrow_mut();
        let (round, now_ns) = state.sample();
        let mut found = Found::default();
        for task in &tasks {
            if let Some(joiner) = task.joined_by {
                found.add(joiner, WaitsFor::Join { task: task.id, name: task.name.clone() });
            }
        }
        let requests = state.look_at_requests(&mut found, now_ns);
        let descriptors = state.look_at_descriptors(&mut found);
        state.look_at_sleeps(&mut found);
        let mut dumped = Vec::with_capacity(tasks.len() + 1);
        dumped.extend(self.look_at_root(&state, root, now_ns));
        dumped.extend(tasks.into_iter().map(|task| {
            let idle = task.rounds_since_poll.map(|rounds| state.since(rounds, now_ns));
            from_view(task, idle)
        }));
        for task in &mut dumped {
            task.waits = found.0.remove(&task.id).unwrap_or_default();
            if task.waits.is_empty() && task.state == TaskState::Waiting {
                task.waits.push(WaitsFor::Unknown);
            }
        }
        drop(state);
        let (core, metrics) = (self.id(), self.metrics());
        Dump { core, round, tasks: dumped, requests, descriptors, metrics }
    }

    /// The future of `block_on`, if there is one.
    fn look_at_root(&self, state: &State, root: TaskId, now_ns: u64) -> Option<TaskDump> {
        let life = &state.counters.life;
        if life.driven.read() == 0 {
            return None;
        }
        let polled = life.root_round.read();
        let state_of_root = if life.in_root.read() != 0 {
            TaskState::Running
        } else if self.executor.has_root_wake() {
            TaskState::Ready
        } else {
            TaskState::Waiting
        };
        let rounds = state.counters.tally.rounds().saturating_sub(polled) as u32;
        Some(TaskDump {
            id: root,
            name: None,
            spawned_at: None,
            kind: "",
            state: state_of_root,
            aborting: false,
            waits: Vec::new(),
            idle: Some(state.since(rounds, now_ns)),
        })
    }
}

fn from_view(task: TaskView, idle: Option<Since>) -> TaskDump {
    TaskDump {
        id: task.id,
        name: task.name,
        spawned_at: Some(task.spawned_at),
        kind: task.kind,
        state: task.state,
        aborting: task.aborting,
        waits: Vec::new(),
        idle,
    }
}

impl State {
    /// Reads the kernel's clock and keeps the moment of this round.
    #[inline]
    pub(crate) fn sample(&mut self) -> (u64, u64) {
        let (round, now_ns) = (self.counters.tally.rounds(), self.ring.kernel().now());
        self.samples.note(round, now_ns);
        (round, now_ns)
    }

    /// The number of this round, as orphans keep it.
    pub(crate) fn round(&self) -> u32 {
        self.counters.tally.rounds() as u32
    }

    fn since(&self, rounds: u32, now_ns: u64) -> Since {
        let round = self.counters.tally.rounds().saturating_sub(u64::from(rounds));
        let (least, most) = self.samples.age_ns(round, now_ns);
        let at_most = most.map(Duration::from_nanos);
        Since { rounds, at_least: Duration::from_nanos(least), at_most }
    }

    fn look_at_requests(&mut self, found: &mut Found, now_ns: u64) -> Vec<RequestDump> {
        let mut requests = Vec::new();
        for key in self.table.live() {
            let slot = self.table.at(key.index);
            let state = match slot.phase() {
                Phase::Free => continue,
                Phase::Queued => RequestState::Queued,
                Phase::Flight | Phase::Cancelling => RequestState::InFlight,
                Phase::Orphan => RequestState::Orphan,
                Phase::Done => RequestState::Done,
            };
            let op = slot.vtable.map_or("?", |vtable| op_name(vtable.opcode, (vtable.kind)()));
            // SAFETY: who waits was noted by this core's executor, whose queue this is; a core is
            // looked at while that lives.
            let task = unsafe { self.run_queue.task_of(&slot.waiter) };
            let record = slot.record_key();
            let left = slot.left;
            let descriptor = record.and_then(|key| self.records.get(key)).map(|record| record.fd);
            if let Some(task) = task {
                found.add(task, WaitsFor::Request { op, descriptor, state });
            }
            let orphaned = (state == RequestState::Orphan)
                .then(|| self.since(self.round().wrapping_sub(left), now_ns));
            requests.push(RequestDump { op, descriptor, state, task, orphaned });
        }
        requests
    }

    fn look_at_descriptors(&mut self, found: &mut Found) -> Vec<DescriptorDump> {
        for task in self.waiters.tasks(self.stop.queue(), &self.run_queue) {
            found.add(task, WaitsFor::Stop);
        }
        let keys = self.records.live();
        keys.into_iter().filter_map(|key| self.look_at_descriptor(found, key)).collect()
    }

    fn look_at_descriptor(&mut self, found: &mut Found, key: Key) -> Option<DescriptorDump> {
        let record = self.records.get(key)?;
        let (descriptor, in_flight, closing) = (record.fd, record.in_flight, record.closing);
        let mut queues: Vec<(Queue, WaitsFor)> = Vec::new();
        let kind = match &record.kind {
            Kind::Free { .. } => return None,
            Kind::Plain | Kind::Pipe => DescriptorKind::File,
            Kind::Watch(watch) => {
                let (events, ready, waiters) = watch.look();
                let (events, ready) = (Events::from_bits(events), Events::from_bits(ready));
                queues.push((waiters, WaitsFor::Readiness { descriptor, events }));
                let poll = match (watch.is_armed(), closing) {
                    (false, _) => Armed::No,
                    (true, false) => Armed::Yes,
                    (true, true) => Armed::Cancelling,
                };
                DescriptorKind::Watched { events, poll, ready }
            }
            Kind::Stream(stream) => {
                queues.push((stream.recv.waiters, WaitsFor::Receive { descriptor }));
                queues.push((stream.send.room, WaitsFor::Room { descriptor }));
                let queue = &stream.recv.queue;
                DescriptorKind::Stream {
                    peer: None,
                    receive: armed(stream.recv.arm),
                    leases: queue.len(),
                    unread_bytes: queue.iter().map(|lease| lease.len()).sum(),
                    queued_bytes: stream.send.queued_bytes,
                }
            }
            Kind::Datagrams(datagrams) => {
                queues.push((datagrams.waiters, WaitsFor::Receive { descriptor }));
                let (unread, unread_bytes) = datagrams.unread();
                let receive = armed(datagrams.arm);
                DescriptorKind::Datagrams { local: None, receive, unread, unread_bytes }
            }
            Kind::Listener(listener) => {
                queues.push((listener.waiters, WaitsFor::Accept { descriptor }));
                let (accept, untaken) = listener.look();
                DescriptorKind::Listener { local: None, accept, untaken }
            }
        };
        for (queue, wait) in queues {
            for task in self.waiters.tasks(queue, &self.run_queue) {
                found.add(task, wait.clone());
            }
        }
        let kind = self.with_address(descriptor, kind);
        Some(DescriptorDump { descriptor, kind, in_flight, closing })
    }

    /// Asks the kernel for the address of a socket.
    fn with_address(&mut self, fd: RawFd, mut kind: DescriptorKind) -> DescriptorKind {
        let kernel = self.ring.kernel();
        match &mut kind {
            DescriptorKind::File | DescriptorKind::Watched { .. } => {}
            DescriptorKind::Stream { peer, .. } => {
                *peer = kernel.peer_address(fd).ok().and_then(|address| address.ip());
            }
            DescriptorKind::Listener { local, .. } | DescriptorKind::Datagrams { local, .. } => {
                *local = kernel.local_address(fd).ok().and_then(|address| address.ip());
            }
        }
        kind
    }

    fn look_at_sleeps(&mut self, found: &mut Found) {
        let now_ns = self.now_ns();
        for (deadline_ns, task) in self.sleepers(&self.run_queue) {
            let left = Duration::from_nanos(deadline_ns.saturating_sub(now_ns));
            found.add(task, WaitsFor::Timer { left });
        }
    }
}

fn armed(arm: Arm) -> Armed {
    match arm {
        Arm::Idle => Armed::No,
        Arm::Armed => Armed::Yes,
        Arm::Cancelling => Armed::Cancelling,
        Arm::Starved => Armed::Starved,
        Arm::Single => Armed::Single,
    }
}

/// The kernel's word for an operation, or the last part of its type's name.
fn op_name(opcode: Option<Opcode>, kind: &'static str) -> &'static str {
    opcode.map_or_else(
        || {
            let path = kind.split('<').next().unwrap_or(kind);
            path.rsplit("::").next().unwrap_or(path)
        },
        Opcode::name,
    )
}

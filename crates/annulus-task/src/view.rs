//! Tasks as people see them: a value for each, taken at one moment.
//!
//! Owns the value, and how it is read off a task. Nothing is kept up for it while tasks run, but a
//! number in the cell, stored once a poll, and the place of the spawn.

use std::panic::Location;

use crate::cell::{ABORT, BUSY, CellRef};
use crate::id::TaskId;
use crate::local::Local;
use crate::name::Name;

/// Where a task is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TaskState {
    /// It will be polled in one of the next rounds.
    Ready,
    /// It is being polled, or dropped.
    Running,
    /// It waits for a wake.
    Waiting,
}

/// One task, as [`Executor::look_at_tasks`](crate::Executor::look_at_tasks) shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskView {
    /// The number that names the task.
    pub id: TaskId,
    /// What it is called, if it was spawned with a name.
    pub name: Option<Name>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// What the type of its future is called.
    pub kind: &'static str,
    /// Where it is in its life.
    pub state: TaskState,
    /// It was asked to end, and will at the end of its poll, or instead of the next one.
    pub aborting: bool,
    /// The task that waits to join this one.
    pub joined_by: Option<TaskId>,
    /// Something waits to join this one, if only a future that is no task of this crate.
    pub is_joined: bool,
    /// For how many rounds ([`Tally::rounds`](crate::Tally::rounds)) it was not polled; `None` if
    /// it never was. Counted modulo 2^32.
    pub rounds_since_poll: Option<u32>,
}

impl Local {
    pub(crate) fn look_at_tasks(&self, mut look: impl FnMut(TaskView)) {
        if !self.is_open() {
            return;
        }
        let (mut yielded, round) = (self.deferred_tasks(), self.tally.rounds() as u32);
        yielded.sort_unstable();
        for index in self.places() {
            let own = self.own(index);
            let Some(cell) = own.cell() else { continue };
            // SAFETY: a header has a cell exactly while the task is alive.
            let cell = unsafe { CellRef::new(cell) };
            let head = cell.head();
            let state = if self.polling.get() == Some(own) || head.has(BUSY) {
                TaskState::Running
            } else if own.is_queued() || yielded.binary_search(&head.id).is_ok() {
                TaskState::Ready
            } else {
                TaskState::Waiting
            };
            let polled = head.round.get();
            look(TaskView {
                id: head.id,
                name: cell.name(),
                spawned_at: cell.at().0,
                kind: (head.vtable.kind)(),
                state,
                aborting: head.has(ABORT),
                joined_by: head.waiting_task(),
                is_joined: head.has_waiter(),
                rounds_since_poll: (polled != 0).then(|| round.wrapping_sub(polled)),
            });
        }
    }
}

//! How tasks end before their time, and how a core does.
//!
//! Owns: the order in which futures are dropped, headers are freed and the slot is given back.
//! Invariant: a header is freed by the frame that ended its task, and the slot is given back when
//! no such frame is left.

use super::{DEFER, Local};
use crate::cell::{BUSY, CellRef, contain, forget};
use crate::executor::OnPanic;
use crate::id::TaskId;
use crate::pages::Own;
use crate::registry;

impl Local {
    /// The task is done: its header is free, its names are stale, and who joins it is woken.
    #[inline(always)]
    pub(super) fn finish(&self, own: Own, cell: CellRef) {
        own.set_cell(None);
        own.retire();
        self.tally.add_ended();
        if !own.is_queued() {
            self.release(own);
        }
        cell.finish(|task| {
            if task == self.root_id {
                self.root_woken.set(true);
            } else {
                self.wake_any(task);
            }
        });
    }

    /// Drops the futures of all tasks but those that a frame further up the stack is using; those
    /// are marked, and dropped by that frame.
    pub(crate) fn cancel_all(&self) {
        let outer = self.tally.current();
        for index in self.places() {
            self.cancel(self.own(index));
        }
        self.tally.set_current(outer);
        self.ready.append(&self.yielded);
        while let Some(own) = self.ready.pop() {
            if own.index() == DEFER {
                for unwoken in self.deferred.take() {
                    forget(contain(self.policy == OnPanic::Abort, || drop(unwoken)));
                }
            } else if own.cell().is_none() {
                self.release(own);
            }
        }
    }

    fn cancel(&self, own: Own) {
        let Some(cell) = own.cell() else { return };
        // SAFETY: a header has a cell exactly while the task is alive.
        let cell = unsafe { CellRef::new(cell) };
        if self.polling.get() == Some(own) || cell.head().has(BUSY) {
            cell.head().abort();
            return;
        }
        self.tally.set_current(Some(cell.head().id));
        cell.cancel();
        self.finish(own, cell);
    }

    /// Asks for a task to be dropped instead of polled.
    pub(crate) fn abort(&self, task: TaskId) {
        let Some(own) = self.alive(task) else { return };
        let Some(cell) = own.cell() else { return };
        // SAFETY: a header has a cell exactly while the task is alive.
        unsafe { CellRef::new(cell) }.head().abort();
        self.ready_or_root(own);
    }

    /// Drops the futures of these tasks before it returns, except of those that a frame further up
    /// the stack is using. A call from a destructor that such a call has come to is left to that
    /// one, so a chain of tasks that end each other is a loop, not a recursion.
    pub(crate) fn end_tasks(&self, tasks: impl Iterator<Item = TaskId>) {
        let mut doomed = self.doomed.take();
        doomed.extend(tasks);
        self.doomed.set(doomed);
        if self.ending.replace(true) {
            return;
        }
        let outer = (self.running.replace(true), self.tally.current());
        while let Some(task) = self.next_doomed() {
            if let Some(own) = self.alive(task) {
                self.cancel(own);
            }
        }
        self.ending.set(false);
        self.running.set(outer.0);
        self.tally.set_current(outer.1);
        if self.ends_late.take() {
            // What was woken since the executor shut down is in the queue again.
            self.cancel_all();
            self.give_back();
        }
    }

    fn next_doomed(&self) -> Option<TaskId> {
        let mut doomed = self.doomed.take();
        let next = doomed.pop();
        self.doomed.set(doomed);
        next
    }

    /// The executor has shut down and is gone.
    pub(crate) fn end(&self) {
        self.set_bell(None);
        if self.ending.get() {
            self.ends_late.set(true);
        } else {
            self.give_back();
        }
    }

    /// Gives the slot back. All tasks are gone and the posts are closed.
    fn give_back(&self) {
        debug_assert_eq!(self.live(), 0, "a core ended with live tasks");
        debug_assert!(!self.has_ready(), "a core ended with a run queue");
        self.receive();
        self.root.rename();
        self.own(DEFER).rename();
        self.number.set(u32::MAX);
        if self.is_inherited() {
            registry::leave(self.core);
        } else {
            registry::release(self.core);
        }
    }
}

//! Aborting by name, from any thread.
//!
//! Owns nothing but the number of a task: the handle neither keeps the task alive nor its result.
//! On the task's own core an abort is a flag and a push to the run queue; elsewhere it is a job
//! that is posted to the core.

use crate::current::abort_if_current;
use crate::id::TaskId;
use crate::registry;

/// Aborts one task, from any thread, at any time.
///
/// Made by [`JoinHandle::abort_handle`](crate::JoinHandle::abort_handle) and
/// [`JoinSet::spawn`](crate::JoinSet::spawn). It is a number: copies are free, and one that
/// outlived its task does nothing.
///
/// ```
/// use annulus_task::{Executor, OnPanic};
///
/// let executor = Executor::new(OnPanic::Contain)?;
/// let task = executor.spawn(std::future::pending::<()>());
/// let abort = task.abort_handle();
/// std::thread::spawn(move || abort.abort()).join().expect("it does not panic");
/// executor.drain_inbox();
/// executor.run(1);
/// assert!(task.is_finished() && abort.is_finished());
/// # Ok::<(), annulus_task::RegistryFull>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AbortHandle {
    id: TaskId,
}

impl AbortHandle {
    pub(crate) fn new(id: TaskId) -> Self {
        Self { id }
    }

    /// The number that names the task.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Asks for the task to be dropped instead of polled, as
    /// [`JoinHandle::abort`](crate::JoinHandle::abort) does. From elsewhere than the task's own
    /// core, the core receives it in its next turn, and it costs one allocation.
    pub fn abort(&self) {
        let id = self.id;
        if !abort_if_current(id) && !self.is_finished() {
            registry::post_to_slot(id.slot(), move || {
                abort_if_current(id);
            });
        }
    }

    /// Whether the task is done. On other threads this says nothing about what else they see of
    /// it: join the task for that.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let header = registry::slot(self.id.slot()).pages.find(self.id.index());
        header.is_none_or(|header| header.remote().generation() != self.id.generation())
    }
}

//! The executor: what a runtime drives, turn by turn.
//!
//! Owns the public face of one core: spawn, run, the inbox, the sleep handshake, shutdown. Does not
//! own any I/O, nor the loop: a runtime calls [`Executor::drain_inbox`], [`Executor::run`] and
//! [`Executor::sleep`] in its turn, and blocks in whatever way it likes.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::cell::{contain, forget};
use crate::current;
use crate::handshake::{Bell, Handshake};
use crate::id::{CoreId, TaskId};
use crate::join::JoinHandle;
use crate::local::{Local, Unwatched, Watched};
use crate::name::Name;
use crate::registry::{self, RegistryFull};
use crate::tally::{At, Tally};
use crate::view::TaskView;
use crate::waker;

/// What a panic in a task does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPanic {
    /// It ends that task only; who joins the task gets the payload.
    #[default]
    Contain,
    /// It ends the process, after the panic hook has run.
    Abort,
}

/// The tasks of one core, on one thread: neither `Send` nor `Sync`.
///
/// Dropping it shuts it down: every task's future is dropped first.
pub struct Executor {
    local: Rc<Local>,
}

impl Executor {
    /// Claims a slot of the process-wide registry.
    ///
    /// # Errors
    /// [`RegistryFull`] if 1024 executors live in this process.
    pub fn new(panic: OnPanic) -> Result<Self, RegistryFull> {
        let core = registry::claim()?;
        Ok(Self { local: Rc::new(Local::new(core, panic)) })
    }

    #[inline]
    pub(crate) fn local(&self) -> &Local {
        &self.local
    }

    /// The name of this core, unique for the life of the process.
    #[must_use]
    pub fn id(&self) -> CoreId {
        self.local.core
    }

    /// Makes this core the current one of the thread until the guard is dropped; then the core that
    /// was current before is current again. Wakes of its tasks take the short way meanwhile.
    pub fn enter(&self) -> Entered<'_> {
        let previous = current::swap(Some(Rc::clone(&self.local)));
        Entered { previous, executor: PhantomData }
    }

    /// Tasks yield to the core that is entered, and have its budget: it has to be theirs.
    #[inline]
    fn enter_if_needed(&self) -> Option<Entered<'_>> {
        (!current::is(&self.local)).then(|| self.enter())
    }

    /// Spawns a task, which is polled first in the next [`run`](Self::run). One allocation holds
    /// the future, its output and the state of the join.
    ///
    /// On an executor that has shut down, the future is dropped and the handle says `Aborted`.
    ///
    /// # Errors
    /// Awaiting the handle gives [`JoinError`](crate::JoinError), if the task panicked or was
    /// aborted.
    ///
    /// # Cancel safety
    /// Dropping the handle detaches the task, which runs on.
    ///
    /// # Panics
    /// With 2^26 live tasks.
    ///
    /// ```
    /// use annulus_task::{Executor, OnPanic};
    ///
    /// let executor = Executor::new(OnPanic::Contain)?;
    /// let task = executor.spawn(async { 6 * 7 });
    /// executor.run(1);
    /// assert!(task.is_finished());
    /// # Ok::<(), annulus_task::RegistryFull>(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        self.local.spawn(At::caller(), future)
    }

    /// As [`spawn`](Self::spawn), for wrappers that know on whose behalf they spawn: `at` is what
    /// [`TaskView::spawned_at`] says.
    ///
    /// # Errors
    /// Awaiting the handle gives [`JoinError`](crate::JoinError), if the task panicked or was
    /// aborted.
    ///
    /// # Cancel safety
    /// Dropping the handle detaches the task, which runs on.
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn).
    ///
    /// ```
    /// use annulus_task::{Executor, OnPanic};
    ///
    /// let executor = Executor::new(OnPanic::Contain)?;
    /// let task = executor.spawn_at(std::panic::Location::caller(), async { 6 * 7 });
    /// executor.run(1);
    /// assert!(task.is_finished());
    /// # Ok::<(), annulus_task::RegistryFull>(())
    /// ```
    pub fn spawn_at<F>(&self, at: &'static Location<'static>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        self.local.spawn(At(at), future)
    }

    /// As [`spawn`](Self::spawn), with a name that [`JoinHandle::name`], its `Debug`,
    /// [`current_name`](crate::current_name) and [`run_watched`](Self::run_watched) give. The name
    /// lies in the task's own allocation.
    ///
    /// # Errors
    /// Awaiting the handle gives [`JoinError`](crate::JoinError), if the task panicked or was
    /// aborted.
    ///
    /// # Cancel safety
    /// Dropping the handle detaches the task, which runs on.
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn).
    ///
    /// ```
    /// use annulus_task::{Executor, OnPanic};
    ///
    /// let executor = Executor::new(OnPanic::Contain)?;
    /// let task = executor.spawn_named("answer", async { 6 * 7 });
    /// assert_eq!(task.name().as_deref(), Some("answer"));
    /// executor.run(1);
    /// assert!(task.is_finished());
    /// # Ok::<(), annulus_task::RegistryFull>(())
    /// ```
    #[track_caller]
    pub fn spawn_named<F>(&self, name: impl Into<Name>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        self.spawn_named_at(Location::caller(), name, future)
    }

    /// As [`spawn_at`](Self::spawn_at), with a name.
    ///
    /// # Errors
    /// Awaiting the handle gives [`JoinError`](crate::JoinError), if the task panicked or was
    /// aborted.
    ///
    /// # Cancel safety
    /// Dropping the handle detaches the task, which runs on.
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn).
    ///
    /// ```
    /// use annulus_task::{Executor, OnPanic};
    ///
    /// let executor = Executor::new(OnPanic::Contain)?;
    /// let here = std::panic::Location::caller();
    /// let task = executor.spawn_named_at(here, "answer", async { 6 * 7 });
    /// executor.run(1);
    /// assert!(task.is_finished());
    /// # Ok::<(), annulus_task::RegistryFull>(())
    /// ```
    pub fn spawn_named_at<F>(
        &self,
        at: &'static Location<'static>,
        name: impl Into<Name>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        self.local.spawn((At(at), name.into()), future)
    }

    /// Polls ready tasks, also those that are woken or spawned meanwhile, until none is left or
    /// `budget` polls were made. This core is [entered](Self::enter) meanwhile. A task that yields
    /// or wakes itself is polled again in the next run only, so that the caller can look after
    /// other things. Returns how many polls were made.
    ///
    /// Panics of tasks do not get here; see [`OnPanic`].
    ///
    /// # Panics
    /// If called from inside a task of this executor.
    #[inline(always)]
    pub fn run(&self, budget: u32) -> u32 {
        let running = Running::new(&self.local);
        assert!(!running.nested, "an executor was run from inside one of its own tasks");
        let _entered = self.enter_if_needed();
        self.local.run(budget, &mut Unwatched)
    }

    /// As [`run`](Self::run), and calls `watch` after each poll with the task that was polled, and
    /// what it is called. Nothing is borrowed meanwhile; what `watch` throws is contained.
    ///
    /// # Panics
    /// If called from inside a task of this executor.
    pub fn run_watched(&self, budget: u32, watch: impl FnMut(TaskId, Option<Name>)) -> u32 {
        let running = Running::new(&self.local);
        assert!(!running.nested, "an executor was run from inside one of its own tasks");
        let _entered = self.enter_if_needed();
        self.local.run(budget, &mut Watched { watch, tally: &self.local.tally, name: None })
    }

    /// Whether [`run`](Self::run) has something to do.
    #[must_use]
    #[inline]
    pub fn has_ready(&self) -> bool {
        self.local.has_ready()
    }

    /// As [`has_ready`](Self::has_ready), or the root was woken.
    #[must_use]
    #[inline]
    pub fn has_work(&self) -> bool {
        self.local.has_work()
    }

    /// Whether nothing is ready and nothing was sent from other threads: the core may sleep.
    #[must_use]
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.local.is_idle()
    }

    /// Wakes a task; a name of a task that has ended is ignored. For tasks of this core no locked
    /// instruction is executed, whether or not the core is entered.
    #[inline]
    pub fn wake(&self, task: TaskId) {
        self.local.wake_any(task);
    }

    /// The queue of ready tasks, for code that wakes many of them.
    #[must_use]
    pub fn run_queue(&self) -> RunQueue {
        RunQueue { local: Rc::clone(&self.local) }
    }

    /// A waker for a future that is not a task, the one that `block_on` polls itself.
    #[must_use]
    pub fn root_waker(&self) -> Waker {
        (*waker::of(self.local.root())).clone()
    }

    /// Polls such a future, with the waker that [`root_waker`](Self::root_waker) gives.
    ///
    /// # Panics
    /// If called from inside a task of this executor.
    pub fn poll_root<F: Future>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        // Which task is being polled would be forgotten, and its future could be dropped meanwhile.
        assert!(!self.local.running.get(), "a root was polled from inside a task of its executor");
        let waker = waker::of(self.local.root());
        let _polled = self.local.begin_root(&waker);
        future.poll(&mut Context::from_waker(&waker))
    }

    /// Whether [`root_waker`](Self::root_waker) was woken since the last call. Wakes from other
    /// threads count once the inbox is drained.
    #[must_use]
    #[inline]
    pub fn take_root_wake(&self) -> bool {
        self.local.take_root_wake()
    }

    /// What the next [`take_root_wake`](Self::take_root_wake) will say.
    #[must_use]
    pub fn has_root_wake(&self) -> bool {
        self.local.has_root_wake()
    }

    /// Receives what other threads sent: wakes go to the run queue, posted jobs run here, outside
    /// any task and any internal borrow, with this core entered. True if there was anything.
    ///
    /// A job that panics ends like a task that does, but nobody is told of the payload.
    #[inline]
    pub fn drain_inbox(&self) -> bool {
        self.local.was_sent() && self.drain_inbox_now()
    }

    #[cold]
    fn drain_inbox_now(&self) -> bool {
        let local = &*self.local;
        let mut any = local.receive();
        if local.slot.door.posts.is_empty() {
            return any;
        }
        let fatal = local.policy == OnPanic::Abort;
        let _entered = self.enter();
        for job in local.slot.door.posts.take() {
            any = true;
            let ours = job.epoch() == local.core.epoch();
            local.tally.begin_post();
            forget(contain(fatal, || if ours { job.run() } else { drop(job) }));
            local.tally.end_post();
        }
        any
    }

    /// Calls `block` between both halves of the sleep handshake.
    ///
    /// `block` is told whether it may block. If so, nothing was ready or sent, and whoever wakes a
    /// task of this core or posts a job from now on rings the [bell](Self::set_bell). If not, it
    /// should look after its I/O without waiting.
    #[inline]
    pub fn sleep<R>(&self, block: impl FnOnce(bool) -> R) -> R {
        let asleep = self.fall_asleep();
        block(asleep.is_some())
    }

    /// The first half of the sleep handshake; dropping what it gives is the second. `None` if
    /// something is ready or was sent, so that the core must not block. See [`sleep`](Self::sleep).
    #[inline]
    pub fn fall_asleep(&self) -> Option<Asleep<'_>> {
        if self.local.has_work() {
            return None;
        }
        let handshake = &self.local.slot.door.handshake;
        handshake.announce();
        // Made first, so that it withdraws if there is something after all.
        let asleep = Asleep(handshake);
        (!self.local.was_sent()).then_some(asleep)
    }

    /// Sets how other threads wake this core while it sleeps. Returns when no thread is ringing the
    /// previous bell any more.
    pub fn set_bell(&self, bell: Bell) {
        self.local.set_bell(Some(bell));
    }

    /// Takes the bell away; returns when no thread is ringing it any more, so that what its word
    /// names can be closed. Dropping the executor does the same.
    ///
    /// In a process that was forked since the executor was made it does not wait: who was ringing
    /// then is a thread of the parent.
    pub fn clear_bell(&self) {
        self.local.set_bell(None);
    }

    /// What this core counts of its tasks, for any thread and also after its end. Counting costs
    /// the same whether or not somebody holds this.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.local.tally)
    }

    /// Shows every task that has not ended to `look`, in the order of their places. It is meant
    /// for people who want to know what a core is about: it visits every place that was ever used.
    ///
    /// `look` must not spawn, wake or end tasks of this executor.
    pub fn look_at_tasks(&self, look: impl FnMut(TaskView)) {
        self.local.look_at_tasks(look);
    }

    /// The name of the future that [`root_waker`](Self::root_waker) wakes.
    #[must_use]
    pub fn root_task(&self) -> TaskId {
        self.local.root()
    }

    /// How many tasks have not ended.
    #[must_use]
    pub fn live_tasks(&self) -> usize {
        self.local.live()
    }

    /// Drops every task's future, one after the other; their joins see `Aborted`. From here on what
    /// is spawned is dropped at once and what is posted is refused; jobs that wait in the inbox are
    /// dropped, too, so drain it first if they matter.
    ///
    /// Called from inside a task of this executor, it spares that task until its poll returns.
    pub fn shutdown(&self) {
        let local = &*self.local;
        local.closed.set(true);
        let _running = Running::new(local);
        local.cancel_all();
        let fatal = local.policy == OnPanic::Abort;
        for job in local.slot.door.posts.close() {
            forget(contain(fatal, || drop(job)));
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.shutdown();
        self.local.end();
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("id", &self.id())
            .field("live", &self.local.live())
            .field("ready", &self.local.has_ready())
            .field("closed", &self.local.closed.get())
            .finish_non_exhaustive()
    }
}

/// A core that may block: whoever wakes a task of it or posts a job rings its bell, until this is
/// dropped. See [`Executor::fall_asleep`].
#[must_use = "the core is awake again when it is dropped"]
pub struct Asleep<'a>(&'a Handshake);

impl Drop for Asleep<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.withdraw();
    }
}

impl fmt::Debug for Asleep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asleep")
    }
}

/// The queue of an executor's ready tasks.
///
/// It outlives the executor: what it wakes then has ended, and that does nothing.
pub struct RunQueue {
    local: Rc<Local>,
}

impl RunQueue {
    #[inline]
    pub(crate) fn local(&self) -> &Local {
        &self.local
    }

    /// Wakes a task, whichever core it is of; the short way if it is the queue's.
    #[inline]
    pub fn wake(&self, task: TaskId) {
        self.local.wake_any(task);
    }
}

impl fmt::Debug for RunQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunQueue").field("core", &self.local.core).finish()
    }
}

/// While it exists, tasks are being polled or dropped.
struct Running<'a> {
    local: &'a Local,
    nested: bool,
}

impl<'a> Running<'a> {
    fn new(local: &'a Local) -> Self {
        Self { local, nested: local.running.replace(true) }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.local.running.set(self.nested);
    }
}

/// The guard of [`Executor::enter`].
///
/// Guards are meant to be dropped in the reverse order of their making. Another order, or
/// forgetting one, leaves the wrong core current. That makes wakes slower; and what yields in the
/// same [`run`](Executor::run) goes on when that core runs.
#[must_use = "the core is current only until the guard is dropped"]
pub struct Entered<'a> {
    previous: Option<Rc<Local>>,
    executor: PhantomData<&'a Executor>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        drop(current::swap(self.previous.take()));
    }
}

impl fmt::Debug for Entered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered")
            .field("previous", &self.previous.as_ref().map(|p| p.core))
            .finish()
    }
}

#[cfg(test)]
mod tests;

//! A set of tasks, joined in the order in which they end.
//!
//! ```text
//! entries   [ task | free | task | task ]      a task's notice, dropped after its future,
//! ended     2, 0                               puts its index here and wakes who waits
//! ```
//!
//! Owns the handles of its tasks and the queue of those that have ended: a completion is a push and
//! a wake, a join is a pop, and nothing is ever searched or polled. Does not own the tasks' cells.
//!
//! Invariants: an index is in `ended` at most once, from when its task's future is dropped until it
//! is joined; `ended` has room for all of them, so ending never allocates.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use crate::abort::AbortHandle;
use crate::cell::{Label, contain, forget};
use crate::coop;
use crate::id::TaskId;
use crate::join::{JoinError, JoinHandle};
use crate::member::Member;
use crate::name::Name;
use crate::spawn::here;
use crate::tally::At;

/// Tasks that give their results in the order in which they end.
///
/// Spawning costs the one allocation of a task, joining costs none, and both are O(1), however many
/// tasks there are. Dropping the set aborts what is in it.
///
/// ```
/// use annulus_task::{Executor, JoinSet, OnPanic};
///
/// let executor = Executor::new(OnPanic::Contain)?;
/// let _entered = executor.enter();
/// let mut set = JoinSet::new();
/// for number in 0..3 {
///     set.spawn(async move { number * 10 });
/// }
/// executor.run(64);
/// let mut sum = 0;
/// while let Some(result) = set.try_join_next() {
///     sum += result.expect("none panics");
/// }
/// assert_eq!((sum, set.len()), (30, 0));
/// # Ok::<(), annulus_task::RegistryFull>(())
/// ```
pub struct JoinSet<T> {
    entries: Vec<Entry<T>>,
    free: Option<u32>,
    len: usize,
    ended: Rc<Ended>,
}

enum Entry<T> {
    Task(JoinHandle<T>),
    /// The next free one.
    Free(Option<u32>),
}

#[derive(Default)]
struct Ended {
    order: RefCell<VecDeque<u32>>,
    waiter: Cell<Option<Waker>>,
}

struct Notice {
    ended: Rc<Ended>,
    index: u32,
}

impl Drop for Notice {
    fn drop(&mut self) {
        self.ended.order.borrow_mut().push_back(self.index);
        if let Some(waiter) = self.ended.waiter.take() {
            forget(contain(false, || waiter.wake()));
        }
    }
}

/// A task that is being spawned. Dropped if that panics: its notice was given then, for an index
/// that has no task.
struct Spawning<'a> {
    ended: &'a Ended,
    index: u32,
}

impl Drop for Spawning<'_> {
    fn drop(&mut self) {
        self.ended.order.borrow_mut().retain(|&index| index != self.index);
    }
}

impl<T> JoinSet<T> {
    /// An empty set. It allocates with the first task.
    #[must_use]
    pub fn new() -> Self {
        Self { entries: Vec::new(), free: None, len: 0, ended: Rc::default() }
    }

    /// Tasks that were not joined, whether or not they have ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether every task was joined.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Spawns a task on the executor that this thread has entered.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(At::caller(), future)
    }

    /// As [`spawn`](Self::spawn), with a name for people.
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_named<F>(&mut self, name: impl Into<Name>, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert((At::caller(), name.into()), future)
    }

    fn insert<L, F>(&mut self, label: L, future: F) -> AbortHandle
    where
        L: Label,
        F: Future<Output = T> + 'static,
    {
        let local = here();
        let count = self.entries.len();
        let index = self.free.unwrap_or_else(|| u32::try_from(count).expect("tasks are fewer"));
        let mut order = self.ended.order.borrow_mut();
        let room = (self.len + 1).saturating_sub(order.len());
        order.reserve(room);
        // A core that is shut drops the future at once, which gives its notice.
        drop(order);
        let notice = Notice { ended: Rc::clone(&self.ended), index };
        let spawning = Spawning { ended: &self.ended, index };
        let handle = local.spawn(label, Member::new(future, notice));
        std::mem::forget(spawning);
        let abort = handle.abort_handle();
        match self.entries.get_mut(index as usize) {
            Some(entry) => {
                let Entry::Free(next) = std::mem::replace(entry, Entry::Task(handle)) else {
                    unreachable!("an entry in use was in the free list of a JoinSet");
                };
                self.free = next;
            }
            None => self.entries.push(Entry::Task(handle)),
        }
        self.len += 1;
        abort
    }

    /// Waits until a task ends, and gives its result; `None` if the set is empty.
    ///
    /// # Errors
    /// The result of a task that panicked or was aborted is a [`JoinError`].
    ///
    /// # Cancel safety
    /// Dropping the future loses no result: it is taken out of the set only when this is ready.
    ///
    /// ```
    /// use annulus_task::JoinSet;
    ///
    /// async fn example(mut set: JoinSet<u32>) {
    ///     while let Some(result) = set.join_next().await {
    ///         println!("{}", result.expect("none panics"));
    ///     }
    /// }
    /// ```
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](Self::join_next), and says whose result it is.
    ///
    /// # Errors
    /// The result of a task that panicked or was aborted is a [`JoinError`].
    ///
    /// # Cancel safety
    /// Dropping the future loses no result: it is taken out of the set only when this is ready.
    ///
    /// ```
    /// use annulus_task::JoinSet;
    ///
    /// async fn example(mut set: JoinSet<u32>) {
    ///     while let Some((task, result)) = set.join_next_with_id().await {
    ///         println!("{task:?}: {}", result.expect("none panics"));
    ///     }
    /// }
    /// ```
    pub async fn join_next_with_id(&mut self) -> Option<(TaskId, Result<T, JoinError>)> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The result of a task that has ended, if there is one.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        let index = *self.ended.order.borrow().front()?;
        let Entry::Task(handle) = &self.entries[index as usize] else {
            unreachable!("a task that was joined ended again");
        };
        if !handle.is_finished() {
            return None;
        }
        Some(self.remove().1)
    }

    /// What [`join_next`](Self::join_next) does, for futures written by hand. A poll that has had
    /// its share of results is `Pending` and goes behind the other tasks; see [`coop`].
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_next(cx).map(|next| next.map(|(_, result)| result))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(TaskId, Result<T, JoinError>)>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        ready!(coop::poll_proceed(cx));
        // Cloning and dropping foreign wakers is user code, so it comes before the look.
        let replaced = self.ended.waiter.replace(Some(cx.waker().clone()));
        drop(replaced);
        let front = self.ended.order.borrow().front().copied();
        let Some(index) = front else {
            return Poll::Pending;
        };
        let Entry::Task(handle) = &mut self.entries[index as usize] else {
            unreachable!("a task that was joined ended again");
        };
        if !handle.is_finished() {
            // Somebody polls from within the wake of the notice: the future is gone, its result
            // comes now. The handle wakes when it is there, and its own poll takes nothing before.
            handle.cell().head().wait(cx.waker());
            return Poll::Pending;
        }
        coop::made_progress();
        Poll::Ready(Some(self.remove()))
    }

    /// Takes out the task that ended first, which is finished.
    fn remove(&mut self) -> (TaskId, Result<T, JoinError>) {
        let index = self.ended.order.borrow_mut().pop_front().expect("the caller saw it there");
        let entry = std::mem::replace(&mut self.entries[index as usize], Entry::Free(self.free));
        let Entry::Task(handle) = entry else {
            unreachable!("a task that was joined ended again");
        };
        self.free = Some(index);
        self.len -= 1;
        if self.len == 0 {
            // Nobody needs to be woken by a set that is empty, and a waker may hold memory.
            drop(self.ended.waiter.take());
        }
        (handle.id(), handle.take())
    }

    /// Asks for every task to be dropped. They stay in the set until they are joined.
    pub fn abort_all(&mut self) {
        for entry in &self.entries {
            if let Entry::Task(handle) = entry {
                handle.abort();
            }
        }
    }

    /// Aborts every task and waits until they are gone. Results are dropped, panics too.
    ///
    /// # Cancel safety
    /// Dropping it leaves the tasks aborted; what was not waited for is still in the set.
    ///
    /// ```
    /// use annulus_task::JoinSet;
    ///
    /// async fn example(mut set: JoinSet<u32>) {
    ///     set.spawn(std::future::pending());
    ///     set.shutdown().await; // and no task of it is left
    ///     assert!(set.is_empty());
    /// }
    /// ```
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Waits for all tasks; their outputs are in the order in which the tasks ended.
    ///
    /// # Cancel safety
    /// Dropping the future drops the set, which aborts its tasks; outputs that were there are lost.
    ///
    /// # Panics
    /// If a task panicked, with its payload, or was aborted. The other tasks are aborted then.
    ///
    /// ```
    /// use annulus_task::JoinSet;
    ///
    /// async fn example(mut set: JoinSet<u32>) {
    ///     let outputs: Vec<u32> = set.join_all().await;
    /// }
    /// ```
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            match result {
                Ok(output) => outputs.push(output),
                Err(JoinError::Aborted) => panic!("a task of a JoinSet was aborted"),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        outputs
    }

    /// Empties the set; its tasks run on by themselves.
    pub fn detach_all(&mut self) {
        self.ended = Rc::default();
        self.free = None;
        self.len = 0;
        drop(std::mem::take(&mut self.entries));
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> Unpin for JoinSet<T> {}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Spawns every future of the iterator.
///
/// # Panics
/// If this thread has entered no executor.
impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        for future in futures {
            set.spawn(future);
        }
        set
    }
}

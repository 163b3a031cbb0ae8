//! Scopes: tasks that have ended when the future that spawned them ends.
//!
//! Owns the list of a scope's children that have not ended, and the wait for it to become empty.
//! Does not own their results, which are their handles'. Invariant: an entry is a child whose
//! future was not dropped; its notice, dropped right after its future, takes it out.
//!
//! | the scope's future | children |
//! |---|---|
//! | returns | were awaited |
//! | is dropped, or panics | are dropped before it is gone |
//! | is dropped by a child that is being polled | that child is dropped when its poll returns |

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::bury::bury_next;
use crate::cell::{Label, contain, forget};
use crate::id::TaskId;
use crate::join::JoinHandle;
use crate::local::Local;
use crate::member::Member;
use crate::name::Name;
use crate::spawn::here;
use crate::tally::At;

/// Runs `body`, then waits until every task that was spawned on its [`Scope`] has ended.
///
/// No task of the scope outlives it. Children are `'static` and share with `Rc` what they share:
/// a future may be forgotten, so no borrow can be lent to a task. A child that panics ends alone,
/// and its handle has the payload; a panic in `body` ends all children and goes on.
///
/// # Cancel safety
/// Dropping the future of a scope drops the body, then every child, before it returns.
///
/// # Panics
/// If this thread has entered no executor.
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use annulus_task::{Executor, OnPanic, scope};
///
/// let executor = Executor::new(OnPanic::Contain)?;
/// let _entered = executor.enter();
/// let task = executor.spawn(async {
///     let sum = Rc::new(Cell::new(0));
///     scope(|s| async move {
///         for number in 1..=4 {
///             let sum = Rc::clone(&sum);
///             s.spawn(async move { sum.set(sum.get() + number) });
///         }
///         sum // none of them need be joined
///     })
///     .await
///     .get()
/// });
/// while executor.run(64) > 0 {}
/// assert!(task.is_finished());
/// # Ok::<(), annulus_task::RegistryFull>(())
/// ```
pub async fn scope<B, F>(body: B) -> F::Output
where
    B: FnOnce(Scope) -> F,
    F: Future,
{
    let group = Rc::new(Group::new(here()));
    let end = End(Rc::clone(&group));
    let output = body(Scope { group: Rc::clone(&group) }).await;
    poll_fn(|cx| group.poll_empty(cx)).await;
    drop(end);
    output
}

/// What children are spawned on, in the body of [`scope`]. A clone that is moved into a child lets
/// it spawn siblings.
#[derive(Clone)]
pub struct Scope {
    group: Rc<Group>,
}

impl Scope {
    /// Spawns a child. Dropping its handle detaches it from the handle, not from the scope.
    ///
    /// If the scope has ended, the future is dropped and the handle says `Aborted`.
    ///
    /// # Errors
    /// Awaiting the handle gives [`JoinError`](crate::JoinError), if the task panicked or was
    /// aborted.
    ///
    /// # Cancel safety
    /// Dropping the handle detaches the task from it, not from the scope.
    ///
    /// ```
    /// # async fn example() {
    /// let answer = annulus_task::scope(|scope| async move {
    ///     let child = scope.spawn(async { 6 * 7 });
    ///     child.await.expect("it does not panic")
    /// })
    /// .await;
    /// assert_eq!(answer, 42);
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn<F: Future + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        self.group.spawn(At::caller(), future)
    }

    /// As [`spawn`](Self::spawn), with a name for people.
    ///
    /// # Errors
    /// Awaiting the handle gives [`JoinError`](crate::JoinError), if the task panicked or was
    /// aborted.
    ///
    /// # Cancel safety
    /// Dropping the handle detaches the task from it, not from the scope.
    ///
    /// ```
    /// # async fn example() {
    /// annulus_task::scope(|scope| async move {
    ///     scope.spawn_named("child", async { 6 * 7 }); // awaited by the scope
    /// })
    /// .await;
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_named<F>(&self, name: impl Into<Name>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        self.group.spawn((At::caller(), name.into()), future)
    }

    /// Children that have not ended.
    #[must_use]
    pub fn live(&self) -> usize {
        self.group.live.get()
    }

    /// Asks for every child to be dropped, as [`JoinHandle::abort`] does.
    pub fn abort_all(&self) {
        for child in self.group.children.borrow().iter() {
            if let Child::Task(id) = child {
                self.group.local.abort(*id);
            }
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("live", &self.live()).finish_non_exhaustive()
    }
}

struct Group {
    local: Rc<Local>,
    children: RefCell<Vec<Child>>,
    free: Cell<Option<u32>>,
    live: Cell<usize>,
    waiter: Cell<Option<Waker>>,
    ended: Cell<bool>,
}

#[derive(Clone, Copy)]
enum Child {
    Starting,
    Task(TaskId),
    /// The next free one.
    Free(Option<u32>),
}

impl Group {
    fn new(local: Rc<Local>) -> Self {
        Self {
            local,
            children: RefCell::default(),
            free: Cell::default(),
            live: Cell::default(),
            waiter: Cell::default(),
            ended: Cell::default(),
        }
    }

    fn spawn<L, F>(self: &Rc<Self>, label: L, future: F) -> JoinHandle<F::Output>
    where
        L: Label,
        F: Future + 'static,
    {
        if self.ended.get() {
            return self.local.refuse(label, future);
        }
        let index = self.vacant();
        self.live.set(self.live.get() + 1);
        let notice = Notice { group: Rc::clone(self), index };
        let handle = self.local.spawn(label, Member::new(future, notice));
        if !handle.is_finished() {
            self.children.borrow_mut()[index as usize] = Child::Task(handle.id());
        }
        handle
    }

    fn vacant(&self) -> u32 {
        let mut children = self.children.borrow_mut();
        if let Some(index) = self.free.get() {
            let place = &mut children[index as usize];
            if let Child::Free(next) = std::mem::replace(place, Child::Starting) {
                self.free.set(next);
            }
            return index;
        }
        children.push(Child::Starting);
        u32::try_from(children.len() - 1).expect("tasks are fewer")
    }

    fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Cloning and dropping foreign wakers is user code, so it comes before the look.
        let replaced = self.waiter.replace(Some(cx.waker().clone()));
        drop(replaced);
        if self.live.get() == 0 {
            self.ended.set(true);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

struct Notice {
    group: Rc<Group>,
    index: u32,
}

impl Drop for Notice {
    fn drop(&mut self) {
        let group = &*self.group;
        let free = Child::Free(group.free.replace(Some(self.index)));
        group.children.borrow_mut()[self.index as usize] = free;
        group.live.set(group.live.get() - 1);
        if group.live.get() == 0 {
            if let Some(waiter) = group.waiter.take() {
                forget(contain(false, || waiter.wake()));
            }
        }
    }
}

/// The end of a scope, whichever way.
struct End(Rc<Group>);

impl Drop for End {
    fn drop(&mut self) {
        let group = &*self.0;
        group.ended.set(true);
        if group.live.get() == 0 {
            return;
        }
        let children: Vec<TaskId> = group
            .children
            .borrow()
            .iter()
            .filter_map(|child| match child {
                Child::Task(id) => Some(*id),
                Child::Starting | Child::Free(_) => None,
            })
            .collect();
        group.local.end_tasks(children.into_iter());
        // A core that has shut down buries what it is given, and perhaps a burial is under way.
        while group.live.get() > 0 && bury_next() {}
    }
}

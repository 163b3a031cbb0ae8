//! The heap cell of a task: vtable, future or result, and the waker of whoever joins it, in the one
//! allocation of a spawn.
//!
//! ```text
//!            poll: Pending                     handle drops
//!           +---------+                    3 +-------------> freed
//!           v         | 1                    |
//!  spawn -> ALIVE ----+---------> DONE + OUTPUT --> DONE (taken) --> freed
//!           |   ABORT or shutdown  ^       join            handle drops
//!           +----------------------+
//!                      2
//! ```
//!
//! Owns the stage, the containment of panics, and who frees the cell: the last to go of the task
//! (`ALIVE`) and the join handle (`HANDLE`). Everything happens on the core's own thread. Does not
//! own the header, nor the queues.
//!
//! Invariants: the future is live exactly while `DONE` is unset, the result exactly while `OUTPUT`
//! is set. No reference into the stage is held while other user code than the future's own runs,
//! and a cell is never freed while it is polled or `BUSY`. Nothing user code throws leaves this
//! file.

use std::alloc::Layout;
use std::any::Any;
use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use crate::bury::bury;
use crate::executor::OnPanic;
use crate::id::TaskId;
use crate::join::JoinError;
use crate::memory;
use crate::name::Name;
use crate::sync::Cell;
use crate::tally::At;
use crate::waker::{clone_waker, task_of};

/// The future was dropped and the result was stored.
pub(crate) const DONE: u8 = 1 << 0;
/// The result is there and was not taken. Only with `DONE`.
const OUTPUT: u8 = 1 << 1;
/// The executor knows this task. Removed when it is done.
pub(crate) const ALIVE: u8 = 1 << 2;
/// A `JoinHandle` exists.
pub(crate) const HANDLE: u8 = 1 << 3;
/// The task is to be dropped instead of polled, or after the poll that is under way.
pub(crate) const ABORT: u8 = 1 << 4;
/// The future is being dropped: a frame further up the stack is using it. (Which one is being
/// polled, the executor knows.)
pub(crate) const BUSY: u8 = 1 << 5;
/// A panic in this task ends the process.
const FATAL: u8 = 1 << 6;

type Payload = Box<dyn Any + Send>;

/// The part of a cell that does not depend on the future.
pub(crate) struct Head {
    /// Polls the future, or drops it once it is to be aborted: what a poll does first of all need
    /// not be asked for.
    poll: Cell<Poller>,
    pub(crate) vtable: &'static VTable,
    pub(crate) id: TaskId,
    flags: Cell<u8>,
    /// The low half of the round in which it was polled last; 0 before the first.
    pub(crate) round: Cell<u32>,
    /// The next cell to bury; see `bury`.
    pub(crate) next: Cell<Option<NonNull<Head>>>,
    waiter: Cell<Option<Waker>>,
}

/// True when the task is done.
type Poller = unsafe fn(NonNull<Head>, &mut Context<'_>) -> bool;

/// What depends on the type of the future. Each function takes the head of a cell of that type.
pub(crate) struct VTable {
    /// What polling a task does that is to be aborted.
    abort: Poller,
    cancel: unsafe fn(NonNull<Head>),
    take: unsafe fn(NonNull<Head>, *mut ()),
    discard: unsafe fn(NonNull<Head>),
    free: unsafe fn(NonNull<Head>),
    name: unsafe fn(NonNull<Head>) -> Option<Name>,
    at: unsafe fn(NonNull<Head>) -> At,
    /// What the type of the future is called.
    pub(crate) kind: fn() -> &'static str,
}

/// Both fields lie at its start, so a pointer to it is a pointer to whichever is live.
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    result: ManuallyDrop<Result<F::Output, JoinError>>,
}

/// Where a task was spawned and what it is called. A task without a name has no room for one.
pub(crate) trait Label: 'static {
    fn name(&self) -> Option<Name>;
    fn at(&self) -> At;
}

impl Label for At {
    fn name(&self) -> Option<Name> {
        None
    }

    fn at(&self) -> At {
        *self
    }
}

impl Label for (At, Name) {
    fn name(&self) -> Option<Name> {
        Some(self.1.clone())
    }

    fn at(&self) -> At {
        self.0
    }
}

#[repr(C)]
struct TaskCell<F: Future, L> {
    head: Head,
    label: L,
    stage: UnsafeCell<Stage<F>>,
}

impl<F: Future, L> TaskCell<F, L> {
    #[inline]
    fn future(&self) -> *mut F {
        self.stage.get().cast()
    }

    #[inline]
    fn result(&self) -> *mut Result<F::Output, JoinError> {
        self.stage.get().cast()
    }
}

impl Head {
    #[inline]
    pub(crate) fn has(&self, flags: u8) -> bool {
        self.flags.get() & flags != 0
    }

    #[inline]
    pub(crate) fn add(&self, flags: u8) {
        self.flags.set(self.flags.get() | flags);
    }

    #[inline]
    pub(crate) fn remove(&self, flags: u8) {
        self.flags.set(self.flags.get() & !flags);
    }

    /// The task is to be dropped instead of polled, or after the poll that is under way.
    pub(crate) fn abort(&self) {
        self.add(ABORT);
        self.poll.set(self.vtable.abort);
    }

    /// Makes `waker` the one that is woken when the task is done. Runs code of foreign wakers.
    pub(crate) fn wait(&self, waker: &Waker) {
        let earlier = self.waiter.take();
        if earlier.as_ref().is_some_and(|earlier| earlier.will_wake(waker)) {
            self.waiter.set(earlier);
            return;
        }
        let waker = clone_waker(waker);
        let replaced = self.waiter.replace(Some(waker));
        drop((earlier, replaced));
    }

    /// Makes `waiter` the one that is told when the task is done; returns who was before.
    pub(crate) fn set_waiter(&self, waiter: Waker) -> Option<Waker> {
        self.waiter.replace(Some(waiter))
    }

    /// Nobody waits any more.
    pub(crate) fn forget_waiter(&self) -> Option<Waker> {
        self.waiter.take()
    }

    /// The task that waits for this one to be done, if it is one of this crate.
    pub(crate) fn waiting_task(&self) -> Option<TaskId> {
        let waiter = self.waiter.take();
        let task = waiter.as_ref().and_then(task_of);
        self.waiter.set(waiter);
        task
    }

    /// Whether anything waits for the task to be done.
    pub(crate) fn has_waiter(&self) -> bool {
        let waiter = self.waiter.take();
        let any = waiter.is_some();
        self.waiter.set(waiter);
        any
    }

    pub(crate) fn has_output(&self) -> bool {
        self.has(OUTPUT)
    }
}

/// Puts `future` into a cell that is alive and has a handle.
pub(crate) fn allocate<F: Future, L: Label>(
    id: TaskId,
    policy: OnPanic,
    label: L,
    future: F,
) -> NonNull<Head> {
    let fatal = if policy == OnPanic::Abort { FATAL } else { 0 };
    let head = Head {
        poll: Cell::new(poll::<F, L>),
        vtable: &VTable {
            abort: abort::<F, L>,
            cancel: cancel::<F, L>,
            take: take::<F, L>,
            discard: discard::<F, L>,
            free: free::<F, L>,
            name: name::<F, L>,
            at: at::<F, L>,
            kind: std::any::type_name::<F>,
        },
        id,
        flags: Cell::new(ALIVE | HANDLE | fatal),
        round: Cell::new(0),
        next: Cell::new(None),
        waiter: Cell::new(None),
    };
    let stage = UnsafeCell::new(Stage { future: ManuallyDrop::new(future) });
    let place = memory::take(Layout::new::<TaskCell<F, L>>()).cast::<TaskCell<F, L>>();
    // SAFETY: fresh memory of this layout.
    unsafe { place.write(TaskCell { head, label, stage }) };
    place.cast()
}

/// A live cell, on its own thread: what the rest of the crate does with cells.
#[derive(Clone, Copy)]
pub(crate) struct CellRef(NonNull<Head>);

impl CellRef {
    /// # Safety
    /// - `head` came from [`allocate`] on this thread, and the cell is not freed while the value is
    ///   used, unless by the value itself.
    #[inline]
    pub(crate) unsafe fn new(head: NonNull<Head>) -> Self {
        Self(head)
    }

    #[inline]
    pub(crate) fn head(&self) -> &Head {
        // SAFETY: the cell is live (`new`), and heads are only ever shared.
        unsafe { self.0.as_ref() }
    }

    /// Polls the future, or drops it if it is to be aborted. True when the task is done.
    #[inline]
    pub(crate) fn poll(self, cx: &mut Context<'_>) -> bool {
        debug_assert!(!self.head().has(DONE | BUSY), "a task was polled twice at a time");
        let poll = self.head().poll.get();
        // SAFETY: the cell is live and of the function's type; its future is live and not in use.
        unsafe { poll(self.0, cx) }
    }

    /// Drops the future; the result is `Aborted`.
    pub(crate) fn cancel(self) {
        debug_assert!(!self.head().has(DONE | BUSY), "a task was dropped while it was in use");
        let cancel = self.head().vtable.cancel;
        // SAFETY: the cell is live and of the vtable's type; its future is live and not in use.
        unsafe { cancel(self.0) }
    }

    /// The task is done and its header is gone: wakes who joins it, a task with `wake`, which only
    /// pushes to a queue and cannot throw. The cell may be freed by this.
    #[inline]
    pub(crate) fn finish(self, wake: impl FnOnce(TaskId)) {
        let head = self.head();
        debug_assert!(head.has(DONE), "a task was finished that was not done");
        head.remove(ALIVE);
        let waiter = head.waiter.take();
        let fatal = head.has(FATAL);
        if !head.has(HANDLE) {
            // SAFETY: neither task nor handle know the cell any more.
            unsafe { bury(self.0) };
        }
        if let Some(waiter) = waiter {
            match task_of(&waiter) {
                Some(task) => wake(task),
                None => forget(contain(fatal, || waiter.wake())),
            }
        }
    }

    /// What the task is called.
    pub(crate) fn name(self) -> Option<Name> {
        let name = self.head().vtable.name;
        // SAFETY: the cell is live and of the vtable's type.
        unsafe { name(self.0) }
    }

    /// Where the task was spawned.
    pub(crate) fn at(self) -> At {
        let at = self.head().vtable.at;
        // SAFETY: the cell is live and of the vtable's type.
        unsafe { at(self.0) }
    }

    /// Moves the result to `to`.
    ///
    /// # Safety
    /// - [`Head::has_output`] is true.
    /// - `to` may be written with a `Result<T, JoinError>`, where `T` is the future's output.
    pub(crate) unsafe fn take(self, to: *mut ()) {
        debug_assert!(self.head().has_output(), "a result was taken that is not there");
        let take = self.head().vtable.take;
        // SAFETY: the cell is live and of the vtable's type; the caller vouches for the rest.
        unsafe { take(self.0, to) }
    }

    /// Drops what the cell holds and frees it.
    ///
    /// # Safety
    /// - Nothing else knows the cell.
    pub(crate) unsafe fn free(self) {
        debug_assert!(!self.head().has(ALIVE | HANDLE | BUSY), "a cell in use was freed");
        if self.head().has_output() {
            let discard = self.head().vtable.discard;
            // SAFETY: the cell is live and of the vtable's type, and its result is there.
            unsafe { discard(self.0) };
        }
        let free = self.head().vtable.free;
        // SAFETY: the cell is live, of the vtable's type, empty, and nobody else knows it.
        unsafe { free(self.0) }
    }
}

/// Runs user code; gives back what it throws, or ends the process if that is the policy.
#[inline]
pub(crate) fn contain<R>(fatal: bool, user_code: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(user_code)).inspect_err(|_payload| {
        if fatal {
            std::process::abort();
        }
    })
}

/// Ends a containment whose panic nobody can be told of. The payload is leaked, because dropping it
/// is user code that could throw again; the panic hook has reported it.
#[inline]
pub(crate) fn forget(outcome: Result<(), Payload>) {
    if let Err(payload) = outcome {
        std::mem::forget(payload);
    }
}

/// # Safety
/// - `head` is of a live `TaskCell<F, L>` whose future is live and not in use.
unsafe fn poll<F: Future, L>(head: NonNull<Head>, cx: &mut Context<'_>) -> bool {
    // SAFETY: the caller vouches for cell and type. The cell outlives this call, being ALIVE.
    let cell = unsafe { head.cast::<TaskCell<F, L>>().as_ref() };
    debug_assert!(!cell.head.has(ABORT), "a task was polled that is to be dropped");
    let polled = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the future is live and, as the caller says, in no other frame's use.
        let future = unsafe { &mut *cell.future() };
        // SAFETY: the cell never moves, and the future is dropped in place.
        unsafe { Pin::new_unchecked(future) }.poll(cx)
    }));
    match polled {
        Ok(Poll::Pending) if !cell.head.has(ABORT) => return false,
        Ok(Poll::Pending) => settle(cell, Err(JoinError::Aborted)),
        Ok(Poll::Ready(output)) => settle(cell, Ok(output)),
        Err(_) if cell.head.has(FATAL) => std::process::abort(),
        Err(payload) => settle(cell, Err(JoinError::panicked(payload))),
    }
    true
}

/// # Safety
/// - `head` is of a live `TaskCell<F, L>` whose future is live and not in use.
unsafe fn abort<F: Future, L>(head: NonNull<Head>, _cx: &mut Context<'_>) -> bool {
    // SAFETY: the caller vouches for all of it.
    unsafe { cancel::<F, L>(head) };
    true
}

/// # Safety
/// - `head` is of a live `TaskCell<F, L>` whose future is live and not in use.
unsafe fn cancel<F: Future, L>(head: NonNull<Head>) {
    // SAFETY: the caller vouches for cell and type.
    settle(unsafe { head.cast::<TaskCell<F, L>>().as_ref() }, Err(JoinError::Aborted));
}

/// Drops the live future in place and stores the result in its stead. What the future's destructor
/// throws becomes the result, unless the poll threw already.
fn settle<F: Future, L>(cell: &TaskCell<F, L>, result: Result<F::Output, JoinError>) {
    let fatal = cell.head.has(FATAL);
    cell.head.add(BUSY);
    let dropped = contain(fatal, || {
        // SAFETY: the future is live, in no other frame's use, and not used again: whatever its
        // destructor does, it counts as dropped.
        unsafe { cell.future().drop_in_place() };
    });
    let result = match (dropped, result) {
        (Ok(()), result) => result,
        (Err(payload), Err(first @ JoinError::Panic(_))) => {
            forget(Err(payload));
            Err(first)
        }
        (Err(payload), unseen) => {
            forget(contain(fatal, || drop(unseen)));
            Err(JoinError::panicked(payload))
        }
    };
    let stored = Stage { result: ManuallyDrop::new(result) };
    // SAFETY: nothing refers into the stage, whose future is gone; a union is not dropped by this.
    unsafe { cell.stage.get().write(stored) };
    cell.head.remove(BUSY);
    cell.head.add(DONE | OUTPUT);
}

/// # Safety
/// - `head` is of a live `TaskCell<F, L>` whose result is there.
/// - `to` may be written with a `Result<F::Output, JoinError>`.
unsafe fn take<F: Future, L>(head: NonNull<Head>, to: *mut ()) {
    // SAFETY: the caller vouches for cell and type.
    let cell = unsafe { head.cast::<TaskCell<F, L>>().as_ref() };
    cell.head.remove(OUTPUT);
    // SAFETY: the result is there, and by the flag removed above it is moved out only once.
    let result = unsafe { cell.result().read() };
    // SAFETY: the caller vouches for the place.
    unsafe { to.cast::<Result<F::Output, JoinError>>().write(result) };
}

/// # Safety
/// - `head` is of a live `TaskCell<F, L>` whose result is there.
unsafe fn discard<F: Future, L>(head: NonNull<Head>) {
    // SAFETY: the caller vouches for cell and type.
    let cell = unsafe { head.cast::<TaskCell<F, L>>().as_ref() };
    cell.head.remove(OUTPUT);
    forget(contain(cell.head.has(FATAL), || {
        // SAFETY: the result is there, and by the flag removed above it is dropped only once.
        unsafe { cell.result().drop_in_place() };
    }));
}

/// # Safety
/// - `head` is of a live `TaskCell<F, L>` that nobody else knows, with neither future nor result.
unsafe fn free<F: Future, L>(head: NonNull<Head>) {
    let place = head.cast::<TaskCell<F, L>>();
    // SAFETY: the cell is live, and the caller gives it up.
    unsafe { place.drop_in_place() };
    // SAFETY: it came from `allocate`, on this thread, and nobody knows it any more.
    unsafe { memory::give(place.cast(), Layout::new::<TaskCell<F, L>>()) };
}

/// # Safety
/// - `head` is of a live `TaskCell<F, L>`.
unsafe fn name<F: Future, L: Label>(head: NonNull<Head>) -> Option<Name> {
    // SAFETY: the caller vouches for cell and type; the label is only ever shared.
    unsafe { head.cast::<TaskCell<F, L>>().as_ref() }.label.name()
}

/// # Safety
/// - `head` is of a live `TaskCell<F, L>`.
unsafe fn at<F: Future, L: Label>(head: NonNull<Head>) -> At {
    // SAFETY: the caller vouches for cell and type; the label is only ever shared.
    unsafe { head.cast::<TaskCell<F, L>>().as_ref() }.label.at()
}

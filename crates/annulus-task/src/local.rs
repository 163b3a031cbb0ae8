//! The owner's half of a core: run queue and free list.
//!
//! Owns everything that only the core's thread touches, in plain cells. Does not own the headers
//! (they belong to the registry slot) nor the heap cells (each belongs to itself).
//!
//! Invariants: the run queue is linked through the headers, so a wake never allocates. No cell is
//! borrowed across user code: everything is read or written in one step.

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Waker};

use crate::cell::{CellRef, contain, forget};
use crate::coop;
use crate::executor::OnPanic;
use crate::handshake::Bell;
use crate::id::{CoreId, TaskId};
use crate::inbox::NIL;
use crate::memory::Memory;
use crate::name::Name;
use crate::pages::Own;
use crate::queue::Queue;
use crate::registry::{self, Slot};
use crate::tally::Tally;
use crate::waker;

mod ending;

/// The reserved task that stands for the future of `block_on`.
pub(crate) const ROOT: u32 = 1;

/// The reserved header that stands in the run queue for the wakers that yielded; see `coop`.
const DEFER: u32 = 2;

pub(crate) struct Local {
    pub(crate) core: CoreId,
    /// The process that claimed the slot.
    process: u32,
    pub(crate) policy: OnPanic,
    pub(crate) slot: &'static Slot,
    /// The number of the slot; `u32::MAX`, which matches no task, after the slot was given back.
    number: Cell<u32>,
    ready: Queue,
    /// What has yielded or woken itself, to be ready in the next run.
    yielded: Queue,
    free: Cell<Option<Own>>,
    /// The highest index that was ever used by this executor.
    high: Cell<u32>,
    /// Counts for other threads, and which task runs.
    pub(crate) tally: Arc<Tally>,
    /// The header that stands for the root, and its name, which lasts as long as the core.
    root: Own,
    root_id: TaskId,
    root_woken: Cell<bool>,
    /// Wakers to wake when the run queue has come to `DEFER`.
    deferred: Cell<Vec<Waker>>,
    /// How many more operations of the current poll may be ready; see `coop`.
    pub(crate) coop: Cell<u32>,
    /// Tasks to be dropped before the outermost `end_tasks` returns.
    doomed: Cell<Vec<TaskId>>,
    ending: Cell<bool>,
    /// The executor was dropped by a destructor that `end_tasks` had come to: the slot is given
    /// back when that is through, for it uses the header of the task whose destructor it was.
    ends_late: Cell<bool>,
    /// The header of the task that is being polled, or of the root: a frame further up the stack
    /// uses its future.
    pub(crate) polling: Cell<Option<Own>>,
    /// Where the waker is that tasks are polled with; null outside of `run`.
    pub(crate) poll_waker: Cell<*const Waker>,
    pub(crate) memory: Memory,
    /// Tasks are being polled or dropped: `run` must not be entered.
    pub(crate) running: Cell<bool>,
    pub(crate) closed: Cell<bool>,
}

impl Local {
    /// The owner's half of a slot that was just claimed on this thread.
    pub(crate) fn new(core: CoreId, policy: OnPanic) -> Self {
        let slot = registry::slot(core.slot());
        let [root, _defer] = [ROOT, DEFER].map(|reserved| {
            // SAFETY: the slot was just claimed on this thread, and `Local` is not `Send`.
            let own = unsafe { Own::new(slot.pages.grow(reserved)) };
            own.set_index(reserved);
            own
        });
        Self {
            core,
            process: std::process::id(),
            policy,
            slot,
            number: Cell::new(core.slot()),
            ready: Queue::new(root),
            yielded: Queue::new(root),
            free: Cell::new(None),
            high: Cell::new(DEFER),
            tally: Arc::default(),
            root,
            root_id: root.id(core.slot()),
            root_woken: Cell::new(false),
            deferred: Cell::new(Vec::new()),
            coop: Cell::new(coop::BUDGET),
            doomed: Cell::new(Vec::new()),
            ending: Cell::new(false),
            ends_late: Cell::new(false),
            polling: Cell::new(None),
            poll_waker: Cell::new(ptr::null()),
            memory: Memory::new(),
            running: Cell::new(false),
            closed: Cell::new(false),
        }
    }

    /// The header of an index that this executor has used.
    #[inline]
    pub(crate) fn own(&self, index: u32) -> Own {
        debug_assert!(self.is_open(), "a core that has ended was asked for a header");
        let header = self.slot.pages.find(index).expect("the page of a used index exists");
        // SAFETY: the slot was claimed on this thread, `Local` is not `Send`, and every path to
        // here checks that the slot is still held.
        unsafe { Own::new(header) }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.number.get() != u32::MAX
    }

    /// Whether this is the copy of a core in a forked child.
    fn is_inherited(&self) -> bool {
        self.process != std::process::id()
    }

    /// Changes the bell, or takes it away, when nobody is ringing it.
    pub(crate) fn set_bell(&self, bell: Option<Bell>) {
        let handshake = &self.slot.door.handshake;
        if self.is_inherited() {
            handshake.inherit_bell(bell);
        } else {
            handshake.set_bell(bell);
        }
    }

    /// The name of the root.
    #[inline]
    pub(crate) fn root(&self) -> TaskId {
        self.root_id
    }

    #[inline]
    pub(crate) fn root_header(&self) -> Own {
        self.root
    }

    #[inline]
    pub(crate) fn take_root_wake(&self) -> bool {
        let woken = self.root_woken.get();
        if woken {
            self.root_woken.set(false);
            self.coop.set(coop::BUDGET);
        }
        woken
    }

    pub(crate) fn has_root_wake(&self) -> bool {
        self.root_woken.get()
    }

    pub(crate) fn live(&self) -> usize {
        (self.tally.spawned() - self.tally.ended()) as usize
    }

    #[inline]
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty() || !self.yielded.is_empty()
    }

    pub(crate) fn current(&self) -> Option<TaskId> {
        self.tally.current()
    }

    /// Whether neither this thread nor any other has anything for this core to do.
    pub(crate) fn is_idle(&self) -> bool {
        !self.has_work() && !self.was_sent()
    }

    /// Whether something of this core's own is to be polled.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        self.has_ready() || self.root_woken.get()
    }

    /// Whether other threads have sent anything. Exact only after the fence of the sleep handshake.
    #[inline]
    pub(crate) fn was_sent(&self) -> bool {
        let door = &self.slot.door;
        !door.inbox.is_empty() || !door.posts.is_empty()
    }

    /// A header for a new task.
    #[inline]
    pub(crate) fn vacant(&self) -> Own {
        if let Some(own) = self.free.get() {
            self.free.set(own.link());
            return own;
        }
        self.first_used()
    }

    /// A header that this executor has not used yet.
    fn first_used(&self) -> Own {
        loop {
            let index = self.high.get() + 1;
            self.slot.pages.grow(index);
            self.high.set(index);
            let own = self.own(index);
            own.set_index(index);
            // An earlier core of the slot may have used up its names.
            if !own.is_spent() {
                return own;
            }
        }
    }

    /// A task moves into `own`, ready to be polled.
    #[inline]
    pub(crate) fn install(&self, own: Own, cell: ptr::NonNull<crate::cell::Head>) {
        own.set_cell(Some(cell));
        self.tally.add_spawned();
        self.ready.push(own);
    }

    /// A header whose task has ended is free, unless it is spent: then it is left alone for ever,
    /// for 2^28 tasks.
    #[inline]
    fn release(&self, own: Own) {
        if !own.is_spent() {
            own.set_link(self.free.replace(Some(own)));
        }
    }

    /// Whether a task is of this core, and the core has not ended.
    #[inline]
    pub(crate) fn owns(&self, task: TaskId) -> bool {
        self.number.get() == task.slot()
    }

    /// Wakes a task, whichever core it is of.
    #[inline]
    pub(crate) fn wake_any(&self, task: TaskId) {
        if self.owns(task) {
            self.wake(task);
        } else {
            waker::wake_current(task);
        }
    }

    /// Wakes a task of this slot on its own thread.
    #[inline]
    pub(crate) fn wake(&self, task: TaskId) {
        let Some(header) = self.slot.pages.find(task.index()) else {
            return;
        };
        if header.remote().generation() != task.generation() {
            return;
        }
        // SAFETY: the slot was claimed on this thread, `Local` is not `Send`, and `number`, which
        // callers have compared, says that the slot is still held.
        self.ready_or_root(unsafe { Own::new(header) });
    }

    #[inline]
    pub(crate) fn ready_or_root(&self, own: Own) {
        if own.can_be_queued() {
            if self.polling.get() == Some(own) {
                self.ready_again(own);
            } else {
                self.ready.push(own);
            }
        } else if own.index() == ROOT {
            self.root_woken.set(true);
        }
    }

    /// A task that wakes itself wants to be polled again, not to keep the core.
    #[cold]
    fn ready_again(&self, own: Own) {
        self.yielded.push(own);
    }

    /// Moves what other threads woke to the run queue. True if there was anything.
    pub(crate) fn receive(&self) -> bool {
        let inbox = &self.slot.door.inbox;
        let mut index = inbox.take(|index| self.sent(index).remote());
        let any = index != NIL;
        while index != NIL {
            // SAFETY: as in `own`; the index may be one of an earlier core, whose header is free.
            let own = unsafe { Own::new(self.sent(index)) };
            self.tally.add_remote_wake();
            index = own.remote().receive();
            self.ready_or_root(own);
        }
        any
    }

    fn sent(&self, index: u32) -> &'static crate::pages::Header {
        self.slot.pages.find(index).expect("an index was sent through its header")
    }

    /// Polls ready tasks until none is left or `budget` were polled; returns how many. What yields
    /// is not ready before the next run.
    #[inline(always)]
    pub(crate) fn run(&self, budget: u32, watch: &mut impl Watch) -> u32 {
        self.ready.append(&self.yielded);
        let mut left = budget;
        let tally = &*self.tally;
        let round = tally.begin_round() as u32;
        // One place for all of them: see `polled_by`.
        let mut waker = waker::of_nobody();
        self.poll_waker.set(&raw const *waker);
        while left > 0 {
            let Some(own) = self.ready.pop() else { break };
            let Some(cell) = own.cell() else {
                self.pass(own);
                continue;
            };
            // SAFETY: a header has a cell exactly while the task is alive.
            let cell = unsafe { CellRef::new(cell) };
            let task = cell.head().id;
            left -= 1;
            watch.before(cell);
            cell.head().round.set(round);
            tally.polling(task, cell.head().vtable);
            self.polling.set(Some(own));
            self.coop.set(coop::BUDGET);
            waker = waker::of(task);
            if cell.poll(&mut Context::from_waker(&waker)) {
                self.polling.set(None);
                self.finish(own, cell);
            }
            watch.after(self, task);
        }
        let polled = budget - left;
        tally.set_current(None);
        tally.add_polls(polled);
        self.polling.set(None);
        self.poll_waker.set(ptr::null());
        polled
    }

    /// Puts the task that is being polled behind everything that is ready, and behind the I/O of a
    /// turn, if `waker` is its own. False if it is not.
    #[inline]
    pub(crate) fn yield_current(&self, waker: &Waker) -> bool {
        let (Some(own), Some(task)) = (self.polling.get(), self.tally.current()) else {
            return false;
        };
        let ours = waker::is_of(waker, task);
        // A task that has just ended has a free header, which no queue may take.
        if ours && own.cell().is_some() && !own.is_queued() {
            self.yielded.push(own);
        }
        ours
    }

    /// A header without a task was in the run queue: the task has ended, or wakers yielded here.
    #[cold]
    fn pass(&self, own: Own) {
        self.polling.set(None);
        if own.index() != DEFER {
            self.release(own);
            return;
        }
        let mut wakers = self.deferred.take();
        for waker in wakers.drain(..) {
            forget(contain(self.policy == OnPanic::Abort, || waker.wake()));
        }
        let meanwhile = self.deferred.take();
        self.deferred.set(if meanwhile.is_empty() { wakers } else { meanwhile });
    }

    /// Wakes `waker` when everything that is ready now has had its turn, in the next run. Gives it
    /// back if there will be none: the core has shut down, and its header may be another's.
    pub(crate) fn defer(&self, waker: Waker) -> Option<Waker> {
        if self.closed.get() {
            return Some(waker);
        }
        let mut deferred = self.deferred.take();
        deferred.push(waker);
        self.deferred.set(deferred);
        let own = self.own(DEFER);
        if !own.is_queued() {
            self.yielded.push(own);
        }
        None
    }

    /// The indices that tasks of this executor have had.
    pub(crate) fn places(&self) -> std::ops::RangeInclusive<u32> {
        DEFER + 1..=self.high.get()
    }

    /// The tasks that yielded through a waker: they are woken behind everything that is ready.
    pub(crate) fn deferred_tasks(&self) -> Vec<TaskId> {
        let wakers = self.deferred.take();
        let tasks = wakers.iter().filter_map(waker::task_of).collect();
        self.deferred.set(wakers);
        tasks
    }

    /// The header of a task of this core that has not ended.
    fn alive(&self, task: TaskId) -> Option<Own> {
        if !self.owns(task) {
            return None;
        }
        let header = self.slot.pages.find(task.index())?;
        if header.remote().generation() != task.generation() {
            return None;
        }
        // SAFETY: the slot was claimed on this thread, `Local` is not `Send`, and `number` says
        // that the slot is still held.
        let own = unsafe { Own::new(header) };
        own.cell().is_some().then_some(own)
    }

    /// What the task that is being polled or dropped is called.
    pub(crate) fn current_name(&self) -> Option<Name> {
        let own = self.alive(self.tally.current()?)?;
        // SAFETY: a header has a cell exactly while the task is alive.
        own.cell().and_then(|cell| unsafe { CellRef::new(cell) }.name())
    }
}

/// Who looks at the polls of [`Local::run`].
pub(crate) trait Watch {
    /// Called before each poll.
    fn before(&mut self, cell: CellRef);
    /// Called after each poll, when nothing is borrowed and the cell may be gone.
    fn after(&mut self, local: &Local, task: TaskId);
}

/// Nobody looks.
pub(crate) struct Unwatched;

impl Watch for Unwatched {
    #[inline]
    fn before(&mut self, _cell: CellRef) {}
    #[inline]
    fn after(&mut self, _local: &Local, _task: TaskId) {}
}

/// Calls a closure after each poll. What it throws is contained.
pub(crate) struct Watched<'a, W> {
    pub(crate) watch: W,
    /// Where other threads see what is polled.
    pub(crate) tally: &'a Tally,
    pub(crate) name: Option<Name>,
}

impl<W: FnMut(TaskId, Option<Name>)> Watch for Watched<'_, W> {
    fn before(&mut self, cell: CellRef) {
        self.name = cell.name();
        if self.name.is_some() {
            self.tally.set_name(self.name.clone());
        }
    }

    fn after(&mut self, local: &Local, task: TaskId) {
        let name = self.name.take();
        if name.is_some() {
            self.tally.set_name(None);
        }
        local.polling.set(None);
        forget(contain(local.policy == OnPanic::Abort, || (self.watch)(task, name)));
    }
}

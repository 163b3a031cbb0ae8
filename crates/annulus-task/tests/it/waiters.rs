//! Who waits inside of a core: remembered by place, or by a waker.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use annulus_task::{Executor, OnPanic, RunQueue, TaskId, Waiter, current_task};

/// What waits for something that the executor's driver brings.
#[derive(Clone, Default)]
struct Bench(Rc<RefCell<Waiter>>);

impl Bench {
    fn sit(&self, executor: &Executor, waker: &Waker) {
        let waiter = executor.waiter(waker);
        drop(self.0.replace(waiter));
    }

    fn call(&self, queue: &RunQueue) -> Option<Waker> {
        // SAFETY: every waiter of these tests is made by the executor whose queue wakes it.
        unsafe { queue.wake_waiter(&mut self.0.borrow_mut()) }
    }
}

fn task_of(queue: &RunQueue, waiter: &Waiter) -> Option<TaskId> {
    // SAFETY: as in `Bench::call`.
    unsafe { queue.task_of(waiter) }
}

fn executor() -> Rc<Executor> {
    Rc::new(Executor::new(OnPanic::Contain).unwrap())
}

/// Counts its wakes.
#[derive(Default)]
struct Foreign(AtomicU32);

impl Foreign {
    fn wakes(&self) -> u32 {
        // ORDERING: Relaxed; one thread.
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Foreign {
    fn wake(self: Arc<Self>) {
        // ORDERING: Relaxed; one thread.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A task that sits on the bench at each poll, until it was polled `polls` times.
fn sitter(executor: &Rc<Executor>, bench: &Bench, polls: u32) -> annulus_task::JoinHandle<()> {
    let (bench, mut left) = (bench.clone(), polls);
    let of = Rc::downgrade(executor);
    executor.spawn(poll_fn(move |cx| {
        left -= 1;
        if left == 0 {
            return Poll::Ready(());
        }
        bench.sit(&of.upgrade().unwrap(), cx.waker());
        Poll::Pending
    }))
}

#[test]
fn a_task_that_waits_is_woken_once_by_its_place() {
    let executor = executor();
    let (bench, queue) = (Bench::default(), executor.run_queue());
    let task = sitter(&executor, &bench, 3);
    assert_eq!(executor.run(64), 1);
    assert_eq!(task_of(&queue, &bench.0.borrow()), Some(task.id()));
    assert!(bench.call(&queue).is_none());
    assert!(bench.0.borrow().is_none(), "who was woken waits no more");
    assert!(bench.call(&queue).is_none());
    assert_eq!(executor.run(64), 1);
    assert!(bench.call(&queue).is_none());
    assert_eq!(executor.run(64), 1);
    assert!(task.is_finished());
}

#[test]
fn the_task_that_is_polled_is_told_from_any_other() {
    let executor = executor();
    let seen: Rc<Cell<Option<TaskId>>> = Rc::default();
    let (of, said) = (Rc::downgrade(&executor), Rc::clone(&seen));
    let foreign = Waker::from(Arc::new(Foreign::default()));
    let task = executor.spawn(poll_fn(move |cx| {
        let executor = of.upgrade().unwrap();
        let waiter = executor.polled_by(cx.waker());
        said.set(task_of(&executor.run_queue(), &waiter));
        assert!(executor.is_waiter(&waiter, cx.waker()));
        assert!(!executor.is_waiter(&waiter, &foreign));
        assert!(!executor.is_waiter(&Waiter::default(), cx.waker()), "nobody is not a task");
        // A copy lies elsewhere: it is a waker like any other, and wakes the same task.
        let copy = cx.waker().clone();
        assert!(executor.polled_by(&copy).is_none());
        let waiter = executor.waiter(&copy);
        assert_eq!(task_of(&executor.run_queue(), &waiter), current_task());
        assert!(executor.is_waiter(&waiter, cx.waker()));
        assert!(executor.polled_by(&foreign).is_none());
        Poll::Ready(())
    }));
    let name = task.id();
    executor.run(64);
    assert_eq!(seen.get(), Some(name));
    assert!(task.is_finished());
}

#[test]
fn a_foreign_waker_is_given_back_to_be_woken() {
    let executor = executor();
    let (bench, queue) = (Bench::default(), executor.run_queue());
    let foreign = Arc::new(Foreign::default());
    bench.sit(&executor, &Waker::from(Arc::clone(&foreign)));
    assert_eq!(task_of(&queue, &bench.0.borrow()), None);
    bench.call(&queue).expect("it is somebody else's").wake();
    assert_eq!(foreign.wakes(), 1);
    assert!(bench.0.borrow().is_none());
    assert_eq!(Arc::strong_count(&foreign), 1, "nothing keeps it");
}

#[test]
fn a_place_whose_task_has_ended_wakes_nobody_else_to_harm() {
    let executor = executor();
    let _entered = executor.enter();
    let (bench, queue) = (Bench::default(), executor.run_queue());
    let task = sitter(&executor, &bench, 3);
    executor.run(64);
    task.abort();
    executor.run(64);
    assert!(task.is_finished());
    // The place is free: nothing happens.
    assert!(bench.call(&queue).is_none());
    assert!(!executor.has_ready());

    let task = sitter(&executor, &bench, 3);
    executor.run(64);
    task.abort();
    executor.run(64);
    // The next task lives there: it is polled for nothing.
    let polls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&polls);
    let next = executor.spawn(poll_fn(move |_| {
        counted.set(counted.get() + 1);
        Poll::<()>::Pending
    }));
    executor.run(64);
    assert!(bench.call(&queue).is_none());
    executor.run(64);
    assert_eq!(polls.get(), 2);
    assert!(!next.is_finished());
}

#[test]
fn the_root_is_remembered_by_its_place_too() {
    let executor = executor();
    let (bench, queue) = (Bench::default(), executor.run_queue());
    let mut polls = 0;
    let mut root = pin!(poll_fn(|cx| {
        polls += 1;
        assert!(!executor.polled_by(cx.waker()).is_none());
        bench.sit(&executor, cx.waker());
        if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
    }));
    assert!(executor.poll_root(root.as_mut()).is_pending());
    assert!(!executor.take_root_wake());
    assert!(bench.call(&queue).is_none());
    assert!(executor.take_root_wake());
    assert!(executor.poll_root(root.as_mut()).is_ready());
    let waker = executor.root_waker();
    assert!(executor.polled_by(&waker).is_none(), "it is not being polled any more");
}

#[test]
fn a_task_that_wakes_itself_by_its_place_waits_for_the_next_run() {
    let executor = executor();
    let of = Rc::downgrade(&executor);
    let mut polls = 0;
    executor.spawn(poll_fn(move |cx| {
        polls += 1;
        let executor = of.upgrade().unwrap();
        let mut waiter = executor.waiter(cx.waker());
        // SAFETY: the executor made it.
        let other = unsafe { executor.run_queue().wake_waiter(&mut waiter) };
        assert!(other.is_none());
        if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
    }));
    assert_eq!([1, 1, 1, 0], std::array::from_fn(|_| executor.run(64)));
}

#[test]
fn a_panic_of_the_root_leaves_nobody_being_polled() {
    let executor = executor();
    let mut root = pin!(poll_fn(|_: &mut Context<'_>| -> Poll<()> { panic!("of the root") }));
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        executor.poll_root(root.as_mut())
    }));
    assert!(polled.is_err());
    assert!(executor.polled_by(&executor.root_waker()).is_none());
    let task = executor.spawn(async {});
    executor.run(64);
    assert!(task.is_finished());
}

#[test]
fn a_core_falls_asleep_only_if_nothing_is_ready() {
    let executor = executor();
    assert!(executor.fall_asleep().is_some());
    executor.spawn(async {});
    assert!(executor.fall_asleep().is_none());
    executor.run(64);
    let asleep = executor.fall_asleep();
    assert!(asleep.is_some());
    drop(asleep);
    // The core is not entered, so this goes through the inbox.
    executor.root_waker().wake();
    assert!(executor.fall_asleep().is_none());
    executor.drain_inbox();
    assert!(executor.fall_asleep().is_none());
    assert!(executor.take_root_wake());
    assert!(executor.fall_asleep().is_some());
}

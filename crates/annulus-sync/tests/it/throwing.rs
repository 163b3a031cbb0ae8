//! Wakers and values that throw: nobody behind them stays asleep, and the caller hears of it.

use std::cell::RefCell;
use std::fmt::Debug;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use annulus_sync::{
    Barrier, Closed, Notify, OwnedPermit, Semaphore, TrySendError, cross, mpsc, oneshot, watch,
};

use crate::support::{Task, now};

/// Throws when it is woken, and again when what it threw is dropped.
struct Throws;

struct Payload;

impl Wake for Throws {
    fn wake(self: Arc<Self>) {
        std::panic::panic_any(Payload);
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a payload was dropped by who should pass it on");
    }
}

/// Throws when it is dropped, unless its thread unwinds already.
struct Brittle;

impl Drop for Brittle {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::panic::panic_any(Payload);
        }
    }
}

/// Does nothing, so its last waker throws wherever it ends.
impl Wake for Brittle {
    fn wake(self: Arc<Self>) {}
}

type Acquiring = Pin<Box<dyn Future<Output = Result<OwnedPermit, Closed>>>>;

thread_local! {
    /// What [`Polls`] polls.
    static POLLED: RefCell<Option<Acquiring>> = const { RefCell::new(None) };
}

/// Polls another future where it is woken, which must be ready or throw.
struct Polls;

impl Wake for Polls {
    fn wake(self: Arc<Self>) {
        let mut future = POLLED.take().expect("there is something to be polled");
        let mut cx = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_ready(), "it need not wait");
    }
}

/// A future that waits and whose waker throws when it is woken.
fn throwing<F: Future>(future: F) -> Pin<Box<F>> {
    waiting(future, Throws)
}

/// A future that waits and whose waker throws when it is dropped.
fn brittle<F: Future>(future: F) -> Pin<Box<F>> {
    waiting(future, Brittle)
}

fn waiting<F: Future>(future: F, wake: impl Wake + Send + Sync + 'static) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    let waker = Waker::from(Arc::new(wake));
    assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "it has to wait");
    future
}

/// Runs what wakes several, of which some throw; the first payload must come out.
fn hears_of_it<T: Debug>(wakes: impl FnOnce() -> T) {
    let thrown = catch_unwind(AssertUnwindSafe(wakes)).expect_err("the caller hears of it");
    assert!(thrown.is::<Payload>());
    std::mem::forget(thrown);
}

#[test]
fn a_cross_core_channel_that_closes_wakes_every_sender() {
    for drops in [false, true] {
        let (sender, mut receiver) = cross::channel(1);
        sender.try_send(0).unwrap();
        let before = Task::waiting(sender.send(1));
        let first = throwing(sender.send(2));
        let second = throwing(sender.send(3));
        let behind = Task::waiting(sender.send(4));
        if drops {
            hears_of_it(move || drop(receiver));
        } else {
            hears_of_it(|| receiver.close());
            assert_eq!(receiver.try_recv(), Ok(0), "what was sent can still be received");
        }
        assert_eq!(before.woken().unwrap_err().0, 1);
        assert_eq!(behind.woken().unwrap_err().0, 4);
        drop((first, second));
        assert!(sender.is_closed());
    }
}

#[test]
fn a_receiver_that_goes_while_its_thread_unwinds_wakes_every_sender_and_aborts_nothing() {
    let (sender, receiver) = cross::channel(1);
    sender.try_send(0).unwrap();
    let first = throwing(sender.send(1));
    let behind = Task::waiting(sender.send(2));
    let thrown = catch_unwind(AssertUnwindSafe(move || {
        let _receiver = receiver;
        panic!("on purpose");
    }));
    assert_eq!(thrown.unwrap_err().downcast_ref::<&str>(), Some(&"on purpose"));
    assert_eq!(behind.woken().unwrap_err().0, 2);
    drop(first);
}

#[test]
fn a_value_does_not_go_with_what_a_sender_throws_that_gets_its_room() {
    for waits in [false, true] {
        let (sender, mut receiver) = cross::channel(1);
        sender.try_send(0).unwrap();
        let (first, behind) = (throwing(sender.send(1)), Task::waiting(sender.send(2)));
        if waits {
            hears_of_it(|| now(receiver.recv()));
        } else {
            hears_of_it(|| receiver.try_recv());
        }
        assert_eq!(receiver.try_recv(), Ok(0));
        assert_eq!(behind.wakes(), 0, "the room is the first's still");
        drop(first);
        behind.woken().unwrap();
        assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)), "there is room for one");
        assert_eq!(receiver.try_recv(), Ok(2));
    }
}

#[test]
fn nor_does_a_value_between_tasks_of_one_core_go_with_it() {
    for waits in [false, true] {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(0).unwrap();
        let (first, behind) = (throwing(sender.send(1)), Task::waiting(sender.send(2)));
        if waits {
            hears_of_it(|| now(receiver.recv()));
        } else {
            hears_of_it(|| receiver.try_recv());
        }
        assert_eq!(receiver.try_recv(), Ok(0));
        assert_eq!(behind.wakes(), 0, "the room is the first's still");
        drop(first);
        behind.woken().unwrap();
        assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)), "there is room for one");
        assert_eq!(receiver.try_recv(), Ok(2));
    }
}

#[test]
fn queued_values_are_dropped_although_a_sender_throws_when_the_receiver_goes() {
    let (sender, receiver) = mpsc::channel(1);
    let value = Rc::new(());
    sender.try_send(value.clone()).unwrap();
    let first = throwing(sender.send(value.clone()));
    hears_of_it(|| drop(receiver));
    assert_eq!(Rc::strong_count(&value), 2, "the queued one was dropped");
    drop(first);
}

#[test]
fn all_are_told_although_the_first_throws() {
    let notify = Notify::new();
    let (first, behind) = (throwing(notify.notified()), Task::waiting(notify.notified()));
    hears_of_it(|| notify.notify_waiters());
    behind.woken();
    drop(first);

    let (sender, mut receiver) = watch::channel(1);
    let mut other = receiver.clone();
    let (first, behind) = (throwing(receiver.changed()), Task::waiting(other.changed()));
    hears_of_it(|| sender.send(2).unwrap());
    behind.woken().unwrap();
    drop(first);
}

#[test]
fn watchers_are_told_although_the_value_before_throws() {
    let (sender, mut receiver) = watch::channel(Some(Brittle));
    let waiting = Task::waiting(receiver.changed());
    hears_of_it(|| sender.send(None).unwrap());
    waiting.woken().unwrap();
    assert!(receiver.borrow().is_none() && !receiver.has_changed());
}

#[test]
fn the_other_side_of_a_oneshot_is_woken_although_the_waker_of_who_goes_throws() {
    let (mut sender, receiver) = oneshot::channel::<u8>();
    drop(brittle(sender.closed()));
    let receiving = Task::waiting(receiver);
    hears_of_it(|| drop(sender));
    assert_eq!(receiving.woken(), Err(Closed));

    let (mut sender, mut receiver) = oneshot::channel::<u8>();
    drop(brittle(&mut receiver));
    let closed = Task::waiting(sender.closed());
    hears_of_it(|| drop(receiver));
    closed.woken();
}

#[test]
fn all_are_served_although_the_first_throws() {
    let semaphore = Semaphore::new(0);
    let (first, behind) = (throwing(semaphore.acquire(1)), Task::waiting(semaphore.acquire(2)));
    hears_of_it(|| semaphore.add_permits(3));
    drop(behind.woken().unwrap());
    drop(first);
    assert_eq!(semaphore.available_permits(), 3, "those of the dropped future came back");

    let semaphore = Semaphore::new(0);
    let (first, behind) = (throwing(semaphore.acquire(1)), Task::waiting(semaphore.acquire(1)));
    hears_of_it(|| semaphore.close());
    assert!(behind.woken().is_err());
    drop(first);
}

#[test]
fn the_next_is_served_although_the_waker_of_who_leaves_throws() {
    let semaphore = Semaphore::new(1);
    let (large, small) = (brittle(semaphore.acquire(2)), Task::waiting(semaphore.acquire(1)));
    hears_of_it(|| drop(large));
    drop(small.woken().unwrap());
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn who_finds_a_semaphore_closed_leaves_its_queue_once_although_its_waker_throws() {
    let semaphore = Rc::new(Semaphore::new(0));
    let first = waiting(semaphore.acquire(1), Polls);
    let second: Acquiring = brittle(semaphore.clone().acquire_owned(1));
    POLLED.set(Some(second));
    let behind = Task::waiting(semaphore.acquire(1));
    hears_of_it(|| semaphore.close());
    assert!(behind.woken().is_err());
    drop(first);
}

#[test]
fn all_pass_a_barrier_although_the_first_throws() {
    let barrier = Barrier::new(3);
    let (first, behind) = (throwing(barrier.wait()), Task::waiting(barrier.wait()));
    hears_of_it(|| assert!(Task::new(barrier.wait()).poll().is_none()));
    assert!(!behind.woken(), "the one that came last leads");
    drop(first);
}

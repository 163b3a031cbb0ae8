//! Tests of the queues of waiting futures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        // ORDERING: one thread only; the counter pairs with nothing.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn waker() -> Option<Waker> {
    Some(Arc::new(Count::default()).into())
}

#[test]
fn waiters_are_served_in_the_order_they_came() {
    let mut waiters = Waiters::new();
    let mut queue = Queue::EMPTY;
    let mut keys = [None; 3];
    for key in &mut keys {
        let mut waker = waker();
        waiters.wait(&mut queue, key, &mut waker);
        assert!(waker.is_none());
    }
    for (position, key) in keys.into_iter().enumerate() {
        assert!(waiters.may_take(queue, key));
        assert!(!waiters.may_take(queue, None), "nobody overtakes the queue");
        let (hand_on, old) = waiters.leave(&mut queue, key.unwrap());
        assert!(old.is_some());
        assert_eq!(hand_on, position < 2);
    }
    assert!(queue.is_empty());
    assert!(waiters.may_take(queue, None));
}

#[test]
fn a_waiter_that_leaves_from_the_middle_or_the_end_keeps_the_rest_in_order() {
    let mut waiters = Waiters::new();
    let mut queue = Queue::EMPTY;
    let mut keys = [None; 4];
    for key in &mut keys {
        waiters.wait(&mut queue, key, &mut waker());
    }
    assert!(!waiters.leave(&mut queue, keys[1].unwrap()).0);
    assert!(!waiters.leave(&mut queue, keys[3].unwrap()).0);
    assert!(waiters.leave(&mut queue, keys[0].unwrap()).0);
    assert!(waiters.may_take(queue, keys[2]));
    let mut late = None;
    waiters.wait(&mut queue, &mut late, &mut waker());
    assert!(waiters.leave(&mut queue, keys[2].unwrap()).0);
    assert!(waiters.may_take(queue, late));
}

#[test]
fn leaving_twice_changes_nothing() {
    let mut waiters = Waiters::new();
    let mut queue = Queue::EMPTY;
    let mut first = None;
    waiters.wait(&mut queue, &mut first, &mut waker());
    waiters.leave(&mut queue, first.unwrap());
    let mut second = None;
    waiters.wait(&mut queue, &mut second, &mut waker());
    assert!(!waiters.leave(&mut queue, first.unwrap()).0);
    assert!(waiters.may_take(queue, second), "a stale key removed a live waiter");
}

#[test]
fn the_first_waiter_is_woken_once_until_it_waits_again() {
    let mut waiters = Waiters::new();
    let mut queue = Queue::EMPTY;
    let mut key = None;
    waiters.wait(&mut queue, &mut key, &mut waker());
    assert!(waiters.first(queue).is_some());
    assert!(waiters.first(queue).is_none());
    waiters.wait(&mut queue, &mut key, &mut waker());
    assert!(waiters.first(queue).is_some());
}

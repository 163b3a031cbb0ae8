//! Tests of the queues of waiting futures.

use std::task::Waker;

use annulus_task::{Executor, OnPanic};

use super::*;

/// Somebody who waits.
fn somebody() -> Waiter {
    let executor = Executor::new(OnPanic::Contain).expect("there is room for a core");
    executor.waiter(Waker::noop())
}

#[test]
fn waiters_are_served_in_the_order_they_came() {
    let mut waiters = Waiters::new();
    let mut queue = Queue::EMPTY;
    let mut keys = [None; 3];
    for key in &mut keys {
        let mut who = somebody();
        waiters.wait(&mut queue, key, &mut who);
        assert!(who.is_none());
    }
    for (position, key) in keys.into_iter().enumerate() {
        assert!(waiters.may_take(queue, key));
        assert!(!waiters.may_take(queue, None), "nobody overtakes the queue");
        let (hand_on, old) = waiters.leave(&mut queue, key.unwrap());
        assert!(!old.is_none());
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
        waiters.wait(&mut queue, key, &mut somebody());
    }
    assert!(!waiters.leave(&mut queue, keys[1].unwrap()).0);
    assert!(!waiters.leave(&mut queue, keys[3].unwrap()).0);
    assert!(waiters.leave(&mut queue, keys[0].unwrap()).0);
    assert!(waiters.may_take(queue, keys[2]));
    let mut late = None;
    waiters.wait(&mut queue, &mut late, &mut somebody());
    assert!(waiters.leave(&mut queue, keys[2].unwrap()).0);
    assert!(waiters.may_take(queue, late));
}

#[test]
fn leaving_twice_changes_nothing() {
    let mut waiters = Waiters::new();
    let mut queue = Queue::EMPTY;
    let mut first = None;
    waiters.wait(&mut queue, &mut first, &mut somebody());
    waiters.leave(&mut queue, first.unwrap());
    let mut second = None;
    waiters.wait(&mut queue, &mut second, &mut somebody());
    assert!(!waiters.leave(&mut queue, first.unwrap()).0);
    assert!(waiters.may_take(queue, second), "a stale key removed a live waiter");
}

#[test]
fn the_first_waiter_is_woken_once_until_it_waits_again() {
    let mut waiters = Waiters::new();
    let mut queue = Queue::EMPTY;
    let mut key = None;
    waiters.wait(&mut queue, &mut key, &mut somebody());
    assert!(!waiters.first(queue).is_none());
    assert!(waiters.first(queue).is_none());
    waiters.wait(&mut queue, &mut key, &mut somebody());
    assert!(!waiters.first(queue).is_none());
}

#[test]
fn only_who_is_alone_and_woken_leaves_by_himself() {
    let mut waiters = Waiters::new();
    let mut queue = Queue::EMPTY;
    assert!(waiters.leave_alone(&mut queue, &mut None), "nobody waits");

    let mut first = None;
    waiters.wait(&mut queue, &mut first, &mut somebody());
    assert!(!waiters.leave_alone(&mut queue, &mut None), "somebody else does");
    assert!(!waiters.leave_alone(&mut queue, &mut first), "he has not been woken");
    drop(waiters.first(queue));

    let mut second = None;
    waiters.wait(&mut queue, &mut second, &mut somebody());
    assert!(!waiters.leave_alone(&mut queue, &mut first), "another one is behind him");
    assert!(!waiters.leave_alone(&mut queue, &mut second), "it is not his turn");
    waiters.leave(&mut queue, second.unwrap());

    assert!(waiters.leave_alone(&mut queue, &mut first));
    assert!(first.is_none() && queue.is_empty());
    waiters.wait(&mut queue, &mut first, &mut somebody());
    assert!(waiters.may_take(queue, first), "the queue goes on");
}

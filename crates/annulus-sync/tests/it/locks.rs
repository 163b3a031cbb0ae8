//! Semaphore, mutex, read-write lock, barrier.

use std::rc::Rc;

use annulus_sync::{Barrier, Closed, Mutex, RwLock, Semaphore, TryAcquireError};

use crate::support::{Task, now};

#[test]
fn permits_are_given_in_the_order_of_asking() {
    let semaphore = Semaphore::new(1);
    let held = now(semaphore.acquire(1)).unwrap();
    let first = Task::waiting(semaphore.acquire(1));
    let second = Task::waiting(semaphore.acquire(1));
    drop(held);
    assert_eq!(second.wakes(), 0);
    let held = first.woken().unwrap();
    drop(held);
    assert!(second.woken().is_ok());
}

#[test]
fn a_large_request_is_not_overtaken() {
    let semaphore = Semaphore::new(2);
    let held = now(semaphore.acquire(1)).unwrap();
    let large = Task::waiting(semaphore.acquire(2));
    assert_eq!(semaphore.try_acquire(1).unwrap_err(), TryAcquireError::NoPermits);
    let small = Task::waiting(semaphore.acquire(1));
    drop(held);
    let large = large.woken().unwrap();
    assert_eq!(small.wakes(), 0);
    drop(large);
    small.woken().unwrap().forget();
    assert_eq!(semaphore.available_permits(), 1, "a forgotten permit does not come back");
}

#[test]
fn a_large_request_that_leaves_lets_the_small_ones_pass() {
    let semaphore = Semaphore::new(1);
    let large = Task::waiting(semaphore.acquire(2));
    let small = Task::waiting(semaphore.acquire(1));
    drop(large);
    assert!(small.woken().is_ok());
}

#[test]
fn permits_granted_to_a_dropped_future_go_to_the_next() {
    let semaphore = Semaphore::new(1);
    let held = now(semaphore.acquire(1)).unwrap();
    let first = Task::waiting(semaphore.acquire(1));
    let second = Task::waiting(semaphore.acquire(1));
    drop(held);
    drop(first);
    assert!(second.woken().is_ok());
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn closing_a_semaphore_ends_all_waiting() {
    let semaphore = Rc::new(Semaphore::new(0));
    let waiting = Task::waiting(semaphore.acquire(1));
    let owned = Task::waiting(semaphore.clone().acquire_owned(1));
    semaphore.close();
    assert_eq!(waiting.woken().unwrap_err(), Closed);
    assert_eq!(owned.woken().unwrap_err(), Closed);
    assert_eq!(now(semaphore.acquire(0)).unwrap_err(), Closed);
    assert!(semaphore.is_closed());
}

#[test]
fn a_mutex_excludes_and_hands_on() {
    let mutex = Mutex::new(0);
    let mut guard = now(mutex.lock());
    assert!(mutex.try_lock().is_none());
    let next = Task::waiting(mutex.lock());
    *guard += 1;
    drop(guard);
    let mut guard = next.woken();
    *guard += 1;
    drop(guard);
    assert_eq!(mutex.into_inner(), 2);
}

#[test]
fn a_writer_that_waits_is_not_overtaken_by_readers() {
    let lock = RwLock::new(1);
    let reading = now(lock.read());
    let writer = Task::waiting(lock.write());
    let late = Task::waiting(lock.read());
    assert!(lock.try_read().is_none());
    drop(reading);
    assert_eq!(late.wakes(), 0);
    *writer.woken() = 2;
    assert_eq!(*late.woken(), 2);
}

#[test]
fn readers_read_together() {
    let lock = RwLock::new(());
    let writing = now(lock.write());
    let readers: Vec<_> = (0..3).map(|_| Task::waiting(lock.read())).collect();
    drop(writing);
    let guards: Vec<_> = readers.into_iter().map(Task::woken).collect();
    assert!(lock.try_write().is_none());
    drop(guards);
    assert!(lock.try_write().is_some());
}

#[test]
fn a_barrier_lets_all_pass_when_the_last_has_come_again_and_again() {
    let barrier = Barrier::new(3);
    for _ in 0..3 {
        let first = Task::waiting(barrier.wait());
        let second = Task::waiting(barrier.wait());
        assert!(now(barrier.wait()), "the last to come is the one");
        assert!(!first.woken());
        assert!(!second.woken());
    }
}

#[test]
fn who_leaves_a_barrier_has_not_come() {
    let barrier = Barrier::new(2);
    drop(Task::waiting(barrier.wait()));
    let waiting = Task::waiting(barrier.wait());
    assert!(now(barrier.wait()));
    assert!(!waiting.woken());
}

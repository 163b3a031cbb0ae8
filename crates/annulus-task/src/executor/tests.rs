//! What needs a look inside; behaviour is tested in `tests/it`.

use std::future::{pending, ready};
use std::mem;

use super::*;
use crate::waker::wake_current;

#[test]
fn a_header_is_used_again_under_another_name() {
    let executor = Executor::new(OnPanic::Contain).unwrap();
    let first = executor.spawn(ready(())).id();
    assert_eq!(executor.run(10), 1);
    let second = executor.spawn(ready(())).id();
    assert_eq!(first.index(), second.index());
    assert_ne!(first, second);
    executor.wake(first);
    assert_eq!(executor.run(10), 1, "a stale name wakes nobody");
}

#[test]
fn a_forgotten_guard_never_leaves_a_dangling_current_core() {
    let executor = Executor::new(OnPanic::Contain).unwrap();
    let stale = executor.spawn(pending::<()>()).id();
    mem::forget(executor.enter());
    drop(executor);
    assert_eq!(current::current(), None);
    wake_current(stale);
    let other = Executor::new(OnPanic::Contain).unwrap();
    drop(other.enter());
    wake_current(stale);
    assert_eq!(current::current_task(), None);
    drop(current::swap(None));
}

#[test]
fn guards_dropped_in_the_wrong_order_never_leave_a_dangling_current_core() {
    let first = Executor::new(OnPanic::Contain).unwrap();
    let second = Executor::new(OnPanic::Contain).unwrap();
    let one = first.enter();
    let two = second.enter();
    drop(one);
    drop(first);
    drop(two);
    assert_eq!(current::current(), None);
    drop(current::swap(None));
}

#[test]
fn a_task_that_wakes_itself_and_ends_gives_its_header_back_when_it_leaves_the_queue() {
    let executor = Executor::new(OnPanic::Contain).unwrap();
    let _entered = executor.enter();
    let handle = executor.spawn(async {
        wake_current(current::current_task().unwrap());
    });
    let index = handle.id().index();
    assert_eq!(executor.run(1), 1);
    assert!(handle.is_finished() && executor.has_ready());
    assert_ne!(executor.spawn(pending::<()>()).id().index(), index);
    assert_eq!(executor.run(10), 1);
    assert_eq!(executor.spawn(pending::<()>()).id().index(), index);
}

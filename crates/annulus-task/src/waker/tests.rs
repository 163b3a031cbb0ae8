//! Wakers as values.

use super::*;

#[test]
fn a_waker_names_its_task_and_only_ours_do() {
    let task = TaskId::new(1023, 77, 5);
    assert_eq!(task_of(&of(task)), Some(task));
    assert_eq!(task_of(&of(task).clone()), Some(task));
    assert_eq!(task_of(Waker::noop()), None);
}

#[test]
fn wakers_are_equal_exactly_if_their_tasks_are() {
    let task = TaskId::new(1023, 77, 5);
    assert!(of(task).will_wake(&of(task).clone()));
    assert!(!of(task).will_wake(&of(TaskId::new(1023, 77, 6))));
}

#[test]
fn waking_a_task_of_a_slot_that_was_never_used_does_nothing() {
    of(TaskId::new(1023, 77, 5)).wake_by_ref();
    Waker::clone(&of(TaskId::new(1023, 77, 5))).wake();
}

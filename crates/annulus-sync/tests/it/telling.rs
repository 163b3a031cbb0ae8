//! Notify, watch and oneshot.

use annulus_sync::{Closed, Notify, SendError, TryRecvError, oneshot, watch};

use crate::support::{Task, now};

#[test]
fn one_is_told_or_the_next_passes() {
    let notify = Notify::new();
    notify.notify_one();
    notify.notify_one();
    now(notify.notified());
    let first = Task::waiting(notify.notified());
    let second = Task::waiting(notify.notified());
    notify.notify_one();
    first.woken();
    assert_eq!(second.wakes(), 0);
}

#[test]
fn news_for_a_dropped_future_goes_to_the_next() {
    let notify = Notify::new();
    let first = Task::waiting(notify.notified());
    let second = Task::waiting(notify.notified());
    notify.notify_one();
    drop(first);
    second.woken();
}

#[test]
fn news_for_all_is_not_remembered() {
    let notify = Notify::new();
    let waiting: Vec<_> = (0..3).map(|_| Task::waiting(notify.notified())).collect();
    notify.notify_waiters();
    let mut waiting = waiting.into_iter();
    drop(waiting.next());
    waiting.for_each(Task::woken);
    Task::waiting(notify.notified());
}

#[test]
fn a_watcher_is_told_of_the_latest_value_only() {
    let (sender, mut receiver) = watch::channel(0);
    let mut late = sender.subscribe();
    let waiting = Task::waiting(receiver.changed());
    for n in 1..4 {
        sender.send(n).unwrap();
    }
    assert_eq!(waiting.woken(), Ok(()));
    assert_eq!(*receiver.borrow(), 3);
    assert!(!receiver.has_changed());
    assert!(!sender.send_if_modified(|_| false));
    assert!(!receiver.has_changed());
    assert!(late.has_changed());
    assert_eq!(*late.borrow_and_update(), 3);
    let waiting = Task::waiting(late.changed());
    drop(sender);
    assert_eq!(waiting.woken(), Err(Closed));
}

#[test]
fn without_watchers_a_value_comes_back() {
    let (sender, receiver) = watch::channel(0);
    let clone = receiver.clone();
    drop((receiver, clone));
    assert_eq!(sender.receiver_count(), 0);
    assert_eq!(sender.send(1), Err(SendError(1)));
}

#[test]
fn a_oneshot_carries_one_value() {
    let (sender, receiver) = oneshot::channel();
    let waiting = Task::waiting(receiver);
    sender.send(7).unwrap();
    assert_eq!(waiting.woken(), Ok(7));
}

#[test]
fn a_oneshot_says_when_the_other_side_is_gone() {
    let (sender, receiver) = oneshot::channel::<u8>();
    let waiting = Task::waiting(receiver);
    drop(sender);
    assert_eq!(waiting.woken(), Err(Closed));

    let (mut sender, receiver) = oneshot::channel();
    let mut closed = Task::waiting(sender.closed());
    drop(receiver);
    assert_eq!(closed.wakes(), 1);
    assert_eq!(closed.poll(), Some(()));
    drop(closed);
    assert!(sender.is_closed());
    assert_eq!(sender.send(7), Err(7));
}

#[test]
fn a_value_that_was_sent_before_the_sender_went_is_received() {
    let (sender, mut receiver) = oneshot::channel();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    sender.send(7).unwrap();
    assert_eq!(receiver.try_recv(), Ok(7));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

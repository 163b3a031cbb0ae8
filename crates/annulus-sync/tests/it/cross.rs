//! Channels between threads.

use std::sync::Arc;

use annulus_sync::{Closed, SendError, TryRecvError, TrySendError, cross};

use crate::support::{Task, now};

fn send<T: Send>() {}
fn sync<T: Sync>() {}

#[test]
fn both_ends_may_cross_threads() {
    send::<cross::Sender<std::cell::Cell<u8>>>();
    sync::<cross::Sender<std::cell::Cell<u8>>>();
    send::<cross::Receiver<std::cell::Cell<u8>>>();
    send::<cross::OneSender<std::cell::Cell<u8>>>();
    send::<cross::OneReceiver<std::cell::Cell<u8>>>();
}

#[test]
fn senders_wait_for_room_in_order() {
    let (sender, mut receiver) = cross::channel(1);
    now(sender.send(1)).unwrap();
    let second = Task::waiting(sender.send(2));
    let third = Task::waiting(sender.send(3));
    assert_eq!(sender.try_send(4), Err(TrySendError::Full(4)));
    assert_eq!(now(receiver.recv()), Some(1));
    assert_eq!(sender.try_send(4), Err(TrySendError::Full(4)), "the room is the second's");
    assert_eq!(third.wakes(), 0);
    second.woken().unwrap();
    assert_eq!(receiver.try_recv(), Ok(2));
    third.woken().unwrap();
    assert_eq!(receiver.try_recv(), Ok(3));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_send_that_is_dropped_leaves_its_room_to_the_next() {
    let (sender, mut receiver) = cross::channel(1);
    now(sender.send(1)).unwrap();
    let gives_up = Task::waiting(sender.send(2));
    let stays = Task::waiting(sender.send(3));
    assert_eq!(now(receiver.recv()), Some(1));
    drop(gives_up);
    stays.woken().unwrap();
    assert_eq!(receiver.len(), 1);
    assert_eq!(now(receiver.recv()), Some(3));
}

#[test]
fn a_receiver_that_goes_frees_who_waits() {
    let (sender, receiver) = cross::channel(1);
    let value = Arc::new(());
    now(sender.send(value.clone())).unwrap();
    let waiting = Task::waiting(sender.send(value.clone()));
    drop(receiver);
    let SendError(back) = waiting.woken().unwrap_err();
    assert_eq!(Arc::strong_count(&back), 2, "the queued one was dropped");
    assert!(sender.is_closed());
    assert!(matches!(sender.try_send(back), Err(TrySendError::Closed(_))));
}

#[test]
fn a_granted_send_of_a_closed_channel_gives_its_value_back() {
    let (sender, mut receiver) = cross::channel(1);
    now(sender.send(1)).unwrap();
    let granted = Task::waiting(sender.send(2));
    assert_eq!(now(receiver.recv()), Some(1));
    receiver.close();
    assert_eq!(granted.woken(), Err(SendError(2)));
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn many_threads_send_and_nothing_is_lost_or_reordered() {
    const THREADS: usize = 4;
    const VALUES: usize = 10_000;
    for capacity in [1, 7, 1000] {
        let (sender, mut receiver) = cross::channel(capacity);
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let sender = sender.clone();
                std::thread::spawn(move || {
                    for n in 0..VALUES {
                        sender.send_blocking((thread, n)).unwrap();
                    }
                })
            })
            .collect();
        drop(sender);
        let mut next = [0; THREADS];
        while let Some((thread, n)) = receiver.recv_blocking() {
            assert_eq!(n, next[thread]);
            next[thread] += 1;
        }
        assert_eq!(next, [VALUES; THREADS]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn a_oneshot_says_when_the_other_side_is_gone() {
    let (sender, receiver) = cross::oneshot::<u8>();
    let waiting = Task::waiting(receiver);
    drop(sender);
    assert_eq!(waiting.woken(), Err(Closed));

    let (sender, mut receiver) = cross::oneshot();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send(7), Err(7));
}

#[test]
fn a_closed_channel_is_drained_to_its_end_although_senders_live() {
    let (sender, mut receiver) = cross::channel(2);
    now(sender.send(1)).unwrap();
    receiver.close();
    assert_eq!(now(receiver.recv()), Some(1));
    assert_eq!(now(receiver.recv()), None);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    drop(sender);
}

//! Channels of one core.

use std::rc::Rc;

use annulus_sync::{SendError, TryRecvError, TrySendError, mpsc};

use crate::support::{Task, now};

#[test]
fn senders_wait_for_room_in_order() {
    let (sender, mut receiver) = mpsc::channel(1);
    now(sender.send(1)).unwrap();
    let second = Task::waiting(sender.send(2));
    let third = Task::waiting(sender.send(3));
    assert_eq!(sender.try_send(4), Err(TrySendError::Full(4)));
    assert_eq!(now(receiver.recv()), Some(1));
    assert_eq!(third.wakes(), 0);
    second.woken().unwrap();
    assert_eq!(now(receiver.recv()), Some(2));
    third.woken().unwrap();
    assert_eq!(now(receiver.recv()), Some(3));
}

#[test]
fn room_is_kept_for_who_reserved_it_and_goes_back_unused() {
    let (sender, mut receiver) = mpsc::channel(1);
    let slot = now(sender.reserve()).unwrap();
    let waiting = Task::waiting(sender.reserve());
    drop(slot);
    waiting.woken().unwrap().send(5).unwrap();
    assert_eq!(receiver.try_recv(), Ok(5));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_receiver_is_woken_by_a_value_and_by_the_last_sender() {
    let (sender, mut receiver) = mpsc::unbounded();
    let other = sender.clone();
    let waiting = Task::waiting(receiver.recv());
    sender.send(1).unwrap();
    assert_eq!(waiting.woken(), Some(1));
    let waiting = Task::waiting(receiver.recv());
    drop(sender);
    assert_eq!(waiting.wakes(), 0);
    drop(other);
    assert_eq!(waiting.woken(), None);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn a_receiver_that_goes_gives_values_back_and_drops_the_queued() {
    let (sender, receiver) = mpsc::channel(1);
    let value = Rc::new(());
    now(sender.send(value.clone())).unwrap();
    let waiting = Task::waiting(sender.send(value.clone()));
    drop(receiver);
    let SendError(back) = waiting.woken().unwrap_err();
    assert!(sender.is_closed());
    assert_eq!(Rc::strong_count(&back), 2, "the queued one was dropped");
    assert!(matches!(sender.try_send(back), Err(TrySendError::Closed(_))));
}

#[test]
fn a_closed_channel_still_gives_what_was_sent() {
    let (sender, mut receiver) = mpsc::unbounded();
    sender.send(1).unwrap();
    receiver.close();
    assert_eq!(sender.send(2), Err(SendError(2)));
    assert_eq!((receiver.len(), now(receiver.recv())), (1, Some(1)));
    assert!(receiver.is_empty());
}

#[test]
fn a_send_that_is_dropped_leaves_its_room_to_the_next() {
    let (sender, mut receiver) = mpsc::channel(1);
    now(sender.send(1)).unwrap();
    let gives_up = Task::waiting(sender.send(2));
    let stays = Task::waiting(sender.send(3));
    assert_eq!(now(receiver.recv()), Some(1));
    drop(gives_up);
    stays.woken().unwrap();
    assert_eq!(now(receiver.recv()), Some(3));
}

/// A value whose destructor uses the channel that it was in.
struct Talkative(mpsc::UnboundedSender<Self>);

impl Drop for Talkative {
    fn drop(&mut self) {
        assert!(self.0.is_closed());
        let _ = self.0.clone();
    }
}

#[test]
fn destructors_of_values_may_use_their_channel() {
    let (sender, receiver) = mpsc::unbounded();
    sender.send(Talkative(sender.clone())).unwrap();
    sender.send(Talkative(sender.clone())).unwrap();
    drop(receiver);
}

#[test]
fn a_closed_channel_is_drained_to_its_end_although_senders_live() {
    let (sender, mut receiver) = mpsc::channel(2);
    now(sender.send(1)).unwrap();
    receiver.close();
    assert_eq!(now(receiver.recv()), Some(1));
    assert_eq!(now(receiver.recv()), None);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
}

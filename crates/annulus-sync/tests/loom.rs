//! Models of what threads share, explored exhaustively by loom:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p annulus-sync --test loom --profile models
//! ```
//!
//! A lost wake shows as a deadlock, which loom reports.
#![cfg(loom)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use annulus_sync::{Closed, SendError, cross};
use loom::thread;

#[test]
fn a_value_wakes_the_receiver_that_waits() {
    loom::model(|| {
        let (sender, receiver) = cross::oneshot();
        let thread = thread::spawn(move || sender.send(7));
        assert_eq!(receiver.recv_blocking(), Ok(7));
        assert_eq!(thread.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_sender_that_goes_wakes_the_receiver() {
    loom::model(|| {
        let (sender, receiver) = cross::oneshot::<u8>();
        let thread = thread::spawn(move || drop(sender));
        assert_eq!(receiver.recv_blocking(), Err(Closed));
        thread.join().unwrap();
    });
}

#[test]
fn a_value_is_received_or_given_back() {
    loom::model(|| {
        let (sender, mut receiver) = cross::oneshot();
        let thread = thread::spawn(move || sender.send(7));
        let received = receiver.try_recv().ok();
        drop(receiver);
        let sent = thread.join().unwrap();
        assert!(sent.is_ok() || received.is_none());
    });
}

#[test]
fn all_values_arrive_in_order_through_a_full_channel() {
    loom::model(|| {
        let (sender, mut receiver) = cross::channel(1);
        let thread = thread::spawn(move || {
            for n in 0..2 {
                sender.send_blocking(n).unwrap();
            }
        });
        assert_eq!(receiver.recv_blocking(), Some(0));
        assert_eq!(receiver.recv_blocking(), Some(1));
        assert_eq!(receiver.recv_blocking(), None);
        thread.join().unwrap();
    });
}

#[test]
fn two_senders_share_one_place() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(|| {
        let (sender, mut receiver) = cross::channel(1);
        let other = sender.clone();
        let one = thread::spawn(move || sender.send_blocking(1));
        let two = thread::spawn(move || other.send_blocking(2));
        let sum = receiver.recv_blocking().unwrap() + receiver.recv_blocking().unwrap();
        assert_eq!(sum, 3);
        assert_eq!(receiver.recv_blocking(), None);
        one.join().unwrap().unwrap();
        two.join().unwrap().unwrap();
    });
}

#[test]
fn a_receiver_that_goes_frees_the_sender_that_waits() {
    loom::model(|| {
        let (sender, receiver) = cross::channel(1);
        sender.try_send(1).unwrap();
        let thread = thread::spawn(move || drop(receiver));
        assert_eq!(sender.send_blocking(2), Err(SendError(2)));
        thread.join().unwrap();
    });
}

#[test]
fn a_sender_that_gives_up_hands_its_room_on() {
    loom::model(|| {
        let (sender, mut receiver) = cross::channel(1);
        sender.try_send(0).unwrap();
        let mut first = sender.send(1);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut first).poll(&mut cx).is_pending());
        let second = sender.clone();
        let thread = thread::spawn(move || {
            assert_eq!(receiver.recv_blocking(), Some(0));
            receiver.recv_blocking()
        });
        // The room goes to the first, before or after it gives up.
        drop(first);
        second.send_blocking(2).unwrap();
        assert_eq!(thread.join().unwrap(), Some(2));
    });
}

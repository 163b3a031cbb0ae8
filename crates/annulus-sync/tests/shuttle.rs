//! Models of channels between many threads, explored by shuttle: random interleavings, where those
//! of loom would be too many.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p annulus-sync --test shuttle --profile models
//! ```
//!
//! A lost wake shows as a deadlock. `SHUTTLE_ITERATIONS` says how many executions there are.
#![cfg(shuttle)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};

use annulus_sync::{SendError, TrySendError, cross};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let iterations = std::env::var("SHUTTLE_ITERATIONS")
        .map_or(500, |number| number.parse().expect("a number of executions"));
    let model = Arc::new(model);
    let same = Arc::clone(&model);
    shuttle::check_random(move || model(), iterations);
    shuttle::check_pct(move || same(), iterations, 4);
}

/// A value that counts its drops, which is no step of a model.
struct Value {
    thread: usize,
    number: u32,
    drops: Arc<AtomicU32>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

const THREADS: usize = 4;
const VALUES: u32 = 3;

/// Sends in one of the ways there are. True if the receiver will see it, unless it goes.
fn send(sender: &cross::Sender<Value>, value: Value) -> bool {
    match thread_rng().gen_range(0..4) {
        0 => {
            let mut value = value;
            loop {
                match sender.try_send(value) {
                    Ok(()) => return true,
                    Err(TrySendError::Closed(_)) => return false,
                    Err(TrySendError::Full(back)) => value = back,
                }
                thread::yield_now();
            }
        }
        1 => {
            // Gives up, perhaps with room granted, which the next must get.
            let mut sending = sender.send(value);
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..2 {
                match Pin::new(&mut sending).poll(&mut cx) {
                    std::task::Poll::Ready(sent) => return sent.is_ok(),
                    std::task::Poll::Pending => thread::yield_now(),
                }
            }
            false
        }
        _ => sender.send_blocking(value).is_ok(),
    }
}

fn senders(sender: cross::Sender<Value>, drops: &Arc<AtomicU32>) -> Vec<thread::JoinHandle<u32>> {
    (0..THREADS)
        .map(|thread| {
            let (sender, drops) = (sender.clone(), Arc::clone(drops));
            thread::spawn(move || {
                let mut sent = 0;
                for number in 1..=VALUES {
                    let value = Value { thread, number, drops: Arc::clone(&drops) };
                    sent += u32::from(send(&sender, value));
                }
                sent
            })
        })
        .collect()
}

/// Catches: a value that is lost, or overtakes one of its own sender; room that is lost with a
/// sender that gives up; a wake of either side that is lost.
#[test]
fn four_senders_of_every_kind_and_nothing_is_lost_or_reordered() {
    for capacity in [1, 2] {
        explore(move || {
            let drops = Arc::new(AtomicU32::new(0));
            let (sender, mut receiver) = cross::channel(capacity);
            let threads = senders(sender, &drops);
            let (mut last, mut received) = ([0; THREADS], 0);
            while let Some(value) = receiver.recv_blocking() {
                assert!(value.number > last[value.thread], "a value overtook another");
                last[value.thread] = value.number;
                received += 1;
            }
            let sent: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            assert_eq!(received, sent);
            assert_eq!(drops.load(Ordering::Relaxed), THREADS as u32 * VALUES);
        });
    }
}

/// Catches: a sender that waits for ever for a receiver that is gone, and a value that is dropped
/// twice or never.
#[test]
fn a_receiver_that_goes_in_the_middle_frees_all_who_wait() {
    explore(|| {
        let drops = Arc::new(AtomicU32::new(0));
        let (sender, mut receiver) = cross::channel(1);
        let threads = senders(sender, &drops);
        for _ in 0..thread_rng().gen_range(0..3) {
            drop(receiver.recv_blocking());
        }
        drop(receiver);
        threads.into_iter().for_each(|thread| {
            thread.join().unwrap();
        });
        assert_eq!(drops.load(Ordering::Relaxed), THREADS as u32 * VALUES);
    });
}

/// Catches: a close that loses what was sent before it, or lets something in after it.
#[test]
fn a_close_in_the_middle_refuses_what_comes_and_keeps_what_came() {
    explore(|| {
        let drops = Arc::new(AtomicU32::new(0));
        let (sender, mut receiver) = cross::channel(2);
        let held = sender.clone();
        let threads = senders(sender, &drops);
        let mut received = 0;
        for _ in 0..thread_rng().gen_range(0..3) {
            received += u32::from(receiver.recv_blocking().is_some());
        }
        receiver.close();
        while receiver.recv_blocking().is_some() {
            received += 1;
        }
        let sent: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(received, sent, "a value was accepted and not received");
        let late = Value { thread: 0, number: 9, drops: Arc::clone(&drops) };
        assert!(matches!(held.send_blocking(late), Err(SendError(_))));
    });
}

/// Catches: answers that go astray among many pairs, some of which are dropped.
#[test]
fn oneshots_answer_or_say_that_nobody_will() {
    explore(|| {
        let (threads, receivers): (Vec<_>, Vec<_>) = (0..5)
            .map(|number| {
                let (sender, receiver) = cross::oneshot();
                let answers = thread_rng().r#gen::<bool>();
                let thread = thread::spawn(move || {
                    if answers {
                        let _nobody_waits = sender.send(number);
                    }
                });
                (thread, (number, answers, receiver))
            })
            .unzip();
        for (number, answers, receiver) in receivers {
            if thread_rng().r#gen() {
                drop(receiver);
            } else {
                assert_eq!(receiver.recv_blocking().ok(), answers.then_some(number));
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

//! A core that has nothing in its ring sleeps on its bell, and one that has something sleeps in the
//! ring: both are woken by other threads, and neither sleeps over a message. Counted, never timed.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use annulus::net::TcpListener;
use annulus::runtime::{Builder, Runtime, metrics};
use annulus::sync::cross;
use annulus::time::timeout;
use annulus_ring::Mask;
use annulus_ring::abi::Opcode;
use futures_util::future::poll_immediate;

use crate::counting::{Calls, counting};
use crate::harness::{made, run, run_on, share_process};

/// A thread that answers each number with the next, and the ends to ask it by.
struct Answerer {
    questions: mpsc::Sender<u32>,
    answers: cross::Receiver<u32>,
    thread: JoinHandle<()>,
}

impl Answerer {
    fn new() -> Self {
        let (questions, asked) = mpsc::channel::<u32>();
        let (answer, answers) = cross::channel(1);
        let thread = thread::spawn(move || {
            while let Ok(number) = asked.recv() {
                if answer.send_blocking(number + 1).is_err() {
                    return;
                }
            }
        });
        Self { questions, answers, thread }
    }

    async fn ask(&mut self, number: u32) {
        self.questions.send(number).expect("the thread lives");
        assert_eq!(self.answers.recv().await, Some(number + 1));
    }

    fn end(self) {
        drop(self.questions);
        self.thread.join().expect("no panic");
    }
}

/// Asks until the core has slept, and returns in which way: `(alone, in the ring)`.
async fn sleeps(answerer: &mut Answerer) -> io::Result<(u64, u64)> {
    let before = metrics()?;
    for number in 0..1_000_000 {
        answerer.ask(number).await;
        let now = metrics()?;
        let slept = (now.waits_alone - before.waits_alone, now.waits - before.waits);
        if number >= 100 && slept != (0, 0) {
            return Ok(slept);
        }
    }
    panic!("a million answers came without a sleep");
}

#[test]
fn a_core_that_waits_only_for_other_threads_sleeps_without_its_ring() {
    let has_futex = {
        let _shared = share_process();
        made(Runtime::builder()).capabilities().supports(Opcode::FUTEX_WAIT)
    };
    run(async {
        let mut answerer = Answerer::new();
        let (alone, in_ring) = sleeps(&mut answerer).await?;
        if has_futex {
            assert!(alone > 0);
            assert_eq!(in_ring, 0, "nothing was in the ring");
        } else {
            assert_eq!(alone, 0, "an eventfd is read by the ring");
        }
        answerer.end();
        Ok(())
    });
}

#[test]
fn a_core_with_a_request_in_flight_sleeps_in_the_ring_and_is_woken_there() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let accepting = annulus::spawn(async move { listener.accept().await.map(drop) });
        annulus::task::yield_now().await;
        let mut answerer = Answerer::new();
        let (alone, in_ring) = sleeps(&mut answerer).await?;
        assert_eq!(alone, 0);
        assert!(in_ring > 0);
        accepting.abort();
        let _aborted = accepting.await;
        answerer.end();
        Ok(())
    });
}

#[test]
fn a_core_with_a_timer_sleeps_in_the_ring_which_ends_on_time() {
    run(async {
        let mut answerer = Answerer::new();
        let asked = timeout(Duration::from_secs(3600), sleeps(&mut answerer));
        let (alone, in_ring) = asked.await.expect("an hour is not over")?;
        assert_eq!(alone, 0);
        assert!(in_ring > 0);
        answerer.end();
        Ok(())
    });
}

/// Questions to five threads at once, while requests come and go: each change between both ways of
/// sleeping is one in which a wake could be lost, and then an answer would never be taken.
fn storm(builder: Builder) {
    const ROUNDS: u32 = 3_000;
    run_on(builder, async {
        let asks = (0..4).map(|_| {
            annulus::spawn(async {
                let mut answerer = Answerer::new();
                for number in 0..ROUNDS {
                    answerer.ask(number).await;
                }
                answerer.end();
            })
        });
        let asks: Vec<_> = asks.collect();
        let mut answerer = Answerer::new();
        for number in 0..ROUNDS / 10 {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            assert!(poll_immediate(listener.accept()).await.is_none());
            answerer.ask(number).await;
            drop(listener);
            answerer.ask(number).await;
        }
        answerer.end();
        for ask in asks {
            ask.await.expect("no panic");
        }
        Ok(())
    });
}

#[test]
fn no_wake_is_lost_while_a_core_changes_between_both_ways_of_sleeping() {
    storm(Runtime::builder());
}

#[test]
fn no_wake_is_lost_where_the_ring_cannot_wait_for_a_futex() {
    storm(Runtime::builder().mask(Mask::none().op(Opcode::FUTEX_WAIT)));
}

#[test]
fn no_wake_is_lost_with_a_kernel_that_has_no_wait_without_a_ring() {
    let calls = Arc::new(Calls::default());
    storm(Runtime::builder().kernel(counting(&calls)));
    assert!(calls.waits().0 > 0, "it sleeps in the ring");
}

//! Our futures under combinators and under executors that are not ours.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use annulus::fs::File;
use annulus::net::UnixStream;
use annulus::time::{sleep, timeout};
use futures_util::future::{Either, join_all, select, select_all};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::harness::{pair, run};

/// An executor in a future: polls what is inside with a waker of its own, which says "woken" and
/// wakes whoever polled it last.
struct Nested<F> {
    inner: Pin<Box<F>>,
    relay: Arc<Relay>,
}

struct Relay {
    woken: AtomicBool,
    outer: Mutex<Option<Waker>>,
    wakes: AtomicU64,
}

impl<F> Nested<F> {
    fn new(inner: F) -> Self {
        let relay = Relay {
            woken: AtomicBool::new(true),
            outer: Mutex::default(),
            wakes: AtomicU64::new(0),
        };
        Self { inner: Box::pin(inner), relay: Arc::new(relay) }
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        self.woken.store(true, Ordering::SeqCst);
        let outer = self.outer.lock().unwrap().take();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

impl<F: Future> Future for Nested<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        *self.relay.outer.lock().unwrap() = Some(cx.waker().clone());
        let waker = Waker::from(Arc::clone(&self.relay));
        while self.relay.woken.swap(false, Ordering::SeqCst) {
            // Polled only when woken: a wake that is lost or misdirected leaves it waiting.
            if let Poll::Ready(output) = self.inner.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    }
}

#[test]
fn a_foreign_executor_inside_a_task_runs_every_kind_of_future() {
    run(async {
        let nested = annulus::spawn(Nested::new(async {
            let (client, server) = pair().await?;
            client.write_all("hello").await?;
            assert_eq!(&*server.recv().await?.expect("it was sent"), b"hello");
            let ((), exact) = {
                server.write_all("again").await?;
                client.read_exact(vec![0; 5]).await?
            };
            assert_eq!(exact, b"again");
            sleep(Duration::from_millis(1)).await;
            assert!(timeout(Duration::from_millis(1), client.recv()).await.is_err());
            let file = File::open("/dev/zero").await?;
            assert_eq!(file.read_at(vec![1; 4], 0).await?.1, [0; 4]);
            let inner = annulus::spawn(async { 7 });
            assert_eq!(inner.await.unwrap(), 7);
            for _ in 0..100 {
                annulus::task::yield_now().await;
            }
            io::Result::Ok(())
        }));
        nested.await.unwrap()
    });
}

#[test]
fn foreign_executors_nest_in_block_on_and_in_each_other() {
    run(Nested::new(Nested::new(async {
        let (left, right) = UnixStream::pair()?;
        let echo = async {
            while let Some(data) = right.recv().await? {
                right.write_all(data).await?;
            }
            io::Result::Ok(())
        };
        let ask = Nested::new(async move {
            for size in [1, 10, 1000] {
                left.write_all(vec![3; size]).await?;
                assert_eq!(left.read_exact(vec![0; size]).await?.1, vec![3; size]);
            }
            io::Result::Ok(())
        });
        annulus::try_join!(ask, echo).map(drop)
    })));
}

#[test]
fn join_all_of_many_receives_needs_no_more_polls_than_wakes() {
    run(async {
        let mut left = Vec::new();
        let mut right = Vec::new();
        for _ in 0..100 {
            let (one, other) = UnixStream::pair()?;
            left.push(one);
            right.push(other);
        }
        let receiving = annulus::spawn(async move {
            let received = join_all(right.iter().map(|stream| stream.recv())).await;
            received.into_iter().map(|data| data.unwrap().unwrap().len()).sum::<usize>()
        });
        for (number, stream) in left.iter().enumerate().rev() {
            stream.write_all(vec![0; number]).await?;
            stream.write_all("x").await?;
        }
        let sum = receiving.await.unwrap();
        assert!((100..=4950 + 100).contains(&sum), "{sum}");
        Ok(())
    });
}

#[test]
fn futures_unordered_gives_receives_and_sleeps_and_tasks_as_they_come() {
    run(async {
        let mut peers = Vec::new();
        let mut receiving = FuturesUnordered::new();
        for number in 0..50_usize {
            let (left, right) = UnixStream::pair()?;
            peers.push(left);
            receiving.push(async move {
                match number % 3 {
                    0 => drop(right.recv().await.unwrap().unwrap()),
                    1 => drop(right.read(vec![0; 8]).await.unwrap()),
                    _ => annulus::spawn(async move { right.recv().await.map(drop) })
                        .await
                        .unwrap()
                        .unwrap(),
                }
                sleep(Duration::from_micros(100)).await;
                number
            });
        }
        for number in (0..50).rev() {
            peers[number].write_all("go").await?;
            assert_eq!(receiving.next().await, Some(number), "only this one was sent anything");
        }
        assert_eq!(receiving.next().await, None);
        Ok(())
    });
}

#[test]
fn futures_unordered_with_yields_starves_nobody() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        left.write_all("x").await?;
        let mut both = FuturesUnordered::<Pin<Box<dyn Future<Output = bool>>>>::new();
        both.push(Box::pin(async move { right.recv().await.unwrap().is_some() }));
        both.push(Box::pin(async {
            loop {
                annulus::task::yield_now().await;
            }
        }));
        assert_eq!(both.next().await, Some(true));
        Ok(())
    });
}

#[test]
fn select_and_select_all_lose_nothing_of_the_losers() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let (third, fourth) = UnixStream::pair()?;
        for round in 0..50_u8 {
            let (sender, losing) = if round % 2 == 0 { (&left, &third) } else { (&third, &left) };
            sender.write_all(vec![round; 3]).await?;
            let receive = [right.recv(), fourth.recv()];
            let (data, index, others) = select_all(receive).await;
            assert_eq!((&*data?.unwrap(), index), (&[round; 3][..], usize::from(round % 2)));
            drop(others);
            {
                // Receives are served in turn, so one that is kept and not polled is in the way.
                let waiting = pin!(right.recv());
                let pause = pin!(sleep(Duration::from_micros(50)));
                assert!(matches!(select(waiting, pause).await, Either::Right(_)));
            }
            losing.write_all("later").await?;
            let loser = if round % 2 == 0 { &fourth } else { &right };
            assert_eq!(&*loser.recv().await?.unwrap(), b"later");
        }
        Ok(())
    });
}

#[test]
fn an_operation_wakes_the_waker_of_its_last_poll() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let mut receive = Box::pin(async move { right.recv().await.map(drop) });
        let first = Arc::new(Relay {
            woken: AtomicBool::new(false),
            outer: Mutex::default(),
            wakes: AtomicU64::new(0),
        });
        let waker = Waker::from(Arc::clone(&first));
        assert!(receive.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        let moved = annulus::spawn(receive);
        annulus::task::yield_now().await;
        left.write_all("x").await?;
        moved.await.unwrap()?;
        assert_eq!(first.wakes.load(Ordering::Relaxed), 0);
        assert_eq!(Arc::strong_count(&first), 1, "the first waker is dropped");
        Ok(())
    });
}

#[test]
fn wakes_from_threads_reach_tasks_that_wait_for_the_kernel_too() {
    run(async {
        const THREADS: u64 = 4;
        const WAKES: u64 = 5_000;
        let (left, right) = UnixStream::pair()?;
        let count = Arc::new(AtomicU64::new(0));
        let place: Arc<Mutex<Option<Waker>>> = Arc::default();
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (count, place) = (Arc::clone(&count), Arc::clone(&place));
                std::thread::spawn(move || {
                    for _ in 0..WAKES {
                        count.fetch_add(1, Ordering::Relaxed);
                        let waker = place.lock().unwrap().clone();
                        if let Some(waker) = waker {
                            waker.wake();
                        }
                    }
                })
            })
            .collect();
        let task = annulus::spawn(async move {
            let mut receive = pin!(right.recv());
            let mut data = None;
            poll_fn(|cx| {
                *place.lock().unwrap() = Some(cx.waker().clone());
                if data.is_none() {
                    if let Poll::Ready(received) = receive.as_mut().poll(cx) {
                        data = Some(received);
                    }
                }
                let all = count.load(Ordering::Relaxed) == THREADS * WAKES;
                if all && data.is_some() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            data.unwrap().map(|data| data.unwrap().len())
        });
        left.write_all("x").await?;
        assert_eq!(task.await.unwrap()?, 1);
        for thread in threads {
            thread.join().unwrap();
        }
        Ok(())
    });
}

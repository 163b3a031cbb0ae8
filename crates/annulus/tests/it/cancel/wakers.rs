//! Wakers that are not ours: those of other executors, and those with code that hurts.

use std::any::Any;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;

use annulus::fs::File;
use annulus::net::{Parsed, TcpListener, TcpStream, UnixStream};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::{at_rest, small, yield_to_kernel};
use crate::harness::{pair, run, run_on};

#[test]
fn a_hundred_reads_complete_under_one_futures_unordered() {
    run(async {
        let mut pairs = Vec::new();
        for _ in 0..100 {
            pairs.push(UnixStream::pair()?);
        }
        let mut reads: FuturesUnordered<_> =
            pairs.iter().map(|(_, right)| right.read_exact(vec![0; 8])).collect();
        assert!(futures_util::poll!(reads.next()).is_pending());
        for (round, (left, _)) in pairs.iter().enumerate() {
            left.send_nowait(&[round as u8; 8])?;
        }
        let mut seen = Vec::new();
        while let Some(read) = reads.next().await {
            let ((), buf) = read?;
            assert!(buf.iter().all(|&byte| byte == buf[0]));
            seen.push(buf[0]);
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..100));
        Ok(())
    });
}

#[test]
fn operations_of_every_kind_complete_under_join_all() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let exchange = async |n: usize| {
            let client = TcpStream::connect(address).await?;
            client.write_all(vec![n as u8; 1000]).await?;
            client.read_exact(vec![0; 1000]).await?;
            let file = File::open("/etc/passwd").await?;
            file.read_at(vec![0; 16], 0).await?;
            annulus::time::sleep(Duration::from_micros(50)).await;
            io::Result::Ok(())
        };
        let serve = async {
            for _ in 0..40 {
                let (stream, _) = listener.accept().await?;
                let ((), buf) = stream.read_exact(vec![0; 1000]).await?;
                stream.write_all(buf).await?;
            }
            io::Result::Ok(())
        };
        let clients = futures_util::future::join_all((0..40).map(exchange));
        let (served, clients) = futures_util::join!(serve, clients);
        served?;
        clients.into_iter().collect()
    });
}

#[test]
fn a_select_loop_loses_nothing_from_the_branch_that_did_not_win() {
    run(async {
        let (client, server) = pair().await?;
        let peer = annulus::spawn(async move {
            for round in 0..200u8 {
                client.write_all(vec![round; 3]).await?;
                yield_to_kernel().await?;
            }
            io::Result::Ok(())
        });
        let mut all = Vec::new();
        loop {
            let mut reading = pin!(futures_util::FutureExt::fuse(server.recv()));
            let mut other = pin!(futures_util::FutureExt::fuse(yield_to_kernel()));
            futures_util::select_biased! {
                done = other => done?,
                lease = reading => match lease? {
                    Some(lease) => all.extend_from_slice(&lease),
                    None => break,
                },
            }
        }
        let expected: Vec<u8> = (0..200u8).flat_map(|round| [round; 3]).collect();
        assert_eq!(all, expected);
        peer.await.expect("the peer does not panic")
    });
}

thread_local! {
    /// What the wakers below drop, one thing at each of their calls.
    static STOCK: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// Does what a waker should not: spawns, and drops a handle or a future in flight.
fn misbehave() {
    if annulus::runtime::metrics().is_err() {
        return;
    }
    annulus::spawn(async { yield_to_kernel().await }).detach();
    let thing = STOCK.with_borrow_mut(Vec::pop);
    drop(thing);
}

fn refill() -> io::Result<()> {
    while STOCK.with_borrow(Vec::len) < 40 {
        let (left, right) = UnixStream::pair()?;
        let mut reading = Box::pin(async move { left.recv().await.map(drop) });
        let mut sleeping = Box::pin(annulus::time::sleep(Duration::from_secs(1000)));
        let mut opening = Box::pin(File::open("/etc/passwd"));
        let mut cx = Context::from_waker(Waker::noop());
        let _ = reading.as_mut().poll(&mut cx);
        let _ = sleeping.as_mut().poll(&mut cx);
        let _ = opening.as_mut().poll(&mut cx);
        STOCK.with_borrow_mut(|stock| {
            stock.push(Box::new(reading));
            stock.push(Box::new(sleeping));
            stock.push(Box::new(opening));
            stock.push(Box::new(right));
        });
    }
    Ok(())
}

/// A waker that wakes `inner`, and misbehaves whenever it is cloned, woken or dropped.
fn adversary(inner: Waker) -> Waker {
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            misbehave();
            // SAFETY: made by `adversary` and not dropped yet.
            let inner = unsafe { &*data.cast::<Waker>() };
            RawWaker::new(Box::into_raw(Box::new(inner.clone())).cast(), &TABLE)
        },
        |data| {
            misbehave();
            // SAFETY: as above, and consumed here.
            unsafe { Box::from_raw(data.cast_mut().cast::<Waker>()) }.wake();
        },
        |data| {
            misbehave();
            // SAFETY: as above.
            unsafe { &*data.cast::<Waker>() }.wake_by_ref();
        },
        |data| {
            misbehave();
            // SAFETY: as above, and consumed here.
            drop(unsafe { Box::from_raw(data.cast_mut().cast::<Waker>()) });
        },
    );
    let data = Box::into_raw(Box::new(inner)).cast::<()>();
    // SAFETY: the table's functions keep the contract of `RawWaker` on one thread, and each waker
    // owns its box.
    unsafe { Waker::from_raw(RawWaker::new(data.cast_const(), &TABLE)) }
}

/// Polls a future with an adversary, a new one each time.
async fn under_attack<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        refill().expect("descriptors are there");
        let waker = adversary(cx.waker().clone());
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        // A second poll replaces the waker that the first left behind.
        if polled.is_ready() {
            return polled;
        }
        let waker = adversary(cx.waker().clone());
        future.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await
}

#[test]
fn wakers_may_spawn_and_drop_handles_whenever_they_are_called() {
    run_on(small(), async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let connecting = annulus::spawn(TcpStream::connect(listener.local_addr()?));
        let (server, _) = under_attack(listener.accept()).await?;
        let client = connecting.await.expect("no panic")?;
        for round in 0..20u8 {
            let bytes = vec![round; 300];
            let sending = client.write_all(bytes.clone());
            let receiving = async {
                let lease = server.recv().await?.expect("no end yet");
                let mut all = lease.to_vec();
                if all.len() < 300 {
                    all.extend(server.read_exact(vec![0; 300 - all.len()]).await?.1);
                }
                io::Result::Ok(all)
            };
            let (sent, received) =
                under_attack(async { futures_util::join!(sending, receiving) }).await;
            sent?;
            assert_eq!(received?, bytes);
            let (sent, parsed) = under_attack(async {
                let sending = async {
                    client.send_nowait(&[round; 9])?;
                    client.flush().await
                };
                let mut had = 0;
                let parsing = async {
                    while had < 9 {
                        had += server.with_data(|bytes| Parsed::Consumed(bytes.len())).await?;
                    }
                    io::Result::Ok(had)
                };
                futures_util::join!(sending, parsing)
            })
            .await;
            sent?;
            assert_eq!(parsed?, 9);
        }
        let file = under_attack(File::open("/etc/passwd")).await?;
        under_attack(file.read_at(vec![0; 10], 0)).await?;
        under_attack(file.close()).await?;
        under_attack(annulus::time::sleep(Duration::from_micros(200))).await;
        let never = std::future::pending::<()>();
        let timed = annulus::time::timeout(Duration::from_micros(200), never);
        assert!(under_attack(timed).await.is_err());
        // What is left of the stock goes while the runtime lives.
        drop(STOCK.take());
        drop((client, server, listener));
        at_rest().await
    });
}

#[test]
fn an_adversary_left_behind_by_a_dropped_future_is_dropped_outside() {
    run_on(small(), async {
        let (client, server) = pair().await?;
        refill()?;
        for _ in 0..5 {
            let waker = adversary(Waker::noop().clone());
            let mut cx = Context::from_waker(&waker);
            let mut recv = Box::pin(server.recv());
            let mut second = Box::pin(server.read(vec![0; 8]));
            let mut sleep = Box::pin(annulus::time::sleep(Duration::from_secs(1000)));
            let mut reading = Box::pin(client.read(vec![0; 8]));
            assert!(recv.as_mut().poll(&mut cx).is_pending());
            assert!(second.as_mut().poll(&mut cx).is_pending());
            assert!(sleep.as_mut().poll(&mut cx).is_pending());
            assert!(reading.as_mut().poll(&mut cx).is_pending());
            refill()?;
        }
        drop(STOCK.take());
        Ok(())
    });
}

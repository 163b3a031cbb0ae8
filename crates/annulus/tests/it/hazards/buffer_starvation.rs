//! No provided buffer is left: receives end with ENOBUFS, and somebody waits for ever, or spins.
//!
//! *Evidence*: liburing#1275, #778.
//!
//! *Answer*: a receive that finds none parks, the pool publishes more within its bound, and the
//! parked are armed again in turn; when all buffers are on lease, single receives go through the
//! heap. A connection whose messages nobody takes is paused, and cannot take the whole pool.
//!
//! *Also proven*: `hazards::buffer_leak_or_double_return`.

use std::io;
use std::net::Shutdown;

use annulus::net::UnixStream;
use annulus::runtime::{metrics, raise_descriptor_limit};
use annulus_sim::{Fault, Faults};

use super::{all_returned, few_buffers, pattern, read_to_end};
use crate::cancel::yield_to_kernel;
use crate::harness::ground::on_seeds;
use crate::harness::{run_on, skip};
use crate::limits::descriptor_limit;

/// Sockets that receive at once.
const SOCKETS: usize = 1000;

#[test]
fn two_buffers_serve_a_thousand_sockets() {
    raise_descriptor_limit().expect("the soft limit may be raised");
    // Both ends are in this process, and other tests have descriptors, too.
    let sockets = SOCKETS.min(descriptor_limit().0 as usize / 3);
    if sockets < SOCKETS {
        skip(&format!("the descriptor limit leaves room for {sockets} of {SOCKETS} sockets"));
    }
    for incremental in [false, true] {
        run_on(few_buffers(2, incremental), async {
            let pairs: Vec<_> =
                (0..sockets).map(|_| UnixStream::pair()).collect::<io::Result<_>>()?;
            let mut tasks = Vec::new();
            for (n, (left, right)) in pairs.into_iter().enumerate() {
                tasks.push(annulus::spawn(async move {
                    assert!(read_to_end(&right).await? == pattern(n, 1500), "stream {n}");
                    io::Result::Ok(())
                }));
                tasks.push(annulus::spawn(async move {
                    for piece in pattern(n, 1500).chunks(500) {
                        left.write_all(piece.to_vec()).await?;
                        yield_to_kernel().await?;
                    }
                    left.shutdown(Shutdown::Write)
                }));
            }
            for task in tasks {
                task.await.expect("no panic")?;
            }
            assert!(metrics()?.starvations > 0, "the pool was exhausted");
            all_returned().await
        });
    }
}

#[test]
fn leases_that_are_held_for_ever_stall_nobody_else() {
    for incremental in [false, true] {
        run_on(few_buffers(4, incremental), async {
            // Takes every buffer there is, and keeps it.
            let (hog, hogged) = UnixStream::pair()?;
            let mut held = Vec::new();
            for _ in 0..8 {
                hog.write_all(vec![1; 256]).await?;
                held.push(hogged.recv().await?.expect("no end yet"));
            }
            let (left, right) = UnixStream::pair()?;
            let mut received = 0;
            for round in 0..100usize {
                left.write_all(pattern(round, 300)).await?;
                let ((), got) = right.read_exact(vec![0; 300]).await?;
                assert!(got == pattern(round, 300), "round {round}");
                left.write_all("lease me").await?;
                while received < 8 {
                    received += right.recv().await?.expect("no end yet").len();
                }
                received = 0;
            }
            assert!(metrics()?.heap_receives > 0, "the heap helped out");
            drop(held);
            all_returned().await
        });
    }
}

#[test]
fn a_socket_that_nobody_reads_cannot_take_the_whole_pool() {
    for incremental in [false, true] {
        run_on(few_buffers(16, incremental), async {
            let (hog, unread) = UnixStream::pair()?;
            // Arms the receive, then nobody is there any more.
            let mut reading = Box::pin(unread.recv());
            assert!(futures_util::poll!(&mut reading).is_pending());
            drop(reading);
            let flood = pattern(3, 100_000);
            let expected = flood.clone();
            let sending = annulus::spawn(async move {
                hog.write_all(flood).await?;
                io::Result::Ok(hog)
            });
            for _ in 0..100 {
                yield_to_kernel().await?;
            }
            let out = metrics()?.leases_out;
            assert!(out < 16 || incremental, "{out} of 16 buffers lie unread");
            // Others are served from the pool, not from the heap.
            let heap = metrics()?.heap_receives;
            let (left, right) = UnixStream::pair()?;
            for _ in 0..20 {
                left.write_all("question").await?;
                assert_eq!(&*right.recv().await?.expect("no end yet"), b"question");
            }
            assert_eq!(metrics()?.heap_receives, heap);
            // And nothing of the flood is lost.
            let reader = annulus::spawn(async move { read_to_end(&unread).await });
            let hog = sending.await.expect("no panic")?;
            drop(hog);
            assert!(reader.await.expect("no panic")? == expected);
            Ok(())
        });
    }
}

#[test]
fn a_kernel_that_finds_no_buffer_again_and_again_stalls_nobody() {
    let faults = Faults::all().with(Fault::NoBuffers, 700);
    let builder = || few_buffers(2, true).entries(16).fixed_files(8);
    let total = on_seeds(
        40,
        |world| world.set_faults(faults),
        builder,
        |_| async {
            let mut tasks = Vec::new();
            for n in 0..10 {
                let (left, right) = UnixStream::pair()?;
                tasks.push(annulus::spawn(async move {
                    let writing = async {
                        for piece in pattern(n, 600).chunks(90) {
                            left.write_all(piece.to_vec()).await?;
                        }
                        left.shutdown(Shutdown::Write)
                    };
                    let (written, read) = annulus::join!(writing, read_to_end(&right));
                    assert!(read? == pattern(n, 600), "stream {n}");
                    written
                }));
            }
            for task in tasks {
                task.await.expect("no panic")?;
            }
            all_returned().await
        },
    );
    assert!(total.count(Fault::NoBuffers) > 0);
}

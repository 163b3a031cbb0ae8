//! A provided buffer is lost, or given to the kernel twice.
//!
//! *Evidence*: compio#746, liburing#359, netty#14827; a kernel's own fault: liburing#1530.
//!
//! *Answer*: a lease is the only owner of its part of a buffer, and gives it back once, from any
//! thread, also after its core has ended; buffers that the kernel took for an end, a reset or a
//! cancelled receive go back with that completion.
//!
//! *Also proven*: the accounting in `core::pool`; the loom model of the pool's shared half.

use std::io;
use std::net::Shutdown;

use annulus::net::UnixStream;
use annulus::runtime::metrics;

use super::{all_returned, few_buffers, pattern, read_to_end};
use crate::cancel::yield_to_kernel;
use crate::harness::ground::{on_both, on_both_with};
use crate::harness::{run_on, share_process};

#[test]
fn ends_and_resets_and_cancels_lose_no_buffer() {
    for incremental in [false, true] {
        run_on(few_buffers(2, incremental), async {
            for round in 0..600usize {
                let (left, right) = UnixStream::pair()?;
                match round % 4 {
                    0 => {} // an end without data
                    1 => left.write_all(pattern(round, 100)).await.map(drop)?,
                    2 => {
                        // A receive that is given up with data under way.
                        let mut reading = Box::pin(right.recv());
                        assert!(futures_util::poll!(&mut reading).is_pending());
                        left.send_nowait(&[9; 50])?;
                        yield_to_kernel().await?;
                        drop(reading);
                        continue;
                    }
                    _ => {
                        let mut reading = Box::pin(right.recv());
                        assert!(futures_util::poll!(&mut reading).is_pending());
                        yield_to_kernel().await?;
                        drop(reading);
                    }
                }
                left.shutdown(Shutdown::Write)?;
                let expected = if round % 4 == 1 { 100 } else { 0 };
                assert_eq!(read_to_end(&right).await?, pattern(round, expected));
            }
            all_returned().await?;
            // Both buffers are still in circulation: the pool alone serves what fits into one.
            let (left, right) = UnixStream::pair()?;
            let heap = metrics()?.heap_receives;
            for round in 0..50usize {
                left.write_all(pattern(round, 200)).await?;
                let ((), got) = async {
                    let mut got = Vec::new();
                    while got.len() < 200 {
                        got.extend_from_slice(&right.recv().await?.expect("no end yet"));
                    }
                    io::Result::Ok(((), got))
                }
                .await?;
                assert_eq!(got, pattern(round, 200));
            }
            assert_eq!(metrics()?.heap_receives, heap, "a buffer was lost");
            Ok(())
        });
    }
}

#[test]
fn leases_of_one_buffer_keep_their_own_bytes() {
    run_on(few_buffers(4, true), async {
        let (left, right) = UnixStream::pair()?;
        let mut held = Vec::new();
        for round in 0..40usize {
            left.write_all(pattern(round, 16)).await?;
            held.push(right.recv().await?.expect("no end yet"));
        }
        for (round, lease) in held.iter_mut().enumerate() {
            assert_eq!(**lease, pattern(round, 16));
            lease.fill(0xee); // must not reach into its neighbours
        }
        for lease in &held {
            assert!(lease.iter().all(|&byte| byte == 0xee));
        }
        // In any order.
        while !held.is_empty() {
            held.swap_remove(held.len() * 7 / 13);
        }
        all_returned().await
    });
}

#[test]
fn a_lease_from_a_dead_runtime_keeps_its_memory() {
    let _shared = share_process();
    let mut kept = Vec::new();
    for round in 0..20usize {
        let runtime = few_buffers(2, round % 2 == 0).build().unwrap();
        let lease = runtime.block_on(async {
            let (left, right) = UnixStream::pair()?;
            left.write_all(pattern(round, 100)).await?;
            right.recv().await
        });
        assert_eq!(runtime.shutdown().leases_out, 1);
        kept.push(lease.unwrap().expect("no end yet"));
    }
    for (round, lease) in kept.into_iter().enumerate() {
        assert_eq!(*lease, pattern(round, 100));
    }
}

#[test]
fn what_the_kernel_has_and_what_is_on_lease_is_never_more_than_there_is() {
    const BUFFERS: u16 = 4;
    let builder = || few_buffers(BUFFERS, false).entries(16).fixed_files(8);
    on_both_with(builder, 60, |ground| async move {
        let conserved = || {
            let now = metrics().expect("a runtime runs");
            let sum = now.leases_out + now.buffers_published;
            assert!(sum <= u32::from(BUFFERS), "{now:#?}");
        };
        let (left, right) = UnixStream::pair()?;
        let mut held = Vec::new();
        let mut state = ground.seed() + 1;
        for round in 0..60 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match state >> 61 {
                0 | 1 => left.send_nowait(&pattern(round, 100))?,
                2 => held.clear(),
                3 if !held.is_empty() => drop(held.swap_remove(0)),
                4 => {
                    let mut waiting = Box::pin(right.recv());
                    let _ = futures_util::poll!(&mut waiting);
                }
                _ => {
                    let mut waiting = Box::pin(right.recv());
                    if let std::task::Poll::Ready(lease) = futures_util::poll!(&mut waiting) {
                        held.extend(lease?);
                    }
                }
            }
            yield_to_kernel().await?;
            conserved();
        }
        drop(held);
        drop((left, right));
        all_returned().await?;
        conserved();
        Ok(())
    });
}

#[test]
fn leases_return_from_everywhere_once() {
    on_both(30, |_| async {
        let (left, right) = UnixStream::pair()?;
        for round in 0..40usize {
            left.write_all(pattern(round, 60)).await?;
            let lease = right.recv().await?.expect("no end yet");
            let rest = 60 - lease.len();
            match round % 3 {
                0 => std::thread::scope(|scope| {
                    scope.spawn(move || drop(lease));
                }),
                1 => drop(right.write_all(lease).await?),
                _ => drop(lease),
            }
            right.read_exact(vec![0; rest + 1][..rest].to_vec()).await.map(drop).or_else(
                |error| {
                    // Nothing was left to read.
                    if rest == 0 { Ok(()) } else { Err(error) }
                },
            )?;
            if round % 3 == 1 {
                drop(left.recv().await?);
            }
        }
        drop((left, right));
        all_returned().await
    });
}

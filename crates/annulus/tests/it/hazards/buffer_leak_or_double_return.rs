//! A provided buffer is lost, or given to the kernel twice.
//!
//! *Evidence*: compio#746, liburing#359, netty#14827; a kernel's own fault: liburing#1530.
//!
//! *Answer*: a lease is the only owner of its part of a buffer, and gives it back once, from any
//! thread, also after its core has ended; buffers that the kernel took for an end, a reset or a
//! cancelled receive go back with that completion; a completion that names a buffer which the
//! kernel does not have, or too much of one, takes nothing and is an error of its socket.
//!
//! *Also proven*: each buffer in one place after every step, whatever completions name, in the
//! tests of `core::pool`; the half of it that other threads reach in the models of
//! `core::pool::returns`.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::Shutdown;

use annulus::buf::Lease;
use annulus::net::{UdpSocket, UnixStream};
use annulus::runtime::{Builder, metrics};
use annulus_sim::{Fault, Faults, Profile, World};

use super::{all_returned, few_buffers, pattern, read_to_end};
use crate::cancel::{until, yield_to_kernel};
use crate::harness::ground::{is_whole_run, on_both, on_both_with, seeds, under_world};
use crate::harness::{assert_nothing_left, made, run_on, share_process};

/// One stream that comes to its end in the `round`th way. True if that was a reset.
async fn come_to_an_end(round: usize) -> io::Result<bool> {
    let (left, right) = UnixStream::pair()?;
    let mut expected = Vec::new();
    match round % 6 {
        0 => {} // an end without data
        1 => {
            expected = pattern(round, 100);
            left.write_all(expected.clone()).await?;
        }
        2 => {
            // A receive that is given up with data under way.
            let mut reading = Box::pin(right.recv());
            assert!(futures_util::poll!(&mut reading).is_pending());
            left.send_nowait(&[9; 50])?;
            yield_to_kernel().await?;
            return Ok(false);
        }
        3 => {
            let mut reading = Box::pin(right.recv());
            assert!(futures_util::poll!(&mut reading).is_pending());
            yield_to_kernel().await?;
        }
        way => {
            // Who goes and has not read everything resets the connection: that of a receive that
            // waits, or of one that comes later.
            let mut reading = Box::pin(right.recv());
            if way == 4 {
                assert!(futures_util::poll!(&mut reading).is_pending());
            }
            right.write_all(pattern(round, 100)).await?;
            drop(left);
            yield_to_kernel().await?;
            let reset = reading.await.expect_err("the connection was reset");
            assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
            return Ok(true);
        }
    }
    left.shutdown(Shutdown::Write)?;
    assert_eq!(read_to_end(&right).await?, expected);
    Ok(false)
}

#[test]
fn ends_and_resets_and_cancels_lose_no_buffer() {
    for incremental in [false, true] {
        // The real kernel, and a simulated one without faults.
        on_both_with(
            || few_buffers(2, incremental),
            1,
            |_| async {
                let mut resets = 0;
                for round in 0..600 {
                    resets += u32::from(come_to_an_end(round).await?);
                }
                assert_eq!(resets, 200);
                all_returned().await?;
                // Both buffers are still in circulation: the pool alone serves what fits into one.
                let (left, right) = UnixStream::pair()?;
                let heap = metrics()?.heap_receives;
                for round in 0..50usize {
                    left.write_all(pattern(round, 200)).await?;
                    let mut got = Vec::new();
                    while got.len() < 200 {
                        got.extend_from_slice(&right.recv().await?.expect("no end yet"));
                    }
                    assert_eq!(got, pattern(round, 200));
                }
                assert_eq!(metrics()?.heap_receives, heap, "a buffer was lost");
                Ok(())
            },
        );
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
fn what_the_kernel_has_and_what_is_on_lease_is_all_that_there_is() {
    const BUFFERS: u16 = 4;
    let builder =
        || few_buffers(BUFFERS, false).buffers_published(BUFFERS).entries(16).fixed_files(8);
    on_both_with(builder, 60, |ground| async move {
        let sum = || {
            let now = metrics().expect("a runtime runs");
            // With whoever reads, in queues that nobody reads, and with the kernel.
            let sum = now.leases_out + now.buffers_published;
            assert!(sum <= u32::from(BUFFERS), "{now:#?}");
            sum
        };
        let conserved = || until("each buffer is somewhere", || sum() == u32::from(BUFFERS));
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
            sum();
            conserved().await?;
        }
        drop(held);
        drop((left, right));
        all_returned().await?;
        conserved().await?;
        assert_eq!(metrics()?.buffers_published, u32::from(BUFFERS));
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

/// A simulated kernel that names wrong buffers when it is told to, and a runtime on it with so many
/// buffers, all published. Runs `body`, and checks that each wrong name was counted and that
/// nothing else is left.
fn on_a_kernel_that_errs<F>(builder: impl Fn() -> Builder, body: impl Fn(World, u64) -> F)
where
    F: Future<Output = io::Result<()>>,
{
    let _shared = share_process();
    let mut wrong = 0;
    for seed in seeds(40) {
        let world = World::new(seed).with_faults(Faults::none());
        let runtime = made(under_world(&world, Profile::LINUX_6_18, builder()));
        runtime.block_on(body(world.clone(), seed)).unwrap();
        let mut last = runtime.leave();
        let count = world.report().count(Fault::WrongBuffer);
        assert_eq!(std::mem::take(&mut last.stale_cqes), count);
        assert_nothing_left(&last);
        assert_eq!((world.in_flight(), world.open_descriptors()), (0, 0), "of the kernel");
        wrong += count;
    }
    assert!(wrong > 0 || !is_whole_run(), "the kernel never named a wrong buffer");
}

const WRONG: Faults = Faults::none().with(Fault::WrongBuffer, 150);

fn assert_is_of_a_wrong_buffer(error: &io::Error) {
    assert_eq!(error.kind(), io::ErrorKind::Other);
    assert!(error.to_string().contains("named a buffer that it did not have"), "{error}");
}

#[test]
fn a_buffer_that_the_kernel_does_not_have_fails_its_stream_and_is_leased_to_nobody() {
    const BUFFERS: u16 = 8;
    for incremental in [false, true] {
        let builder = || few_buffers(BUFFERS, incremental).buffers_published(BUFFERS);
        on_a_kernel_that_errs(builder, |world, seed| async move {
            // Kept, so that a buffer that is in two hands is seen to be.
            let mut kept: VecDeque<(Vec<u8>, Lease)> = VecDeque::new();
            for round in 0..20usize {
                world.set_faults(WRONG);
                let (left, right) = UnixStream::pair()?;
                let sent = pattern(round + seed as usize, 1500);
                let mut got = Vec::new();
                let mut failed = false;
                // In pieces that need two buffers each, so that something comes right behind a gap;
                // or at once, with the end.
                let piece = if round % 2 == 0 { 300 } else { 1500 };
                for end in (piece..=1500).step_by(piece) {
                    left.write_all(sent[end - piece..end].to_vec()).await?;
                    if end == 1500 {
                        left.shutdown(Shutdown::Write)?;
                    }
                    while !failed && got.len() < end {
                        match right.recv().await {
                            Ok(lease) => {
                                let lease = lease.expect("no end yet");
                                got.extend_from_slice(&lease);
                                kept.push_back((lease.to_vec(), lease));
                            }
                            Err(error) => {
                                assert_is_of_a_wrong_buffer(&error);
                                failed = true;
                            }
                        }
                    }
                    kept.drain(..kept.len().saturating_sub(3));
                }
                // What is behind a gap is not taken for what was in it, then or later.
                assert_eq!(got, sent[..got.len()]);
                assert_eq!(failed, got.len() < sent.len());
                assert!(right.recv().await?.is_none(), "it is told once");
                for (bytes, lease) in &kept {
                    assert_eq!(**lease, **bytes, "a buffer was in two hands");
                }
            }
            world.set_faults(Faults::none());
            drop(kept);
            all_returned().await?;
            let all = || metrics().expect("it runs").buffers_published == u32::from(BUFFERS);
            until("the kernel has every buffer", all).await
        });
    }
}

#[test]
fn a_message_in_a_buffer_that_the_kernel_does_not_have_is_an_error_and_the_next_one_comes() {
    let builder = || few_buffers(4, false).buffers_published(4);
    on_a_kernel_that_errs(builder, |world, _| async move {
        let sender = UdpSocket::bind("127.0.0.1:0")?;
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let mut kept = VecDeque::new();
        for number in 0..60u8 {
            world.set_faults(WRONG);
            let before = world.report().count(Fault::WrongBuffer);
            sender.send_to(vec![number; 100], socket.local_addr()?).await?;
            let received = socket.recv().await;
            if world.report().count(Fault::WrongBuffer) > before {
                assert_is_of_a_wrong_buffer(&received.expect_err("its bytes are nowhere"));
                continue;
            }
            kept.push_back((number, received?));
            kept.drain(..kept.len().saturating_sub(2));
            for (number, datagram) in &kept {
                assert_eq!(**datagram, [*number; 100], "a buffer was in two hands");
            }
        }
        world.set_faults(Faults::none());
        drop(kept);
        all_returned().await?;
        let all = || metrics().expect("it runs").buffers_published == metrics().unwrap().buffers;
        until("the kernel has every buffer", all).await
    });
}

//! The kernel forgets a cancel that has met a request at work.
//!
//! *Evidence*: io_wq_submit_work() of Linux looks for the mark of a cancel once and may hand its
//! request to poll afterwards. The cancel has said EALREADY by then, the worker was interrupted
//! for nothing, and the request waits as if nobody had asked (`ops::forgotten` of the ring's tests
//! shows it).
//!
//! *Answer*: a request whose cancel said EALREADY is asked again, after a millisecond and then less
//! and less often, until its final completion has come (`core::again`).
//!
//! *Also proven*: the pauses, in `core::again`; every future at every poll point with such a
//! kernel, because the fault is one of all seeds (`cancel`).

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use annulus::OpExt as _;
use annulus::net::{TcpListener, UnixStream};
use annulus::op::Cancelled;
use annulus_ring::abi::PollFlags;
use annulus_ring::op::{Op as _, PollAdd, Target};
use annulus_sim::{Fault, Faults};
use futures_util::poll;

use super::pattern;
use crate::cancel::{at_rest, yield_to_kernel};
use crate::harness::ground::{Ground, on_both, on_seeds, tiny};
use crate::harness::run;

/// Nine cancels of ten are forgotten.
fn forgetful() -> Faults {
    Faults::all().with(Fault::CancelLost, 900)
}

/// Reads that are asked to end, those that are dropped, and what a later one gets.
async fn reads_that_end(ground: Ground) -> io::Result<()> {
    let (left, right) = UnixStream::pair()?;
    for round in 0..6u64 {
        let mut reading = right.read(vec![0; 16]);
        assert!(poll!(&mut reading).is_pending());
        if round % 2 == 0 {
            yield_to_kernel().await?;
        }
        let failed = reading.cancel().await.expect_err("nothing was sent");
        assert_eq!(failed.kind(), ErrorKind::Interrupted);
        assert_eq!(failed.into_buf().map(|buf| buf.capacity()), Some(16), "the buffer comes back");

        let failed = right.read(vec![0; 16]).timeout(Duration::from_micros(50)).await;
        assert_eq!(failed.expect_err("nothing was sent").kind(), ErrorKind::TimedOut);

        let mut dropped = Box::pin(right.read(vec![0; 16]));
        assert!(poll!(&mut dropped).is_pending());
        drop(dropped);
    }
    left.write_all(pattern(ground.seed() as usize, 40)).await?;
    let ((), got) = right.read_exact(vec![0; 40]).await?;
    assert!(got == pattern(ground.seed() as usize, 40));
    Ok(())
}

#[test]
fn reads_end_when_they_are_asked_to_though_the_kernel_forgets_it() {
    on_both(10, reads_that_end);
    let total = on_seeds(60, |world| world.set_faults(forgetful()), tiny, reads_that_end);
    assert!(total.count(Fault::CancelLost) > 100, "{}", total.count(Fault::CancelLost));
}

#[test]
fn listeners_and_sockets_close_though_the_kernel_forgets_their_cancels() {
    let body = |_: Ground| async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        for _ in 0..3 {
            let mut accepting = listener.accept();
            assert!(poll!(&mut accepting).is_pending());
            yield_to_kernel().await?;
            let error = accepting.cancel().await.expect_err("nobody connects");
            assert!(Cancelled::of(&error).is_some());
        }
        let (left, right) = UnixStream::pair()?;
        let mut waiting = Box::pin(right.recv());
        assert!(poll!(&mut waiting).is_pending());
        yield_to_kernel().await?;
        drop(waiting);
        drop((left, right, listener));
        at_rest().await
    };
    let total = on_seeds(20, |world| world.set_faults(forgetful()), tiny, body);
    assert!(total.count(Fault::CancelLost) > 0);
}

#[test]
fn a_runtime_ends_though_the_kernel_forgets_the_cancels_of_its_end() {
    let body = |_: Ground| async {
        let (left, right) = UnixStream::pair()?;
        annulus::spawn(async move {
            let _keep = left;
            let _ = right.read_exact(vec![0; 16]).await;
        });
        yield_to_kernel().await
    };
    let total = on_seeds(60, |world| world.set_faults(forgetful()), tiny, body);
    assert!(total.count(Fault::CancelLost) > 0);
}

#[test]
fn a_cancel_is_repeated_while_the_clock_stands() {
    let body = |_: Ground| async {
        annulus::time::pause();
        let (_left, right) = UnixStream::pair()?;
        let before = annulus::time::Instant::now();
        for _ in 0..3 {
            let mut reading = right.read(vec![0; 16]);
            assert!(poll!(&mut reading).is_pending());
            yield_to_kernel().await?;
            let failed = reading.cancel().await.expect_err("nothing was sent");
            assert_eq!(failed.kind(), ErrorKind::Interrupted);
        }
        assert_eq!(annulus::time::Instant::now(), before, "no timer of the core was needed");
        Ok(())
    };
    let total = on_seeds(60, |world| world.set_faults(forgetful()), tiny, body);
    assert!(total.count(Fault::CancelLost) > 0);
}

/// On the real kernel: polls that begin on a worker thread, cancelled at odd moments of its way.
#[test]
fn what_a_worker_hands_to_poll_ends_when_it_is_asked_to() {
    run(async {
        let (quiet, _peer) = std::os::unix::net::UnixStream::pair()?;
        let quiet = OwnedFd::from(quiet);
        for round in 0..2000 {
            let target = Target::Fd(quiet.as_raw_fd());
            let op = PollAdd { target, events: libc::POLLIN as u32, flags: PollFlags::EMPTY };
            // SAFETY: a poll points to no memory, and the descriptor stays open.
            let mut polling = unsafe { annulus::submit(op.flagged().on_worker()) };
            assert!(poll!(&mut polling).is_pending());
            if round % 3 > 0 {
                annulus::task::yield_now().await;
            }
            (0..round % 50 * 40).for_each(|_| std::hint::spin_loop());
            let error = polling.cancel().await.expect_err("nothing is sent");
            assert!(Cancelled::of(&error).is_some(), "{error:?}");
        }
        at_rest().await
    });
}

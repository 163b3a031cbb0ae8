//! Chains of linked operations: in order, broken, never split, and always with their buffers.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use annulus::buf::BufError;
use annulus::fs::{File, OpenOptions};
use annulus::op::{Cancelled, Linkable, chain};
use annulus::runtime::Runtime;
use annulus::{OpExt as _, runtime};
use annulus_ring::abi::PollFlags;
use annulus_ring::op::{Nop, PollAdd, Target};
use futures_util::poll;

use crate::cancel::{at_rest, yield_to_kernel};
use crate::harness::{Scratch, made, run, run_on};

async fn read_write(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path).await
}

/// Whether a step did not run because the chain was broken before it.
fn is_skipped<T, B>(step: &Result<T, BufError<B>>) -> bool {
    step.as_ref().is_err_and(|failed| {
        assert!(failed.buf().is_some(), "the buffer comes back");
        failed.kind() == ErrorKind::Interrupted && Cancelled::of(failed.error()).is_some()
    })
}

/// A poll of a socket on which nothing ever happens. The socket has to outlive it.
fn stuck(quiet: &OwnedFd) -> impl Linkable<Output = io::Result<u32>> + use<> {
    let target = Target::Fd(quiet.as_raw_fd());
    let op = PollAdd { target, events: libc::POLLIN as u32, flags: PollFlags::EMPTY };
    // SAFETY: a poll points to no memory, and the caller keeps the descriptor open.
    unsafe { annulus::submit(op) }
}

fn quiet() -> io::Result<(OwnedFd, OwnedFd)> {
    let (one, other) = std::os::unix::net::UnixStream::pair()?;
    Ok((one.into(), other.into()))
}

#[test]
fn steps_run_in_order_and_each_tells_its_result() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"");
    run(async {
        let file = read_write(&path).await?;
        for round in 0..100_u8 {
            let steps = (
                file.write_at(vec![round; 1000], 0),
                file.sync_data(),
                file.write_at(vec![round + 1; 10], 0),
                file.read_at(Vec::with_capacity(1000), 0),
            );
            let (first, synced, second, read) = chain(steps).await;
            assert_eq!((first?.0, second?.0), (1000, 10));
            synced?;
            let (n, buf) = read?;
            assert_eq!(n, 1000);
            assert_eq!(buf, [vec![round + 1; 10], vec![round; 990]].concat());
        }
        Ok(())
    });
}

#[test]
fn a_short_read_breaks_the_chain() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run(async {
        let file = read_write(&path).await?;
        let steps =
            (file.read_at(Vec::with_capacity(100), 0), file.write_at("never", 0), file.sync_all());
        let (read, wrote, synced) = chain(steps).await;
        assert_eq!(read?, (10, b"0123456789".to_vec()));
        assert!(is_skipped(&wrote), "{wrote:?}");
        assert!(Cancelled::of(&synced.unwrap_err()).is_some());
        assert_eq!(std::fs::read(&path)?, b"0123456789");
        Ok(())
    });
}

#[test]
fn a_step_that_fails_breaks_the_chain_unless_it_is_hard() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run(async {
        let read_only = File::open(&path).await?;
        let file = read_write(&path).await?;
        let steps = || (read_only.write_at("never", 0), file.write_at("abc", 0));
        let (failed, skipped) = chain(steps()).await;
        assert_eq!(failed.unwrap_err().error().raw_os_error(), Some(libc::EBADF));
        assert!(is_skipped(&skipped), "{skipped:?}");
        assert_eq!(std::fs::read(&path)?, b"0123456789");
        let (failed, wrote) = chain(steps()).hard().await;
        assert_eq!(failed.unwrap_err().error().raw_os_error(), Some(libc::EBADF));
        assert_eq!(wrote?.0, 3);
        assert_eq!(std::fs::read(&path)?, b"abc3456789");
        Ok(())
    });
}

#[test]
fn if_one_step_cannot_begin_none_does() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run(async {
        let file = read_write(&path).await?;
        let before = runtime::metrics()?;
        let steps = (file.write_at("never", 0), file.read_at(Vec::new(), 0), file.sync_all());
        let (wrote, refused, synced) = chain(steps).await;
        assert!(is_skipped(&wrote));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(synced.is_err());
        let mut polled = file.sync_all();
        assert!(poll!(&mut polled).is_pending());
        let (first, second) = chain((polled, file.sync_all())).await;
        assert!(first.is_ok(), "it goes on alone: {first:?}");
        assert!(second.is_err());
        let now = runtime::metrics()?;
        let again = now.cancels_unasked - before.cancels_unasked;
        assert_eq!(now.sqes - before.sqes, 1 + again);
        assert_eq!(std::fs::read(&path)?, b"0123456789");
        Ok(())
    });
}

#[test]
fn a_full_submission_queue_never_splits_a_chain() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    let builder = Runtime::builder().entries(4);
    run_on(builder, async {
        let file = read_write(&path).await?;
        for others in 0..40 {
            // SAFETY: a no-op points to nothing.
            let mut nops: Vec<_> =
                (0..others % 11).map(|_| Box::pin(unsafe { annulus::submit(Nop) })).collect();
            for nop in &mut nops {
                assert!(poll!(nop).is_pending());
            }
            // If the chain were split, the write would not be linked to the short read.
            let steps =
                (file.sync_data(), file.read_at(Vec::with_capacity(100), 0), file.write_at("x", 0));
            let (synced, read, wrote) = chain(steps).await;
            synced?;
            assert_eq!(read?.0, 10);
            assert!(is_skipped(&wrote), "with {others} others: {wrote:?}");
            for nop in nops {
                nop.await?;
            }
        }
        assert_eq!(std::fs::read(&path)?, b"0123456789");
        Ok(())
    });
}

#[test]
fn a_chain_longer_than_the_submission_queue_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run_on(Runtime::builder().entries(2), async {
        let file = read_write(&path).await?;
        let (a, b, c) = chain((file.sync_all(), file.sync_all(), file.sync_all())).await;
        assert_eq!(a.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(b.is_err() && c.is_err());
        let (a, b) = chain((file.sync_all(), file.sync_all())).await;
        a.and(b)
    });
}

#[test]
fn a_chain_is_cancelled_with_all_buffers() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run(async {
        let file = read_write(&path).await?;
        let (quiet, _peer) = quiet()?;
        for polled in [false, true] {
            for hard in [false, true] {
                let steps = (stuck(&quiet), file.write_at(vec![1; 5], 50), stuck(&quiet));
                let mut running = chain(steps);
                if hard {
                    running = running.hard();
                }
                if polled {
                    assert!(poll!(&mut running).is_pending());
                    yield_to_kernel().await?;
                }
                let (first, second, third) = running.cancel().await;
                assert!(Cancelled::of(&first.unwrap_err()).is_some());
                if let Ok((n, _)) = &second {
                    assert!(hard && polled && *n == 5, "only a hard chain goes on");
                } else {
                    assert!(is_skipped(&second));
                }
                assert!(Cancelled::of(&third.unwrap_err()).is_some());
            }
        }
        Ok(())
    });
}

#[test]
fn a_chain_has_a_deadline() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run(async {
        let file = read_write(&path).await?;
        let (quiet, _peer) = quiet()?;
        let steps = (file.write_at("abc", 0), stuck(&quiet), file.write_at("def", 0));
        // Long enough for a write that a worker thread has to do on a busy machine.
        let (wrote, stuck, skipped) = chain(steps).timeout(Duration::from_secs(2)).await;
        assert_eq!(wrote?.0, 3, "what was done in time is told");
        assert_eq!(stuck.unwrap_err().kind(), ErrorKind::TimedOut);
        let (error, buf) = skipped.unwrap_err().into_parts();
        assert_eq!((error.kind(), buf), (ErrorKind::TimedOut, Some("def")));
        assert_eq!(std::fs::read(&path)?, b"abc3456789");
        Ok(())
    });
}

#[test]
fn a_dropped_chain_ends_step_by_step() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run(async {
        let (quiet, _peer) = quiet()?;
        for hard in [false, true] {
            let file = read_write(&path).await?;
            let mut running = chain((stuck(&quiet), stuck(&quiet), file.write_at("never?", 100)));
            if hard {
                running = running.hard();
            }
            assert!(poll!(&mut running).is_pending());
            yield_to_kernel().await?;
            drop(running);
            drop(file);
            at_rest().await?;
        }
        Ok(())
    });
}

#[test]
fn a_runtime_ends_with_chains_in_flight() {
    let (quiet, _peer) = quiet().unwrap();
    let _shared = crate::harness::share_process();
    let runtime = made(Runtime::builder());
    let mut kept = chain((stuck(&quiet), stuck(&quiet), stuck(&quiet))).hard();
    runtime.block_on(async {
        assert!(poll!(&mut kept).is_pending());
        yield_to_kernel().await.unwrap();
    });
    runtime.shutdown();
    drop(kept);
}

//! A chain that is submitted by halves: the second half begins although the first has failed.
//!
//! Evidence: io_submit_sqes() stops where it has no memory for a request, and queues what it has of
//! a chain; the next call takes the rest for a chain of its own
//! (`annulus-sim/tests/it/unreliable.rs` shows it on the real kernel). A sync then runs beside the
//! write that it was to follow.
//!
//! Design: after each call the core looks where the kernel stopped. What is left of a chain is
//! taken back out of the queue: its first step says `OutOfMemory`, the others that they did not
//! begin, all with their buffers. Row "EINTR/EAGAIN/EBUSY" and "Linked timeout" of the hazards;
//! besides these tests those of `ending::chains` meet a full queue, and `hostile` partial
//! submissions.

use std::io::{self, ErrorKind};

use annulus::buf::BufError;
use annulus::fs::OpenOptions;
use annulus::op::{Cancelled, chain};
use annulus_ring::op::Nop;
use annulus_ring::{AnyKernel, Real};
use annulus_sim::{Fault, Faults, Report, Unreliable};
use futures_util::poll;
use std::sync::{Arc, Mutex};

use crate::cancel::{at_rest, yield_to_kernel};
use crate::harness::ground::{Ground, is_whole_run, on_seeds, run_on_ground, tiny};
use crate::harness::share_process;

/// Every second chain is cut, now here, now there.
const CUT: Faults = Faults::none().with(Fault::SplitChain, 500);

/// How a step ended that had to wait for another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Ended {
    Done,
    /// The one before it broke the chain.
    Skipped,
    NoMemory,
}

fn ended(error: Option<&io::Error>) -> Ended {
    match error {
        None => Ended::Done,
        Some(error) if Cancelled::of(error).is_some() => Ended::Skipped,
        Some(error) => {
            assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
            Ended::NoMemory
        }
    }
}

/// The same, with the buffer, which must have come back.
fn with_buf<T, B>(step: &Result<T, BufError<B>>) -> Ended {
    if let Err(failed) = step {
        assert!(failed.buf().is_some(), "the buffer comes back");
    }
    ended(step.as_ref().err().map(BufError::error))
}

/// Runs a body on the real kernel with several seeds, and on the simulated one; both cut chains.
fn on_both<F>(body: impl Fn(Ground) -> F)
where
    F: Future<Output = io::Result<()>>,
{
    let mut total = {
        let _shared = share_process();
        let report = Arc::new(Mutex::new(Report::default()));
        for seed in 0..5 {
            let report = report.clone();
            let builder = tiny().kernel(move || {
                let kernel = Unreliable::new(Real::new(), seed, CUT);
                AnyKernel::Dyn(Box::new(kernel.reporting_to(report.clone())))
            });
            let ground = Ground::real();
            run_on_ground(&ground, builder, body(ground.clone()));
        }
        *report.lock().expect("nobody throws with it")
    };
    assert!(total.count(Fault::SplitChain) > 0, "the real kernel never cut a chain");
    let late = CUT.with(Fault::Delay, 400).with(Fault::Reorder, 400);
    total = on_seeds(40, |world| world.set_faults(late), tiny, body);
    if is_whole_run() {
        assert!(total.count(Fault::SplitChain) > 0, "the simulated one never did");
    }
}

#[test]
fn what_follows_a_failed_step_never_begins() {
    on_both(|ground| async move {
        let path = ground.file("file", b"0123456789");
        let file = OpenOptions::new().read(true).write(true).open(&path).await?;
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..60 {
            // Others before and behind it in the queue, which are none of its business.
            // SAFETY: a no-op points to nothing.
            let mut nops: Vec<_> =
                (0..round % 4).map(|_| Box::pin(unsafe { annulus::submit(Nop) })).collect();
            for nop in nops.iter_mut().take(2) {
                assert!(poll!(nop).is_pending());
            }
            // The file is too short for the read, which breaks the chain.
            let steps =
                (file.read_at(Vec::with_capacity(100), 0), file.write_at("x", 50), file.sync_all());
            let mut running = chain(steps);
            assert!(poll!(&mut running).is_pending());
            for nop in nops.iter_mut().skip(2) {
                assert!(poll!(nop).is_pending());
            }
            let (read, wrote, synced) = running.await;
            assert_eq!(read?.0, 10);
            let (wrote, synced) = (with_buf(&wrote), ended(synced.as_ref().err()));
            assert!(wrote != Ended::Done && synced != Ended::Done, "{wrote:?}, {synced:?}");
            assert!(wrote == Ended::Skipped || synced == Ended::Skipped, "one had no memory");
            seen.insert((wrote, synced));
            for nop in nops {
                nop.await?;
            }
        }
        assert_eq!(ground.contents("file"), b"0123456789");
        let cut = [(Ended::NoMemory, Ended::Skipped), (Ended::Skipped, Ended::NoMemory)];
        assert!(seen.iter().any(|ends| cut.contains(ends)), "{seen:?}");
        Ok(())
    });
}

#[test]
fn a_step_that_was_begun_comes_after_the_one_before() {
    on_both(|ground| async move {
        let path = ground.file("file", &[0; 64]);
        let file = OpenOptions::new().read(true).write(true).open(&path).await?;
        let (mut done, mut cut) = (0, 0);
        for round in 1..=60_u8 {
            let steps = (
                file.write_at(vec![round; 64], 0),
                file.read_at(Vec::with_capacity(64), 0),
                file.write_at(vec![round; 1], 63),
            );
            let running = chain(steps);
            let hard = round % 2 == 0;
            let (wrote, read, again) = if hard { running.hard().await } else { running.await };
            assert_eq!(wrote?.0, 64);
            match with_buf(&read) {
                Ended::Done => {
                    assert_eq!(read?.1, [round; 64], "it was read before it was written");
                    done += 1;
                }
                Ended::NoMemory => {
                    assert_eq!(with_buf(&again), Ended::Skipped, "hard: {hard}");
                    cut += 1;
                }
                Ended::Skipped => panic!("nothing before it failed"),
            }
        }
        assert!(done > 0 && cut > 0, "{done} done, {cut} cut");
        Ok(())
    });
}

#[test]
fn a_cut_chain_may_be_given_up_at_any_moment() {
    on_both(|ground| async move {
        let path = ground.file("file", &[0; 64]);
        for round in 0..60 {
            let file = OpenOptions::new().read(true).write(true).open(&path).await?;
            let mut running = chain((
                file.write_at(vec![1; 64], 0),
                file.sync_data(),
                file.write_at(vec![2; 64], 0),
                file.read_at(Vec::with_capacity(64), 0),
            ));
            assert!(poll!(&mut running).is_pending());
            if round % 3 > 0 {
                yield_to_kernel().await?;
            }
            if round % 2 == 0 {
                drop(running);
            } else {
                let (_, synced, second, read) = annulus::OpExt::cancel(running).await;
                let ends = [ended(synced.as_ref().err()), with_buf(&second), with_buf(&read)];
                assert!(ends.is_sorted_by_key(|end| *end != Ended::Done), "a gap: {ends:?}");
            }
            drop(file);
            at_rest().await?;
        }
        Ok(())
    });
}

#[test]
fn a_submission_that_the_end_of_a_step_needs_begins_nothing_of_its_chain() {
    on_both(|ground| async move {
        let names = ["first", "second", "third", "last"];
        let mut paths = Vec::new();
        for name in names {
            paths.push(ground.file(name, &[0]));
        }
        for round in 1..=60_u8 {
            let mut files = Vec::new();
            for path in &paths {
                files.push(OpenOptions::new().write(true).open(path).await?);
            }
            let write = |number: usize| files[number].write_at(vec![round], 0);
            let mut running = chain((write(0), write(1), write(2), write(3)));
            assert!(poll!(&mut running).is_pending());
            drop(running);
            // Each of these is closed through the ring when its step has ended.
            drop(files);
            // The queue is full, or nearly so.
            let count = 9 + usize::from(round % 4);
            // SAFETY: a no-op points to nothing.
            let nops = (0..count).map(|_| Box::pin(unsafe { annulus::submit(Nop) }));
            for nop in futures_util::future::join_all(nops).await {
                nop?;
            }
            at_rest().await?;
            let written = names.map(|name| ground.contents(name) == [round]);
            assert!(written.is_sorted_by_key(|written| !written), "a gap: {written:?}");
        }
        Ok(())
    });
}

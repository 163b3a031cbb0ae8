//! `enter` is interrupted, has no memory, or wants completions reaped first.
//!
//! *Evidence*: commonware#3277, compio#51; waits that are expected to succeed, in destructors.
//!
//! *Answer*: all of these mean "go on": deadlines are absolute and looked at after each wait, what
//! was submitted is read from the ring, and EBUSY is followed by reaping.
//!
//! *Also proven*: `annulus-ring` (`faults`, `waits`); `hazards::stale_completion`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annulus::fs::File;
use annulus::net::UnixStream;
use annulus::runtime::Runtime;
use annulus::time::{Instant, sleep};
use annulus_sim::{Fault, Faults};

use super::{pattern, read_to_end};
use crate::harness::ground::{Ground, on_seeds, tiny};
use crate::harness::{check, made, share_process};

extern "C" fn nothing(_signal: libc::c_int) {}

/// Sends signals to this thread, without pause, while `body` runs. The handler restarts nothing.
fn under_signals(body: impl FnOnce()) {
    // SAFETY: all zero is a valid value of this structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as *const () as usize;
    // SAFETY: the structure is initialised, and the handler does nothing at all.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) }, 0);
    let stop = Arc::new(AtomicBool::new(false));
    // SAFETY: always succeeds.
    let target = unsafe { libc::pthread_self() };
    let (first, sent_one) = std::sync::mpsc::channel();
    let sender = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let mut sent = 0_u64;
            while !stop.load(Ordering::SeqCst) {
                // SAFETY: the thread is alive until this one was joined.
                assert_eq!(unsafe { libc::pthread_kill(target, libc::SIGUSR1) }, 0);
                sent += 1;
                let _ = first.send(());
                std::thread::park_timeout(Duration::from_micros(200));
            }
            sent
        }
    });
    // On a busy machine the body might be over before the other thread runs at all.
    sent_one.recv().unwrap();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
    stop.store(true, Ordering::SeqCst);
    assert!(sender.join().unwrap() > 0);
    if let Err(payload) = result {
        std::panic::resume_unwind(payload);
    }
}

/// A little of everything.
async fn work(ground: Ground) -> io::Result<()> {
    let (left, right) = UnixStream::pair()?;
    let reading = annulus::spawn(async move { read_to_end(&right).await });
    let mut expected = Vec::new();
    let file = File::open(ground.file("some", &pattern(1, 500))).await?;
    for round in 0..10 {
        let piece = pattern(round, 200);
        expected.extend_from_slice(&piece);
        left.write_all(piece).await?;
        assert_eq!(file.read_exact_at(vec![0; 300], 200).await?.1, pattern(1, 500)[200..]);
        let started = Instant::now();
        sleep(Duration::from_micros(700)).await;
        assert!(started.elapsed() >= Duration::from_micros(700), "no sleep ends early");
    }
    drop(left);
    assert!(reading.await.expect("no panic")? == expected);
    Ok(())
}

#[test]
fn signals_at_every_moment_neither_end_nor_lose_anything() {
    let _shared = share_process();
    under_signals(|| {
        for _ in 0..10 {
            check(tiny(), work(Ground::real()));
        }
    });
}

#[test]
fn a_runtime_is_made_and_ended_under_signals() {
    let _shared = share_process();
    under_signals(|| {
        for _ in 0..30 {
            let runtime = made(Runtime::builder());
            runtime.block_on(async {
                let (left, right) = UnixStream::pair().unwrap();
                annulus::spawn(async move { right.recv().await.map(drop) });
                annulus::spawn(async move { left.read(vec![0; 8]).await.map(drop) });
                crate::cancel::yield_to_kernel().await.unwrap();
            });
            runtime.shutdown();
        }
    });
}

#[test]
fn every_second_enter_may_fail() {
    let faults = Faults::none()
        .with(Fault::Eintr, 500)
        .with(Fault::Eagain, 300)
        .with(Fault::Ebusy, 300)
        .with(Fault::SpuriousWake, 500);
    let total = on_seeds(40, |world| world.set_faults(faults), tiny, work);
    for fault in [Fault::Eintr, Fault::Eagain, Fault::Ebusy, Fault::SpuriousWake] {
        assert!(total.count(fault) > 0, "{fault:?} never happened");
    }
}

#[test]
fn a_deadline_moves_for_no_interruption() {
    let faults = Faults::none().with(Fault::Eintr, 900);
    let total = on_seeds(
        20,
        |world| world.set_faults(faults),
        tiny,
        |ground| async move {
            let world = ground.world().expect("simulated").clone();
            let before_ns = world.now_ns();
            sleep(Duration::from_secs(60)).await;
            let slept_ns = world.now_ns() - before_ns;
            assert!(slept_ns >= 60_000_000_000, "{slept_ns}");
            assert!(slept_ns < 60_100_000_000, "each interruption started it anew: {slept_ns}");
            Ok(())
        },
    );
    assert!(total.count(Fault::Eintr) > 0);
}

//! Timers that may be late: they fire together, never early, and no later than that.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use annulus::runtime::{Builder, Runtime, metrics};
use annulus::time::{Instant, sleep, sleep_until, timeout};
use annulus_ring::abi::{Features, TimeoutFlags, Timespec};
use annulus_ring::op::Timeout;
use annulus_ring::{AnyKernel, Mask};

use crate::harness::ground::{Ground, run_on_ground};
use crate::harness::run_on;
use crate::hostile::skip_unless_quiet;

const MS: Duration = Duration::from_millis(1);
/// How late a timer may be without slack, and with it besides: the wheel counts in these.
const TICK: Duration = Duration::from_nanos(1 << 16);
/// What looking at the simulated clock moves it.
const LOOKS: Duration = Duration::from_micros(5);

fn with(slack: Duration) -> Builder {
    Runtime::builder().timer_slack(slack)
}

/// A simulated kernel without faults, whose clock moves by nothing but waits.
fn on_exact_time<F: Future<Output = io::Result<()>>>(builder: Builder, body: F) {
    run_on_ground(&Ground::simulated(0), builder, body);
}

/// Sleeps to each of 200 moments, a tenth of a millisecond apart, and gives the order in which
/// they ended, and in how many waits.
async fn sleep_in_a_row() -> io::Result<(Vec<u32>, u64)> {
    let order = Rc::new(RefCell::new(Vec::new()));
    let start = Instant::now() + 10 * MS;
    let before = metrics()?.waits;
    let tasks: Vec<_> = (0..200u32)
        .map(|n| {
            let order = order.clone();
            let deadline = start + MS / 10 * (n * 77 % 200);
            annulus::spawn(async move {
                sleep_until(deadline).await;
                assert!(Instant::now() >= deadline, "early");
                order.borrow_mut().push(n * 77 % 200);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("not early");
    }
    let waits = metrics()?.waits - before;
    Ok((order.take(), waits))
}

#[test]
fn with_slack_many_timers_are_one_wait() {
    on_exact_time(with(21 * MS), async {
        let (order, waits) = sleep_in_a_row().await?;
        assert!(order.is_sorted(), "in the order of their deadlines");
        // One for a slot of the wheel that moves down, and one for all that is due.
        assert!(waits <= 2, "{waits} waits");
        Ok(())
    });
}

#[test]
fn without_slack_each_is_a_wait() {
    on_exact_time(with(Duration::ZERO), async {
        let (order, waits) = sleep_in_a_row().await?;
        assert_eq!(order.len(), 200);
        assert!(waits >= 200, "each is in a tick of its own: {waits} waits");
        Ok(())
    });
}

#[test]
fn a_timer_is_late_by_its_slack_and_no_more() {
    for slack in [Duration::ZERO, MS / 3, MS, 40 * MS] {
        on_exact_time(with(slack), async move {
            for long in [MS, 5 * MS, 300 * MS, Duration::from_secs(100)] {
                let before = Instant::now();
                sleep(long).await;
                let late = before.elapsed() - long;
                let most = slack + TICK + LOOKS;
                assert!(slack <= late && late <= most, "{late:?}, slack of {slack:?}");
            }
            let late = timeout(MS, std::future::pending::<()>());
            let before = Instant::now();
            assert!(late.await.is_err());
            assert!(before.elapsed() <= MS + slack + TICK + LOOKS, "timeouts have the same slack");
            Ok(())
        });
    }
}

#[test]
fn a_core_that_is_awake_fires_what_is_due() {
    run_on(with(Duration::MAX), async {
        let mut sleeping = std::pin::pin!(sleep(MS));
        // Awake all the time, or the test would not end.
        poll_fn(|context| {
            context.waker().wake_by_ref();
            sleeping.as_mut().poll(context)
        })
        .await;
        Ok(())
    });
}

#[test]
fn a_core_with_any_slack_sleeps_until_something_else_wakes_it() {
    static LATER: Timespec = Timespec { sec: 0, nsec: 20_000_000 };
    if skip_unless_quiet() {
        return;
    }
    for mask in [Mask::none(), Mask::none().features(Features::EXT_ARG)] {
        let builder = with(Duration::MAX).kernel(AnyKernel::default).mask(mask);
        run_on(builder.keep_tick(false), async {
            let sleeping = annulus::spawn(sleep(MS));
            annulus::task::yield_now().await;
            let before = metrics()?.waits;
            let spec = &raw const LATER;
            let timeout = Timeout { spec, count: 0, flags: TimeoutFlags::EMPTY };
            // SAFETY: the specification is a static.
            let _ = unsafe { annulus::submit(timeout) }.await;
            let waits = metrics()?.waits - before;
            assert!(waits <= 3, "{waits} waits for one request: is the limit too large?");
            sleeping.await.expect("it does not panic");
            Ok(())
        });
    }
}

#[test]
fn a_paused_clock_knows_no_slack() {
    run_on(with(Duration::MAX).start_paused(true), async {
        let before = Instant::now();
        sleep(5 * MS).await;
        assert_eq!(before.elapsed(), 5 * MS);
        Ok(())
    });
}

//! Timers: never early, in order, once.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use annulus::runtime::{Runtime, metrics};
use annulus::time::{
    Instant, MissedTicks, interval, interval_at, sleep, sleep_until, timeout, timeout_at,
};

use crate::harness::{made, run, share_process};

const MS: Duration = Duration::from_millis(1);

#[test]
fn no_sleep_ends_early() {
    run(async {
        for micros in [1, 10, 63, 64, 65, 500, 1023, 1024, 4100, 17_000] {
            let duration = Duration::from_micros(micros);
            let before = Instant::now();
            let std_before = std::time::Instant::now();
            sleep(duration).await;
            assert!(before.elapsed() >= duration, "{micros} µs");
            assert!(std_before.elapsed() >= duration, "{micros} µs by std");
        }
        Ok(())
    });
}

#[test]
fn sleeps_end_in_the_order_of_their_deadlines() {
    run(async {
        loop {
            let order = Rc::new(RefCell::new(Vec::new()));
            let start = Instant::now() + MS * 20;
            let tasks: Vec<_> = [7u32, 2, 9, 0, 4, 1, 8, 3, 6, 5]
                .into_iter()
                .map(|place| {
                    let order = order.clone();
                    annulus::spawn(async move {
                        // Far enough apart for the wheel's ticks, in several of its levels.
                        sleep_until(start + MS * (place * place)).await;
                        order.borrow_mut().push(place);
                    })
                })
                .collect();
            // Runs when all of them have been polled.
            let armed = annulus::spawn(async { Instant::now() });
            let armed = armed.await.expect("no panic");
            for task in tasks {
                task.await.expect("no panic");
            }
            // On a machine that stood still meanwhile some had passed at the first poll.
            if armed < start {
                assert!(order.borrow().iter().copied().eq(0..10));
                return Ok(());
            }
        }
    });
}

#[test]
fn moments_that_have_passed_are_over_at_the_first_poll() {
    run(async {
        let past = Instant::now();
        assert!(futures_util::poll!(std::pin::pin!(sleep_until(past))).is_ready());
        assert!(futures_util::poll!(std::pin::pin!(sleep(Duration::ZERO))).is_ready());
        assert_eq!(metrics()?.timers, 0);
        Ok(())
    });
}

#[test]
fn a_sleep_without_end_is_no_overflow() {
    run(async {
        for long in [Duration::MAX, Duration::from_secs(u64::MAX / 1_000_000_000)] {
            let mut sleeping = Box::pin(sleep(long));
            assert!(futures_util::poll!(&mut sleeping).is_pending());
            // The core still wakes for what comes before it.
            sleep(MS).await;
            assert!(futures_util::poll!(&mut sleeping).is_pending());
        }
        assert_eq!(timeout(Duration::MAX, async { 1 }).await, Ok(1));
        Ok(())
    });
}

#[test]
fn ten_thousand_sleeps_at_once_all_end_and_none_early() {
    run(async {
        let start = Instant::now();
        let tasks: Vec<_> = (0..10_000u64)
            .map(|n| {
                let duration = Duration::from_micros(n * 37 % 50_000);
                annulus::spawn(async move {
                    sleep_until(start + duration).await;
                    assert!(start.elapsed() >= duration);
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("not early");
        }
        assert_eq!(metrics()?.timers, 0);
        Ok(())
    });
}

#[test]
fn dropped_sleeps_take_their_timers_along() {
    run(async {
        let mut sleeps: Vec<_> = (0..1000).map(|n| Box::pin(sleep(MS * (1_000_000 + n)))).collect();
        for sleeping in &mut sleeps {
            assert!(futures_util::poll!(sleeping).is_pending());
        }
        assert_eq!(metrics()?.timers, 1000);
        sleeps.truncate(1);
        assert_eq!(metrics()?.timers, 1);
        drop(sleeps);
        assert_eq!(metrics()?.timers, 0);
        Ok(())
    });
}

#[test]
fn a_reset_sleep_ends_at_its_new_deadline() {
    run(async {
        let mut sleeping = Box::pin(sleep(Duration::from_secs(1000)));
        assert!(futures_util::poll!(&mut sleeping).is_pending());
        let deadline = Instant::now() + MS;
        sleeping.as_mut().get_mut().reset(deadline);
        assert_eq!(sleeping.deadline(), deadline);
        sleeping.as_mut().await;
        assert!(Instant::now() >= deadline);
        // And once more, after it was over.
        let later = Instant::now() + MS;
        sleeping.as_mut().get_mut().reset(later);
        sleeping.as_mut().await;
        assert!(Instant::now() >= later);
        assert_eq!(metrics()?.timers, 0);
        Ok(())
    });
}

#[test]
fn a_timeout_ends_what_is_late_and_lets_through_what_is_not() {
    run(async {
        assert_eq!(timeout(Duration::from_secs(1000), async { 5 }).await, Ok(5));
        let before = Instant::now();
        let never = timeout(MS, std::future::pending::<()>()).await;
        assert!(never.is_err() && before.elapsed() >= MS);
        let error = io::Error::from(never.expect_err("late"));
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // A result that is there wins, however late it is.
        assert_eq!(timeout_at(before, async { 6 }).await, Ok(6));
        assert!(timeout(Duration::ZERO, std::future::pending::<()>()).await.is_err());
        // One inside the other: the shorter one counts.
        let inner = timeout(MS, std::future::pending::<()>());
        let both = timeout(Duration::from_secs(1000), inner).await;
        assert!(both.expect("the outer one is longer").is_err());
        assert_eq!(metrics()?.timers, 0);
        Ok(())
    });
}

#[test]
fn an_interval_ticks_at_once_and_then_on_its_grid() {
    run(async {
        let start = Instant::now();
        let mut ticks = interval_at(start, MS);
        for n in 0..20 {
            assert_eq!(ticks.tick().await, start + MS * n);
            assert!(Instant::now() >= start + MS * n);
        }
        Ok(())
    });
}

/// Lets an interval miss a few of its ticks.
fn oversleep(until: Instant) {
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

#[test]
fn missed_ticks_burst_delay_or_skip() {
    run(async {
        let start = Instant::now();
        let mut burst = interval_at(start, MS);
        burst.tick().await;
        oversleep(start + MS * 5);
        for n in 1..=5 {
            let tick = std::pin::pin!(burst.tick());
            let ready = futures_util::poll!(tick);
            assert_eq!(ready, std::task::Poll::Ready(start + MS * n));
        }

        let mut delay = interval(MS);
        delay.set_missed_ticks(MissedTicks::Delay);
        delay.tick().await;
        let late = Instant::now() + MS * 5;
        oversleep(late);
        assert!(futures_util::poll!(Box::pin(delay.tick())).is_ready());
        assert!(delay.tick().await >= late + MS, "and the schedule moves");

        let start = Instant::now();
        let mut skip = interval_at(start, MS);
        skip.set_missed_ticks(MissedTicks::Skip);
        skip.tick().await;
        let late = Instant::now() + MS * 5;
        oversleep(late);
        assert!(futures_util::poll!(Box::pin(skip.tick())).is_ready());
        let next = skip.tick().await;
        assert!(next > late, "those between are left out");
        let off_grid = next.duration_since(start).as_nanos() % MS.as_nanos();
        assert_eq!(off_grid, 0, "the grid stays");
        Ok(())
    });
}

#[test]
fn a_reset_interval_starts_again() {
    run(async {
        let mut ticks = interval(Duration::from_secs(1000));
        ticks.tick().await;
        let mut short = interval(MS);
        short.tick().await;
        let now = Instant::now();
        short.reset();
        assert!(short.tick().await >= now + MS);
        assert_eq!(ticks.period(), Duration::from_secs(1000));
        Ok(())
    });
}

#[test]
fn a_period_of_zero_is_refused() {
    let _shared = share_process();
    let refused = std::panic::catch_unwind(|| interval(Duration::ZERO));
    assert!(refused.is_err());
}

#[test]
fn a_sleep_moves_to_the_runtime_that_polls_it() {
    let _shared = share_process();
    let (first, second) = (made(Runtime::builder()), made(Runtime::builder()));
    let mut sleeping = Box::pin(sleep(MS * 1_000_000));
    first.block_on(async {
        assert!(futures_util::poll!(&mut sleeping).is_pending());
    });
    assert_eq!(first.metrics().timers, 1);
    second.block_on(async {
        assert!(futures_util::poll!(&mut sleeping).is_pending());
    });
    assert_eq!(second.metrics().timers, 1, "armed where it is polled");
    first.block_on(async {});
    assert_eq!(first.metrics().timers, 0, "and nowhere else");
    drop(first);
    let deadline = Instant::now() + MS * 3;
    second.block_on(async {
        sleeping.as_mut().get_mut().reset(deadline);
        sleeping.await;
    });
    assert!(Instant::now() >= deadline);
    assert_eq!(second.shutdown().timers, 0);
}

#[test]
fn a_sleep_outlives_the_runtime_that_armed_it() {
    let _shared = share_process();
    let first = made(Runtime::builder());
    let mut sleeping = Box::pin(sleep(MS * 5));
    first.block_on(async {
        assert!(futures_util::poll!(&mut sleeping).is_pending());
    });
    drop(first);
    let second = made(Runtime::builder());
    second.block_on(sleeping);
    assert_eq!(second.shutdown().timers, 0);
}

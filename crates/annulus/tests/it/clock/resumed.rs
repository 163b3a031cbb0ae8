//! A clock that a test has stopped and lets run again: what follows takes real time.

use std::time::Duration;

use annulus::runtime::{Runtime, metrics};
use annulus::task::spawn_blocking;
use annulus::time::{self, Instant, MissedTicks, advance, interval_at, sleep, timeout};
use futures_util::poll;

use super::{HOUR, MS};
use crate::harness::run_on;

#[test]
fn a_resumed_clock_runs_on_from_where_it_stood() {
    run_on(Runtime::builder(), async {
        let start = Instant::now();
        time::pause();
        sleep(HOUR).await;
        let stood = Instant::now();
        // One that is due within the tick, and one later.
        let mut soon = Box::pin(sleep(Duration::from_nanos(100)));
        let mut later = Box::pin(sleep(MS * 3));
        assert!(poll!(&mut soon).is_pending() && poll!(&mut later).is_pending());
        sleep(Duration::from_nanos(50)).await;
        time::resume();
        assert!(Instant::now() >= stood + Duration::from_nanos(50));
        soon.await;
        later.await;
        let now = Instant::now();
        assert!(now >= stood + MS * 3);
        assert!(start.elapsed() >= HOUR);
        // A second time, from a clock that is ahead of the kernel's.
        time::pause();
        let stood = Instant::now();
        assert!(stood >= now);
        advance(MS).await;
        assert_eq!(stood.elapsed(), MS);
        time::resume();
        let before = Instant::now();
        sleep(MS).await;
        assert!(before.elapsed() >= MS);
        Ok(())
    });
}

#[test]
fn a_clock_that_was_paused_may_be_behind_the_kernels() {
    run_on(Runtime::builder(), async {
        time::pause();
        let stood = Instant::now();
        let real = std::time::Instant::now();
        while real.elapsed() < MS * 5 {
            std::hint::spin_loop();
        }
        assert_eq!(stood.elapsed(), Duration::ZERO);
        time::resume();
        let mut sleeping = Box::pin(sleep(MS));
        assert!(poll!(&mut sleeping).is_pending(), "the time that has not passed is still to come");
        sleeping.await;
        assert!(stood.elapsed() >= MS);
        Ok(())
    });
}

#[test]
fn a_clock_that_is_resumed_loses_no_sleep_that_is_due_within_the_tick() {
    run_on(Runtime::builder(), async {
        for round in 0..500 {
            let mut sleeping = Box::pin(sleep(Duration::from_micros(5 + round % 56)));
            if poll!(&mut sleeping).is_ready() {
                continue;
            }
            time::pause();
            if round % 3 == 0 {
                advance(Duration::from_micros(round % 7)).await;
            }
            time::resume();
            let mut later = Box::pin(sleep(MS / 10));
            if poll!(&mut later).is_ready() {
                continue; // the thread was away for so long: no turn has looked at the timers
            }
            // One that is due later has fired: then so has this one.
            later.await;
            assert!(poll!(&mut sleeping).is_ready(), "in round {round}");
        }
        assert_eq!(metrics()?.timers, 0);
        Ok(())
    });
}

#[test]
fn a_sleep_that_is_late_when_the_clock_is_paused_does_not_turn_it_back() {
    run_on(Runtime::builder(), async {
        let mut sleeping = Box::pin(sleep(MS));
        while poll!(&mut sleeping).is_ready() {
            sleeping.set(sleep(MS));
        }
        let start = Instant::now();
        while start.elapsed() < MS * 2 {
            std::hint::spin_loop();
        }
        time::pause();
        let stood = Instant::now();
        sleeping.await;
        assert_eq!(Instant::now(), stood);
        Ok(())
    });
}

#[test]
fn a_clock_at_the_end_of_time_stands_still() {
    run_on(Runtime::builder(), async {
        let start = Instant::now();
        time::pause();
        advance(Duration::MAX).await;
        let end = Instant::now();
        assert!(end > start + HOUR * 24 * 365 * 500);
        time::resume();
        assert_eq!(Instant::now(), end);
        let mut after = Box::pin(sleep(MS * 10));
        assert!(poll!(&mut after).is_pending());
        spawn_blocking(std::thread::yield_now).await.expect("the core sleeps, and is woken");
        assert!(poll!(&mut after).is_pending(), "what is after the end never comes");
        assert_eq!(Instant::now(), end);
        sleep(Duration::ZERO).await;
        // Whoever skips ticks has skipped all there are.
        let mut ticks = interval_at(start, Duration::from_nanos(1));
        ticks.set_missed_ticks(MissedTicks::Skip);
        assert_eq!(ticks.tick().await, start);
        assert!(timeout(Duration::ZERO, ticks.tick()).await.is_err());
        Ok(())
    });
}

//! Dumps of a core whose clock a test holds in its hand: a sleep goes by that clock, and how long
//! something has been so by the kernel's.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::time::Duration;

use annulus::runtime::{Runtime, WaitsFor, dump};
use annulus::task::{spawn_named, yield_now};
use annulus::time::{self, advance, sleep};
use annulus_sim::World;
use futures_util::poll;

use super::{LONG, wait_of};
use crate::cancel::yield_to_kernel;
use crate::harness::run_on;
use crate::metrics::simulated;

const SECOND: Duration = Duration::from_secs(1);

/// How long the sleep has left that is all that a task waits for.
fn left_of(name: &str) -> io::Result<Duration> {
    let now = dump()?;
    match wait_of(&now, name) {
        WaitsFor::Timer { left, .. } => Ok(left),
        other => panic!("{other}:\n{now}"),
    }
}

#[test]
fn a_sleep_has_left_what_the_paused_clock_has_to_go() {
    run_on(Runtime::builder().start_paused(true), async {
        let task = spawn_named("sleeper", sleep(LONG));
        yield_now().await;
        assert_eq!(left_of("sleeper")?, LONG);
        advance(LONG / 3).await;
        assert_eq!(left_of("sleeper")?, LONG - LONG / 3);
        assert!(dump()?.to_string().contains("waits for a timer in 400.0s"), "{}", dump()?);
        task.abort();
        Ok(())
    });
}

#[test]
fn a_sleep_that_the_wheel_has_given_up_is_a_timer_all_the_same() {
    run_on(Runtime::builder().start_paused(true), async {
        // Two within one tick of the wheel, so that the second one is held out of it.
        let task = spawn_named("held", sleep(Duration::from_nanos(20)));
        yield_now().await;
        sleep(Duration::from_nanos(10)).await;
        assert_eq!(left_of("held")?, Duration::from_nanos(10));
        task.await.expect("its moment comes");
        Ok(())
    });
}

/// Lets a task wait for a second and looks at its dump: what that says of the time since its poll
/// holds the time that has passed on the kernel's clock.
async fn assert_age_is_real(world: &World) -> io::Result<()> {
    // While a timer is armed, each turn reads the clock: before the poll, and after it.
    let mut timer = pin!(sleep(SECOND));
    assert!(poll!(timer.as_mut()).is_pending());
    yield_now().await;
    let before_ns = world.now_ns();
    let task = spawn_named("old", pending::<()>());
    yield_now().await;
    let after_ns = world.now_ns();
    timer.await;
    let least = Duration::from_nanos(world.now_ns() - after_ns);
    let since = dump()?.task_named("old").expect("it is there").idle.expect("it was polled");
    let most = Duration::from_nanos(world.now_ns() - before_ns);
    assert!(since.at_least <= most, "{since}, and it is {most:?} at most");
    let at_most = since.at_most.expect("the core has begun");
    assert!(at_most >= least, "{since}, and it is {least:?} at least");
    task.abort();
    assert!(task.await.is_err(), "it has no end of its own");
    Ok(())
}

#[test]
fn the_time_since_a_poll_is_that_of_the_kernel_after_the_clock_was_moved() {
    let (world, builder) = simulated();
    run_on(builder, async move {
        // Behind the kernel's clock by a millisecond.
        time::pause();
        let paused_ns = world.now_ns();
        while world.now_ns() < paused_ns + 1_000_000 {
            yield_to_kernel().await?;
        }
        time::resume();
        assert_age_is_real(&world).await?;
        // Ahead of it by an hour.
        time::pause();
        advance(SECOND * 3600).await;
        time::resume();
        assert_age_is_real(&world).await
    });
}

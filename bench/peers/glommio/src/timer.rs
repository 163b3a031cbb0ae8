//! Many timers at once.
//!
//! Each is polled with a waker that does nothing, because glommio counts a task's wakers in 16 bits
//! and so one task cannot wait for a million timers itself. The task is woken by its own last one.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use annulus_bench::{Job, Sample, timers};

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move { timers::run(&job, sleep).await })?
}

async fn sleep(duration: Duration) {
    let mut timer = pin!(glommio::timer::sleep(duration));
    if duration == timers::LAST {
        return timer.await;
    }
    poll_fn(|_| timer.as_mut().poll(&mut Context::from_waker(Waker::noop()))).await;
}

//! Many timers at once: inserting, cancelling and firing them.
//!
//! Owns: the timers and their durations. The same for every runtime, given its `sleep`.
//!
//! | workload | measured | not measured |
//! |---|---|---|
//! | `timer-insert` | making each and polling it once | dropping them |
//! | `timer-cancel` | dropping them, in the order in which they were made | making them |
//! | `timer-fire` | from the last insertion until all are over, each polled once more | making them |

#![allow(unsafe_code, reason = "pins the elements of a vector")]

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::pages::Random;
use crate::{Job, Sample, Stopwatch, wrong};

/// Futures that stay where they are until they are dropped.
struct Pinned<S> {
    // Invariant: never grows past its capacity while it is not empty.
    futures: Vec<S>,
}

impl<S: Future<Output = ()>> Pinned<S> {
    fn with_capacity(capacity: usize) -> Self {
        Self { futures: Vec::with_capacity(capacity) }
    }

    fn push(&mut self, future: S) {
        assert!(self.futures.len() < self.futures.capacity(), "pinned futures would move");
        self.futures.push(future);
    }

    fn poll(&mut self, index: usize, context: &mut Context<'_>) -> Poll<()> {
        let future = &mut self.futures[index];
        // SAFETY: the vector neither grows nor shrinks but by dropping its elements in place, and
        // gives no other reference to them.
        unsafe { Pin::new_unchecked(future) }.poll(context)
    }

    fn clear(&mut self) {
        self.futures.clear();
    }
}

/// What is done to the timers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Insert,
    Cancel,
    Fire,
}

/// Does `timer-insert`, `timer-cancel` or `timer-fire`, whichever the job names, with as many
/// timers as it has tasks.
///
/// # Errors
/// A timer was not armed, or was not over in time.
pub async fn run<S, F>(job: &Job, sleep: F) -> io::Result<Sample>
where
    S: Future<Output = ()>,
    F: Fn(Duration) -> S,
{
    let phase = match job.workload.as_str() {
        "timer-insert" => Phase::Insert,
        "timer-cancel" => Phase::Cancel,
        _ => Phase::Fire,
    };
    let count = job.ops.map_or(job.tasks, |ops| ops as u32);
    let mut timers = Pinned::with_capacity(count as usize);
    let mut random = Random::new(1);
    let mut watch = Stopwatch::default();
    if job.ops.is_none() {
        // Memory is had from the system now, not while it is measured.
        arm(&mut timers, count, || far(&mut random), &sleep).await?;
        timers.clear();
    }
    let begun = Instant::now();
    loop {
        if phase == Phase::Fire {
            arm(&mut timers, count, || near(&mut random), &sleep).await?;
            watch.start();
            sleep(LAST).await;
            all_over(&mut timers, count).await?;
            watch.stop(count.into());
            timers.clear();
        } else {
            if phase == Phase::Insert {
                watch.start();
            }
            arm(&mut timers, count, || far(&mut random), &sleep).await?;
            if phase == Phase::Insert {
                watch.stop(count.into());
            } else {
                watch.start();
            }
            timers.clear();
            if phase == Phase::Cancel {
                watch.stop(count.into());
            }
        }
        if job.ops.is_some() || begun.elapsed() >= job.window {
            return Ok(watch.sample());
        }
    }
}

/// Later than every near timer, whenever that one was made.
pub const LAST: Duration = Duration::from_millis(2600);

/// How long it may take to look at all timers once they should be over.
const PATIENCE: Duration = Duration::from_secs(5);

/// Like timeouts of requests: a second to a minute.
fn far(random: &mut Random) -> Duration {
    Duration::from_micros(1_000_000 + random.below(60_000_000))
}

/// Within half a second, in two seconds: after the last has been inserted.
fn near(random: &mut Random) -> Duration {
    Duration::from_micros(2_000_000 + random.below(500_000))
}

/// Timers armed in one poll of the task: fewer than a runtime lets a task do before it must yield,
/// because what is polled after that is not armed.
const PER_POLL: usize = 64;

/// Makes the timers and polls each once.
async fn arm<S, F>(
    timers: &mut Pinned<S>,
    count: u32,
    mut after: impl FnMut() -> Duration,
    sleep: &F,
) -> io::Result<()>
where
    S: Future<Output = ()>,
    F: Fn(Duration) -> S,
{
    let count = count as usize;
    let mut index = 0;
    poll_fn(|context| {
        let stop = count.min(index + PER_POLL);
        while index < stop {
            timers.push(sleep(after()));
            if timers.poll(index, context).is_ready() {
                return Poll::Ready(Err(wrong("a timer was over at once")));
            }
            index += 1;
        }
        if index == count {
            return Poll::Ready(Ok(()));
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Polls each timer, which must be over, or else the wait for it is seen.
async fn all_over<S: Future<Output = ()>>(timers: &mut Pinned<S>, count: u32) -> io::Result<()> {
    let since = Instant::now();
    for index in 0..count as usize {
        poll_fn(|context| timers.poll(index, context)).await;
    }
    if since.elapsed() > PATIENCE {
        return Err(wrong("a timer was late by seconds"));
    }
    Ok(())
}

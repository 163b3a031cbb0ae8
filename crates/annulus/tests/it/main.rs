//! The runtime against the real kernel: what users rely on, and every fault that they may meet.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

mod accept;
mod allocations;
mod blocking;
mod cancel;
mod choices;
mod clock;
mod closing;
mod cores;
mod counting;
mod dump;
mod efficiency;
mod endings;
mod files;
mod foreign;
mod hand_off;
mod harness;
mod hostile;
mod limits;
mod metrics;
mod pool;
mod refused;
mod runtime;
mod sim;
mod sqpoll;
mod stall;
mod storm;
mod stream;
mod tasks;
mod time;
mod vectored;
mod waiting;
mod wakers;

#[global_allocator]
static ALLOCATOR: counting::Allocator = counting::Allocator;

//! The runtime against the real kernel: what users rely on, and every fault that they may meet.

mod accept;
mod cancel;
mod counting;
mod efficiency;
mod endings;
mod files;
mod foreign;
mod harness;
mod limits;
mod pool;
mod refused;
mod runtime;
mod stream;
mod time;

#[global_allocator]
static ALLOCATOR: counting::Allocator = counting::Allocator;

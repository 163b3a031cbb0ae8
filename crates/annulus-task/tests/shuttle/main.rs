//! Models of many threads and cores, explored by shuttle: random interleavings, where those of
//! loom would be too many.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p annulus-task --test shuttle --profile models
//! ```
//!
//! `SHUTTLE_ITERATIONS` says how many executions each model gets from each scheduler. A failure
//! prints its schedule, which `shuttle::replay` runs again. A lost wake shows as a deadlock.
#![cfg(shuttle)]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]
#![allow(clippy::undocumented_unsafe_blocks, reason = "the words of bells name what a model owns")]

mod joins;
mod storms;
mod succession;
mod support;

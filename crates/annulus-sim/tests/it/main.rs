//! The simulated kernel: as the real one behaves, where it must; by seed, where it may.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bench;
mod conformance;
mod determinism;
mod faults;
mod property;
mod setup;
mod unreliable;
mod violations;

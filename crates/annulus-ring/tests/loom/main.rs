//! Models of what threads share with each other and with the kernel, explored exhaustively by loom:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p annulus-ring --test loom --profile models
//! ```
//!
//! Our side is the shipped code; the other side does what the kernel does. An access that is not
//! ordered, an entry that comes twice and a wake that is lost all end the test.
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

mod completion;
mod group;
mod handover;
mod kernel;
mod proactor;
mod ring;
mod room;
mod submission;
mod wakeup;

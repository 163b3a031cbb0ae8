//! Models of everything that threads share, explored exhaustively by loom (bounded to three
//! preemptions by default, `LOOM_MAX_PREEMPTIONS` changes it):
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p annulus-task --test loom --profile models
//! ```
//!
//! A lost wake shows as a deadlock, which loom reports; a cell that two threads touch without one
//! knowing of the other shows as a concurrent access.
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]
#![allow(clippy::undocumented_unsafe_blocks, reason = "the words of bells name what a model owns")]

// Of single structures, put together as `registry` and `local` do.
mod bells;
mod inbox;
mod parts;
mod posts;

// Of whole executors, through what users see of them.
mod core;
mod ends;
mod joins;
mod slots;
mod spawns;
mod wakes;

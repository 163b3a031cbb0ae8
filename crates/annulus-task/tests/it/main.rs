//! Behaviour of the executor as a runtime sees it. One file per theme.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

mod abort;
mod allocation;
mod drops;
mod join;
mod panics;
mod reentry;
mod scale;
mod support;
mod threads;
mod wake;

//! Behaviour of the executor as a runtime sees it. One file per theme.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

mod abort;
mod allocation;
mod drops;
mod join;
mod join_set;
mod panics;
mod reentry;
mod remote;
mod scale;
mod scope;
mod succession;
mod support;
mod task_local;
mod threads;
mod waiters;
mod wake;
mod yielding;

//! The ring against the real kernel, and against kernels that misbehave on purpose.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod buffers;
mod differential;
mod faults;
mod files;
mod fork;
mod groups;
mod hazards;
mod hung_up;
mod ladder;
mod ops;
mod promises;
mod queues;
mod registered;
mod registrations;
mod setup;
mod shared_buffers;
mod sqpoll;
mod support;
mod threads;
mod waiting;
mod waits;

//! The program, run as a process.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bench;
mod doctor;
mod echo;
mod program;
mod sandbox;
mod serve;

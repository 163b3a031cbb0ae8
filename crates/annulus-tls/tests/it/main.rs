//! TLS against rustls over sockets of std, against real programs, against itself, and against what
//! is no TLS.

#![allow(clippy::unwrap_used, reason = "what tests are made of is as good as a test")]

mod cancel;
mod certificates;
mod chops;
mod compat;
mod ends;
mod handshakes;
mod interactive;
mod many;
mod oracle;
mod pressure;
mod programs;
mod sendable;
mod serving;
mod sessions;
mod streams;
mod support;

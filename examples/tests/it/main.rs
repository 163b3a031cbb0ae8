//! Every example, run as a program: what it prints, and what it answers over its socket.
//!
//! Does not own the examples: `cargo test` builds them, in the profile of the tests. A program that
//! is still running when its test ends is killed.

mod cores;
mod example;
mod files;
mod http;
mod kv;
mod once;
mod peers;
mod processes;
mod rings;
mod servers;
mod serving;
mod storage;
mod tls;
mod trees;
mod web;

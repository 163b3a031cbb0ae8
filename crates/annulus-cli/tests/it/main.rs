//! The program, run as a process.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bench;
mod bench_http;
mod crowd;
mod doctor;
mod echo;
mod load;
mod load_stall;
mod program;
mod sandbox;
mod serve;
mod serve_files;
mod serve_http2;
mod serve_limits;
mod serve_listing;
mod serve_operation;
mod serve_pace;
mod serve_successors;
mod serve_tls;
mod site;

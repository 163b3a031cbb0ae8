//! What the measured programs share, so that they differ only in what is measured.
//!
//! ```text
//!   driver ── arguments ──> Job ──> workload ──> Meter ──> Sample ── a line of JSON ──> driver
//! ```
//!
//! | module | owns |
//! |---|---|
//! | `catalogue` | which workloads there are |
//! | `program` | a program's `main`: from arguments to a line of JSON |
//! | `job` | what a program is asked for |
//! | `meter`, `shares` | when it is warm, when it has run long enough, what it took |
//! | `ball`, `timers`, `pages`, `scratch`, `site` | what workloads work on |
//! | `server`, `address` | what a measured server says and hears, and where |
//! | `stats`, `table` | what a few rounds say, and how it is shown |
//! | `sys` | CPU time, pinning, memory |
//!
//! With the feature `tls`, what servers of TLS show. With the feature `programs`, also [`ours`] and
//! [`limit`]; with the feature `driver`, also [`driver`], which runs programs beside each other and
//! shows what came.

#![deny(unsafe_code)]

mod address;
mod ball;
mod catalogue;
#[cfg(feature = "driver")]
pub mod driver;
mod job;
#[cfg(feature = "programs")]
pub mod limit;
mod meter;
#[cfg(feature = "programs")]
pub mod ours;
pub mod pages;
mod program;
mod scratch;
mod server;
mod shares;
pub mod site;
pub mod stats;
pub mod sys;
pub mod table;
pub mod timers;
#[cfg(feature = "tls")]
mod tls;

pub use address::Address;
pub use ball::{Ball, yield_now};
pub use catalogue::{GROUPS, Kind, WORKLOADS, Workload};
pub use job::Job;
pub use meter::{Latency, Meter, Sample, Stopwatch};
pub use program::{Run, main, main_of};
pub use scratch::Scratch;
#[cfg(feature = "driver")]
pub(crate) use server::Cost;
pub use server::{
    beside, serve, serve_cores, serve_program, serve_udp, serve_udp_at, serve_unix, serve_unix_at,
};
pub use shares::{Share, Shares};
#[cfg(feature = "tls")]
pub use tls::{Identity, identity, server_config};

/// Room of the channels that numbers go through.
pub const CHANNEL_CAPACITY: usize = 128;

/// What servers of HTTP answer.
pub const GREETING: &str = "Hello, world!\n";

/// An error of a workload whose result was not what it had to be.
#[cold]
pub fn wrong(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned())
}

/// The error of a program that does not know this way of doing its work.
#[cold]
#[cfg(feature = "programs")]
fn no_variant<T>(variant: &str) -> std::io::Result<T> {
    let message = format!("no variant {variant:?} of this program");
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, message))
}

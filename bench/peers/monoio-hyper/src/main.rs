//! hyper above monoio on io_uring, by `monoio-compat`. That needs monoio's feature `poll-io`, which
//! adds epoll to its ring, and which `peers/monoio` has not.

mod http;

use std::future::Future;
use std::io;
use std::process::ExitCode;

use monoio::{IoUringDriver, RuntimeBuilder};

fn main() -> ExitCode {
    annulus_bench::main(&[("http", http::run)])
}

/// As in `peers/monoio`.
fn run<F>(future: F) -> io::Result<F::Output>
where
    F: Future<Output: 'static> + 'static,
{
    let mut runtime = RuntimeBuilder::<IoUringDriver>::new().build()?;
    Ok(runtime.block_on(async { monoio::spawn(future).await }))
}

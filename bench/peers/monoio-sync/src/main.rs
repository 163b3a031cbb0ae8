//! monoio on io_uring with its feature `sync`, without which no other thread can wake a task.
//! `peers/monoio` has it not: each wait of the runtime would look after other threads.

mod cross;

use std::future::Future;
use std::io;
use std::process::ExitCode;

use monoio::{IoUringDriver, Runtime, RuntimeBuilder};

fn main() -> ExitCode {
    annulus_bench::main(&[("cross", cross::run)])
}

/// As in `peers/monoio`.
fn runtime() -> io::Result<Runtime<IoUringDriver>> {
    RuntimeBuilder::<IoUringDriver>::new().build()
}

/// As there.
fn run<F>(future: F) -> io::Result<F::Output>
where
    F: Future<Output: 'static> + 'static,
{
    Ok(runtime()?.block_on(async { monoio::spawn(future).await }))
}

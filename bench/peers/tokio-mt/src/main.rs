//! tokio with its default scheduler, several threads that take tasks from each other. The number of
//! threads is tokio's default, which is the number of CPUs that the process may run on: one where
//! it is pinned to one.

mod cat;
mod cat_default;
mod channel;
mod copy;
mod copy_default;
mod cross;
mod direct;
mod echo;
mod http;
mod read;
mod spawn;
mod timer;
mod udp;
mod unix;
mod wake;
mod yields;

use std::future::Future;
use std::io;
use std::process::ExitCode;

use annulus_bench::{Job, Sample, Share, Shares};
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    annulus_bench::main(&[
        ("spawn", spawn::run),
        ("yield", yields::run),
        ("wake", wake::run),
        ("channel", channel::run),
        ("cross", cross::run),
        ("timer-insert", timer::run),
        ("timer-cancel", timer::run),
        ("timer-fire", timer::run),
        ("read", read::run),
        ("direct", direct::run),
        ("cat", cat::run),
        ("cat-default", cat_default::run),
        ("copy", copy::run),
        ("copy-default", copy_default::run),
        ("echo", echo::run),
        ("http", http::run),
        ("unix", unix::run),
        ("udp-echo", udp::run),
    ])
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

/// Runs a future as a task, on a worker, as tokio's documentation advises for what matters.
fn run<F>(future: F) -> io::Result<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let runtime = runtime()?;
    Ok(runtime.block_on(runtime.spawn(future))?)
}

/// Runs as many tasks as the job has to their end, and says what they took together.
fn crowd<F, T>(job: &Job, task: F) -> io::Result<Sample>
where
    F: Fn(u32, Share) -> T,
    T: Future<Output = io::Result<()>> + Send + 'static,
{
    let shares = Shares::new(job.meter());
    let tasks: Vec<_> = (0..job.tasks).map(|number| task(number, shares.share())).collect();
    run(async move {
        let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
        for task in running {
            task.await??;
        }
        shares.sample()
    })?
}

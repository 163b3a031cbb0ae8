//! tokio on one thread: `LocalRuntime`, its current-thread scheduler for tasks that need not be
//! `Send`.

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
use std::rc::Rc;

use annulus_bench::{Job, Meter, Run, Sample};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::task::spawn_local;

fn main() -> ExitCode {
    annulus_bench::main(PROGRAMS)
}

/// The workloads that it takes part in; `cargo bench` of the library runs them as well.
pub const PROGRAMS: &[(&str, Run)] = &[
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
];

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

/// Runs a future as a task, as the programs of all runtimes do and tokio's documentation advises:
/// that of `block_on` is none, and is slower.
fn run<F>(future: F) -> io::Result<F::Output>
where
    F: Future<Output: 'static> + 'static,
{
    let runtime = runtime()?;
    Ok(runtime.block_on(runtime.spawn_local(future))?)
}

/// Runs as many tasks as the job has to their end, and says what they took together.
fn crowd<F, T>(job: &Job, task: F) -> io::Result<Sample>
where
    F: Fn(u32, Rc<Meter>) -> T,
    T: Future<Output = io::Result<()>> + 'static,
{
    runtime()?.block_on(async {
        let meter = Rc::new(job.meter());
        let running: Vec<_> =
            (0..job.tasks).map(|number| spawn_local(task(number, meter.clone()))).collect();
        for task in running {
            task.await??;
        }
        meter.sample()
    })
}

//! glommio.

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

use annulus_bench::{Job, Meter, Sample};
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};

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

/// An executor on this thread, pinned by the harness already, with the depth of rings that it has
/// by default.
fn executor() -> io::Result<LocalExecutor> {
    executor_of(DEFAULT_DEPTH)
}

/// The same, whose rings are as deep.
fn executor_of(depth: usize) -> io::Result<LocalExecutor> {
    LocalExecutorBuilder::new(Placement::Unbound).ring_depth(depth).make().map_err(error)
}

const DEFAULT_DEPTH: usize = 128;
/// There are three rings of that depth.
const MOST_DEPTH: usize = 8192;

fn error<T>(error: glommio::GlommioError<T>) -> io::Error {
    io::Error::other(error.to_string())
}

/// Runs a future as a task, as the programs of all runtimes do.
fn run<F>(future: F) -> io::Result<F::Output>
where
    F: Future<Output: 'static> + 'static,
{
    Ok(executor()?.run(async { glommio::spawn_local(future).await }))
}

/// Runs a server, with rings as deep as it has connections: glommio's documentation says that the
/// depth is how many requests it can have at once.
fn serve<F>(job: &Job, server: F) -> io::Result<F::Output>
where
    F: Future<Output: 'static> + 'static,
{
    let depth = (job.tasks as usize).next_power_of_two().clamp(DEFAULT_DEPTH, MOST_DEPTH);
    Ok(executor_of(depth)?.run(async { glommio::spawn_local(server).await }))
}

/// Runs as many tasks as the job has to their end, and says what they took together.
fn crowd<F, T>(job: &Job, task: F) -> io::Result<Sample>
where
    F: Fn(u32, Rc<Meter>) -> T,
    T: Future<Output = io::Result<()>> + 'static,
{
    crowd_of(job, async { Ok(()) }, |number, meter, _| task(number, meter))
}

/// As [`crowd`], of tasks that share what is opened before.
fn crowd_of<S, F, T>(
    job: &Job,
    open: impl Future<Output = io::Result<S>>,
    task: F,
) -> io::Result<Sample>
where
    F: Fn(u32, Rc<Meter>, Rc<S>) -> T,
    T: Future<Output = io::Result<()>> + 'static,
{
    executor()?.run(async {
        let shared = Rc::new(open.await?);
        let meter = Rc::new(job.meter());
        let running: Vec<_> = (0..job.tasks)
            .map(|number| glommio::spawn_local(task(number, meter.clone(), shared.clone())))
            .collect();
        // Who is the last to have it closes it.
        drop(shared);
        for task in running {
            task.await?;
        }
        meter.sample()
    })
}

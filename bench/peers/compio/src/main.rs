//! compio on io_uring.

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
mod tls;
mod udp;
mod unix;
mod wake;
mod yields;

use std::future::Future;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use annulus_bench::{Job, Meter, Sample};
use compio::runtime::Runtime;

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
        ("tls", tls::run),
        ("unix", unix::run),
        ("udp-echo", udp::run),
    ])
}

/// Servers, and the body that spawns, are the future of its `block_on`, where the other programs
/// have a task: compio's documentation does not call that slower, and has servers so, and its loop
/// makes two turns, with system calls in both, for a task that another one spawns and waits for.
fn runtime() -> io::Result<Runtime> {
    Runtime::new()
}

/// Runs any other body as a task, as the programs of all runtimes do.
fn run<F>(future: F) -> io::Result<F::Output>
where
    F: Future<Output: 'static> + 'static,
{
    let task = async { compio::runtime::spawn(future).await };
    runtime()?.block_on(task).map_err(|error| io::Error::other(error.to_string()))
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
    runtime()?.block_on(async {
        let shared = Rc::new(open.await?);
        let meter = Rc::new(job.meter());
        let running: Vec<_> = (0..job.tasks)
            .map(|number| compio::runtime::spawn(task(number, meter.clone(), shared.clone())))
            .collect();
        for task in running {
            task.await.map_err(|error| io::Error::other(error.to_string()))??;
        }
        meter.sample()
    })
}

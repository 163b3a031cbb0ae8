//! monoio on io_uring, with its default features. Two threads are `peers/monoio-sync`.

mod cat;
mod channel;
mod copy;
mod direct;
mod echo;
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
use monoio::{IoUringDriver, Runtime, RuntimeBuilder};

fn main() -> ExitCode {
    annulus_bench::main(&[
        ("spawn", spawn::run),
        ("yield", yields::run),
        ("wake", wake::run),
        ("channel", channel::run),
        ("timer-insert", timer::run),
        ("timer-cancel", timer::run),
        ("timer-fire", timer::run),
        ("read", read::run),
        ("direct", direct::run),
        ("cat", cat::run),
        ("copy", copy::run),
        ("echo", echo::run),
        ("tls", tls::run),
        ("unix", unix::run),
        ("udp-echo", udp::run),
    ])
}

/// Without timers, which its builder leaves out unless they are asked for.
fn runtime() -> io::Result<Runtime<IoUringDriver>> {
    RuntimeBuilder::<IoUringDriver>::new().build()
}

/// Runs a future as a task, as the programs of all runtimes do.
fn run<F>(future: F) -> io::Result<F::Output>
where
    F: Future<Output: 'static> + 'static,
{
    Ok(runtime()?.block_on(async { monoio::spawn(future).await }))
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
            .map(|number| monoio::spawn(task(number, meter.clone(), shared.clone())))
            .collect();
        for task in running {
            task.await?;
        }
        meter.sample()
    })
}

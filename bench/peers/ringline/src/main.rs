//! ringline on io_uring: one worker, and the workload in its `on_start`.
//!
//! It has no channels between workers, no no-op, and at most 65535 timers, so it takes no part in
//! `cross`, `nop` and the timers.

#![allow(clippy::manual_async_fn, reason = "its futures must be 'static")]

mod cat;
mod channel;
mod copy;
mod direct;
mod echo;
mod http;
mod read;
mod spawn;
mod tls;
mod udp;
mod unix;
mod wake;
mod yields;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};

use annulus_bench::{Job, Meter, Sample, wrong};
use ringline::fs::FsConfig;
use ringline::{
    AsyncEventHandler, Config, ConfigBuilder, ConnCtx, DirectIoConfig, RinglineBuilder,
};

fn main() -> ExitCode {
    annulus_bench::main(&[
        ("spawn", spawn::run),
        ("yield", yields::run),
        ("wake", wake::run),
        ("channel", channel::run),
        ("read", read::run),
        ("direct", direct::run),
        ("cat", cat::run),
        ("copy", copy::run),
        ("echo", echo::run),
        ("http", http::run),
        ("tls", tls::run),
        ("unix", unix::run),
        ("udp-echo", udp::run),
    ])
}

/// All defaults, but one worker, which the harness has pinned, room for the tasks, a queue of
/// connections as long as that of the others, and behind it one for all connections there can be:
/// its accepting thread closes what finds no room there.
fn config() -> ConfigBuilder {
    let builder = ConfigBuilder::new().workers(1).pin_to_core(false);
    builder.standalone_task_capacity(4096).backlog(4096).accept_queue_capacity(16000)
}

/// The same with files, which it leaves out unless they are asked for.
fn with_files() -> ConfigBuilder {
    config().fs(FsConfig::default()).direct_io(DirectIoConfig::default())
}

fn build(config: ConfigBuilder) -> io::Result<Config> {
    config.build().map_err(error)
}

fn error(error: ringline::Error) -> io::Error {
    io::Error::other(error.to_string())
}

type Local<T> = Pin<Box<dyn Future<Output = T>>>;
type Start = fn(Job) -> Local<io::Result<Sample>>;

/// What the worker is to do, and where the result goes.
static ORDER: OnceLock<(Job, Start, SyncSender<io::Result<Sample>>)> = OnceLock::new();

struct Handler;

impl AsyncEventHandler for Handler {
    fn on_start(&self) -> Option<Local<()>> {
        let (job, start, result) = ORDER.get()?;
        Some(Box::pin(async move {
            let _ = result.send(start(job.clone()).await);
        }))
    }

    fn on_accept(&self, _connection: ConnCtx) -> impl Future<Output = ()> + 'static {
        async {}
    }

    fn create_for_worker(_worker: usize) -> Self {
        Self
    }
}

/// Runs a future on a worker, where it is a task.
fn run(job: &Job, start: Start) -> io::Result<Sample> {
    run_on(config(), job, start)
}

/// The same, of a worker with these settings.
fn run_on(config: ConfigBuilder, job: &Job, start: Start) -> io::Result<Sample> {
    let (sender, receiver) = sync_channel(1);
    ORDER.set((job.clone(), start, sender)).map_err(|_| wrong("started twice"))?;
    let _worker = RinglineBuilder::new(build(config)?).launch::<Handler>().map_err(error)?;
    receiver.recv().map_err(|_| wrong("the worker has ended"))?
}

/// Runs as many tasks as the job has to their end, and says what they took together.
async fn crowd<F, T>(job: Job, task: F) -> io::Result<Sample>
where
    F: Fn(u32, Rc<Meter>) -> T,
    T: Future<Output = io::Result<()>> + 'static,
{
    let meter = Rc::new(job.meter());
    let running: Vec<_> = (0..job.tasks)
        .map(|number| ringline::spawn_with_handle(task(number, meter.clone())))
        .collect();
    for task in running {
        task?.await?;
    }
    meter.sample()
}

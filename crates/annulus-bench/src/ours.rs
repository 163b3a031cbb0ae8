//! The runtime's programs, one file for each workload, written as a user of it would.
//!
//! Owns: starting the runtime, and crowds of tasks.

mod accept;
mod cat;
mod cat_default;
mod channel;
mod copy;
mod copy_default;
mod cross;
mod direct;
mod echo;
mod nop;
mod read;
mod spawn;
mod timer;
mod udp;
mod unix;
mod wake;
mod yields;

use std::future::Future;
use std::io;
use std::rc::Rc;

use annulus::runtime::{Builder, Runtime};

use crate::{Job, Meter, Run, Sample};

/// The workloads that the runtime takes part in.
pub const PROGRAMS: &[(&str, Run)] = &[
    ("spawn", spawn::run),
    ("yield", yields::run),
    ("wake", wake::run),
    ("channel", channel::run),
    ("cross", cross::run),
    ("timer-insert", timer::run),
    ("timer-cancel", timer::run),
    ("timer-fire", timer::run),
    ("nop", nop::run),
    ("read", read::run),
    ("direct", direct::run),
    ("cat", cat::run),
    ("cat-default", cat_default::run),
    ("copy", copy::run),
    ("copy-default", copy_default::run),
    ("echo", echo::run),
    ("accept", accept::run),
    ("unix", unix::run),
    ("udp-echo", udp::echo),
    ("udp-plain", udp::plain),
    ("udp-gso", udp::gso),
];

/// Whether a program of this family has this way of doing it: what it does not know it would refuse
/// when it is measured, or not do.
pub fn knows(family: &str, variant: &str) -> bool {
    let runs = PROGRAMS.iter().any(|(known, _)| *known == family);
    runs && match family {
        "echo" => echo::tuned(variant).is_ok(),
        "accept" => accept::mode(variant).is_ok(),
        "timer-insert" | "timer-cancel" | "timer-fire" => timer::tuned(variant).is_ok(),
        _ => variant.is_empty(),
    }
}

/// Runs a future as a task, as the programs of all runtimes do: in some of them the future of
/// `block_on` is none, and is slower.
///
/// # Errors
/// There is no runtime to be had.
pub fn run<F>(future: F) -> io::Result<F::Output>
where
    F: Future<Output: 'static> + 'static,
{
    run_on(Runtime::builder(), future)
}

/// The same, of a runtime with these settings.
fn run_on<F>(builder: Builder, future: F) -> io::Result<F::Output>
where
    F: Future<Output: 'static> + 'static,
{
    let task = async { annulus::spawn(future).await };
    builder.build()?.block_on(task).map_err(|error| io::Error::other(error.to_string()))
}

/// Runs as many tasks as the job has to their end, and says what they took together.
fn crowd<F, T>(job: &Job, task: F) -> io::Result<Sample>
where
    F: Fn(u32, Rc<Meter>) -> T,
    T: Future<Output = io::Result<()>> + 'static,
{
    Runtime::new()?.block_on(async {
        let meter = Rc::new(job.meter());
        let running: Vec<_> =
            (0..job.tasks).map(|number| annulus::spawn(task(number, meter.clone()))).collect();
        for task in running {
            task.await.map_err(|error| io::Error::other(error.to_string()))??;
        }
        meter.sample()
    })
}

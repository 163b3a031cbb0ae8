//! The workloads of one thread, beside tokio's.
//!
//! ```sh
//! cargo bench -p annulus-bench                 # all of them
//! cargo bench -p annulus-bench -- spawn        # some
//! ```
//!
//! For a look while working on them: wall-clock times, without rounds or a noise band. What decides
//! is measured by `annulus bench`, and in `bench/` beside more runtimes. These are the same
//! programs: Annulus's from this crate, tokio's from its directory in `bench/`. Each sample is one
//! run of a program, its start included.

use annulus_bench::pages::Pages;
use annulus_bench::{Job, Kind, Run, WORKLOADS, Workload, ours};
use divan::Bencher;
use divan::counter::ItemsCount;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "a program of its own, of which the workloads are taken"
)]
#[path = "../../../bench/peers/tokio/src/main.rs"]
mod tokio_peer;

/// Operations of one sample, of those that take less than a microsecond or about one.
const OPS: u64 = 10_000;
/// Of those that take longer: whole files, reads of a device.
const OPS_SLOW: u64 = 200;
/// Operations in a batch of the latter, in the catalogue.
const BATCH_SLOW: u64 = 1024;

fn main() {
    divan::main();
}

/// The workloads that a program takes part in, without servers and without the million timers.
fn names(programs: &[(&str, Run)]) -> Vec<&'static str> {
    let takes_part = |workload: &&Workload| {
        workload.kind == Kind::Alone
            && workload.group != "time"
            && programs.iter().any(|(family, _)| *family == workload.family)
    };
    WORKLOADS.iter().filter(takes_part).map(|workload| workload.name).collect()
}

fn bench(bencher: Bencher<'_, '_>, programs: &[(&str, Run)], name: &str) {
    let Some(workload) = WORKLOADS.iter().find(|workload| workload.name == name) else { return };
    let Some(&(_, run)) = programs.iter().find(|(family, _)| *family == workload.family) else {
        return;
    };
    let made = if workload.direct { Pages::make_direct() } else { Pages::make() };
    let pages = match made {
        Ok(pages) => pages,
        Err(error) => {
            eprintln!("skipped: {name}: {error}");
            return;
        }
    };
    let ops = if workload.batch < BATCH_SLOW { OPS_SLOW } else { OPS };
    let job = Job {
        workload: workload.family.to_owned(),
        tasks: workload.tasks,
        bytes: workload.bytes,
        ops: Some(ops),
        file: pages.path().to_owned(),
        directory: std::env::temp_dir(),
        ..Job::default()
    };
    bencher.counter(ItemsCount::new(ops)).bench_local(|| run(&job).expect("the workload runs"));
}

#[divan::bench(args = names(ours::PROGRAMS), sample_count = 20, sample_size = 1)]
fn annulus(bencher: Bencher<'_, '_>, name: &str) {
    bench(bencher, ours::PROGRAMS, name);
}

#[divan::bench(args = names(tokio_peer::PROGRAMS), sample_count = 20, sample_size = 1)]
fn tokio(bencher: Bencher<'_, '_>, name: &str) {
    bench(bencher, tokio_peer::PROGRAMS, name);
}

//! A shared ring against a mutex around a plain one: NOPs, by producers that submit in batches and
//! reapers that wait for completions.
//!
//! Both rings have the same size and the same setup flags (but for the index array, which costs the
//! plain one nothing), the same batches, the same bound on requests in flight, and reapers that
//! wait in the same call, outside the lock. The mutex guards the ring and the count; it is held for
//! each push, for each submission and for each batch that is reaped, and never while a thread
//! waits. Prints operations per second of CPU time of the process, medians of interleaved rounds,
//! and the mutex a second time (A/A), which shows the noise.
//!
//! ```sh
//! cargo bench -p annulus-ring --bench shared
//! ```
//!
//! `CASE=2x32` runs that case alone; `WAY=shared` or `WAY=mutex` besides runs that way alone, for a
//! profiler.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use annulus_ring::abi::{Cqe, EnterFlags};
use annulus_ring::op::Nop;
use annulus_ring::{PushError, Ring, SharedRing, TaskWork};

const ENTRIES: u32 = 256;
const CQ_ENTRIES: u32 = 512;
/// Completions that a reaper takes at once, at most.
const REAP: usize = 64;
const ROUNDS: usize = 9;
const OPS: u64 = 400_000;
/// Completions that a reaper waits for, if there is none.
const WANT: u32 = 32;
/// A reaper looks whether it is the last that often.
const PATIENCE: Duration = Duration::from_millis(2);

/// A case: how many threads of each kind, and how many entries a producer submits at once.
#[derive(Clone, Copy)]
struct Case {
    pairs: u64,
    batch: u32,
}

impl Case {
    fn ops_of_a_producer(self) -> u64 {
        OPS / self.pairs
    }

    fn ops(self) -> u64 {
        self.ops_of_a_producer() * self.pairs
    }
}

/// The ring under a mutex, and how many requests are in flight.
struct Locked {
    ring: Ring,
    in_flight: u32,
}

struct MutexRing {
    locked: Mutex<Locked>,
    room: Condvar,
    fd: u32,
}

// SAFETY: the ring is bound to no thread: it has no SINGLE_ISSUER, and no registered descriptor. It
// is used under the lock.
unsafe impl Send for MutexRing {}
// SAFETY: as above.
unsafe impl Sync for MutexRing {}

impl MutexRing {
    fn new() -> Self {
        let mask = annulus_ring::Mask::none()
            .setup(annulus_ring::abi::SetupFlags::SINGLE_ISSUER)
            .registered_ring();
        let ring = Ring::builder()
            .entries(ENTRIES)
            .cq_entries(CQ_ENTRIES)
            .task_work(TaskWork::Interrupt)
            .mask(mask)
            .build()
            .expect("io_uring is there");
        let fd = ring.fd() as u32;
        Self { locked: Mutex::new(Locked { ring, in_flight: 0 }), room: Condvar::new(), fd }
    }

    fn lock(&self) -> MutexGuard<'_, Locked> {
        self.locked.lock().expect("nobody panics")
    }

    fn produce(&self, case: Case) {
        let mut pushed = 0;
        for number in 0..case.ops_of_a_producer() {
            let mut locked = self.lock();
            while locked.in_flight == CQ_ENTRIES {
                locked.ring.submit().expect("the kernel takes NOPs");
                pushed = 0;
                locked = self.room.wait(locked).expect("nobody panics");
            }
            // SAFETY: a NOP borrows no memory.
            while unsafe { locked.ring.push(&Nop, number) }.is_err() {
                locked.ring.submit().expect("the kernel takes NOPs");
            }
            locked.in_flight += 1;
            pushed += 1;
            if pushed >= case.batch {
                locked.ring.submit().expect("the kernel takes NOPs");
                pushed = 0;
            }
        }
        self.lock().ring.submit().expect("the kernel takes NOPs");
    }

    fn reap(&self, case: Case, reaped: &AtomicU64) {
        let mut cqes = Vec::with_capacity(REAP);
        // ORDERING: relaxed; a counter.
        while reaped.load(Ordering::Relaxed) < case.ops() {
            let mut locked = self.lock();
            cqes.extend(locked.ring.completions().take(REAP));
            locked.in_flight -= cqes.len() as u32;
            // The same rule as in the shared ring.
            let wakes = locked.in_flight <= CQ_ENTRIES / 4 * 3 || locked.ring.cq_ready() == 0;
            drop(locked);
            if cqes.is_empty() {
                wait(self.fd);
                continue;
            }
            if wakes {
                self.room.notify_all();
            }
            // ORDERING: relaxed, as above.
            reaped.fetch_add(cqes.len() as u64, Ordering::Relaxed);
            cqes.clear();
        }
    }
}

/// Waits for completions as the shared ring does, without the lock.
fn wait(fd: u32) {
    let timeout = annulus_ring::abi::Timespec { sec: 0, nsec: PATIENCE.as_nanos() as i64 };
    let arg = annulus_ring::abi::GetEventsArg {
        ts: (&raw const timeout).expose_provenance() as u64,
        ..Default::default()
    };
    let flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
    let arg: *const annulus_ring::abi::GetEventsArg = &arg;
    let arg = (arg.cast(), size_of::<annulus_ring::abi::GetEventsArg>());
    // SAFETY: nothing is submitted, and the argument is valid.
    let _ = unsafe { annulus_ring::abi::enter(fd, 0, WANT, flags, arg) };
}

fn produce(ring: &SharedRing, case: Case) {
    let mut submitter = ring.submitter();
    for number in 0..case.ops_of_a_producer() {
        loop {
            // SAFETY: a NOP borrows no memory.
            match unsafe { submitter.push(&Nop, number) } {
                Ok(()) => break,
                Err(PushError::Full) => submitter.wait_for_room(1, None).expect("room comes"),
                Err(error) => panic!("{error}"),
            }
        }
        if submitter.len() >= case.batch {
            submitter.submit().expect("the kernel takes NOPs");
        }
    }
    submitter.submit().expect("the kernel takes NOPs");
}

fn reap(ring: &SharedRing, case: Case, reaped: &AtomicU64) {
    let mut cqes = [Cqe::default(); REAP];
    // ORDERING: relaxed; a counter.
    while reaped.load(Ordering::Relaxed) < case.ops() {
        match ring.reap(&mut cqes) {
            0 => drop(ring.wait(WANT, Some(PATIENCE))),
            // ORDERING: relaxed, as above.
            count => drop(reaped.fetch_add(count as u64, Ordering::Relaxed)),
        }
    }
}

fn cpu_ns() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid place for the result.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Mutex,
    Shared,
}

/// Million operations per second of CPU time.
fn round(way: Way, case: Case) -> f64 {
    let locked = MutexRing::new();
    let shared = Ring::builder().entries(ENTRIES).cq_entries(CQ_ENTRIES).build_shared();
    let shared = shared.expect("io_uring is there");
    let reaped = AtomicU64::new(0);
    let begun = cpu_ns();
    std::thread::scope(|scope| {
        for _ in 0..case.pairs {
            scope.spawn(|| match way {
                Way::Mutex => locked.produce(case),
                Way::Shared => produce(&shared, case),
            });
            scope.spawn(|| match way {
                Way::Mutex => locked.reap(case, &reaped),
                Way::Shared => reap(&shared, case, &reaped),
            });
        }
    });
    case.ops() as f64 / (cpu_ns() - begun) * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let only = std::env::var("CASE").ok();
    for pairs in [2, 1, 4] {
        for batch in [1, 8, 32] {
            if only.as_ref().is_some_and(|only| *only != format!("{pairs}x{batch}")) {
                continue;
            }
            let case = Case { pairs, batch };
            if let Ok(way) = std::env::var("WAY") {
                let way = if way == "shared" { Way::Shared } else { Way::Mutex };
                let all = (0..ROUNDS).map(|_| round(way, case)).collect();
                println!("{pairs}+{pairs} threads, batch {batch}: {:.2}", median(all));
                continue;
            }
            let [mut first, mut again, mut shared] = [const { Vec::new() }; 3];
            for _ in 0..ROUNDS {
                first.push(round(Way::Mutex, case));
                shared.push(round(Way::Shared, case));
                again.push(round(Way::Mutex, case));
            }
            let [first, again, shared] = [first, again, shared].map(median);
            println!(
                "{pairs}+{pairs} threads, batch {batch}: mutex {first:.2}, again {again:.2} \
                 (A/A {:.2}), shared {shared:.2} Mops per CPU second: {:.2} x",
                again / first,
                shared / first,
            );
        }
    }
}

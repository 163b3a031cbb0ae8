//! The whole suite on a hostile machine: signals all the time, an `enter` that fails, and no worker
//! of the kernel when one is wanted.
//!
//! `ANNULUS_TEST_ENTER_ERRORS=SEED:PERCENT` puts an unreliable kernel behind every runtime that
//! names no other: so many of a hundred calls of io_uring_enter(2) fail, or consume only some
//! entries; and a few entries that a worker might have to do are cancelled.
//! `ANNULUS_TEST_SIGNALS=HERTZ` interrupts every thread so many times a second. Tests that count
//! calls exactly ask [`is_quiet`].
//!
//! Owns: setting that up before `main`, for this process and for those it starts of itself.

use std::cell::Cell;
use std::env;
use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use annulus::net::UnixStream;
use annulus::runtime::{Runtime, set_default_kernel};
use annulus_ring::{AnyKernel, Real};
use annulus_sim::{Fault, Faults, Report, Unreliable};

use crate::harness::{run_on, skip};

const ENTER_ERRORS: &str = "ANNULUS_TEST_ENTER_ERRORS";
const SIGNALS: &str = "ANNULUS_TEST_SIGNALS";

/// The classes that make up the percentage, in equal parts.
const CLASSES: [Fault; 5] =
    [Fault::Eintr, Fault::Eagain, Fault::Ebusy, Fault::PartialSubmit, Fault::LateError];

/// How many of a thousand entries find no worker. Few, as it begins a request anew, and a test that
/// looks at the only one that it makes would meet something else than it is about; of a whole suite
/// it is hundreds all the same.
const NO_WORKER_PERMILLE: u16 = 2;

/// What all unreliable kernels of the process did.
static REPORT: LazyLock<Arc<Mutex<Report>>> = LazyLock::new(Arc::default);

thread_local! {
    /// Signals that this thread received.
    static RECEIVED: Cell<u64> = const { Cell::new(0) };
}

/// Whether calls can be counted: nothing interrupts, nothing fails on purpose.
pub fn is_quiet() -> bool {
    env::var_os(ENTER_ERRORS).is_none() && env::var_os(SIGNALS).is_none()
}

/// Whether a test is to be left out because it needs a quiet machine, which it says then.
pub fn skip_unless_quiet() -> bool {
    if !is_quiet() {
        skip("calls are counted exactly only where none fails or is interrupted");
    }
    !is_quiet()
}

/// Commands whose children have a quiet machine.
pub trait Quiet {
    fn quiet(&mut self) -> &mut Self;
}

impl Quiet for Command {
    fn quiet(&mut self) -> &mut Self {
        self.env_remove(ENTER_ERRORS).env_remove(SIGNALS)
    }
}

#[used]
// SAFETY: the section holds pointers to functions that run before `main`; this is one.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    if let Ok(wish) = env::var(ENTER_ERRORS) {
        let (seed, percent) = parse(&wish).expect("ANNULUS_TEST_ENTER_ERRORS is SEED:PERCENT");
        unreliable(seed, percent);
    }
    if let Ok(wish) = env::var(SIGNALS) {
        interrupt_all(period(&wish));
    }
}

fn parse(wish: &str) -> Option<(u64, u16)> {
    let (seed, percent) = wish.split_once(':')?;
    Some((seed.parse().ok()?, percent.parse().ok().filter(|percent| *percent < 100)?))
}

/// From one signal to the next.
fn period(wish: &str) -> Duration {
    Duration::from_secs(1) / wish.parse::<u32>().expect("ANNULUS_TEST_SIGNALS is a number")
}

fn unreliable(seed: u64, percent: u16) {
    let permille = percent * 10 / CLASSES.len() as u16;
    let faults = Faults::none().with(Fault::NoWorker, NO_WORKER_PERMILLE);
    let faults = CLASSES.into_iter().fold(faults, |faults, fault| faults.with(fault, permille));
    let made = AtomicU64::new(seed);
    let chosen = set_default_kernel(move || {
        // ORDERING: relaxed; any number that differs from the others.
        let seed = made.fetch_add(0x1_0000, Ordering::Relaxed);
        let kernel = Unreliable::new(Real::new(), seed, faults).reporting_to(REPORT.clone());
        AnyKernel::Dyn(Box::new(kernel))
    });
    assert!(chosen, "nobody else chooses");
}

extern "C" fn on_signal(_: libc::c_int) {
    let _ = RECEIVED.try_with(|count| count.set(count.get() + 1));
}

/// Starts a thread that interrupts all others, again and again.
fn interrupt_all(period: Duration) {
    // SAFETY: zeroes are a valid action: no flags, so calls are not restarted.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the handler only counts.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()) }, 0);
    // One descriptor for good, so that tests which compare descriptors see the same ones.
    // SAFETY: a string that ends with zero.
    let tasks = unsafe { libc::opendir(c"/proc/self/task".as_ptr()) };
    assert!(!tasks.is_null(), "procfs is mounted");
    let tasks = tasks.expose_provenance();
    std::thread::spawn(move || {
        let tasks = std::ptr::with_exposed_provenance_mut(tasks);
        // SAFETY: gettid(2) has no preconditions.
        let own = unsafe { libc::gettid() };
        let process = std::process::id();
        let mut due = Instant::now();
        loop {
            for thread in threads(tasks).filter(|thread| *thread != own) {
                // SAFETY: signals a thread of this process, or none if it has ended.
                unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR2) };
            }
            // By the clock: what a round takes does not delay the next. Those that were missed are
            // not made up for, as they would all be one.
            due = (due + period).max(Instant::now());
            std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
        }
    });
}

/// The threads of the process, as the directory lists them.
fn threads(tasks: *mut libc::DIR) -> impl Iterator<Item = libc::pid_t> {
    // SAFETY: opened above, used by one thread.
    unsafe { libc::rewinddir(tasks) };
    std::iter::from_fn(move || {
        // SAFETY: as above.
        let entry = unsafe { libc::readdir(tasks) };
        // SAFETY: null, or an entry that is read before the next call.
        let entry = unsafe { entry.as_ref() }?;
        // SAFETY: the name ends with zero.
        let name = unsafe { std::ffi::CStr::from_ptr(entry.d_name.as_ptr()) };
        Some(name.to_str().ok().and_then(|name| name.parse().ok()))
    })
    .flatten()
}

/// Times for which signals are counted, at least; and at most, until one of them was quiet enough
/// for the interrupting thread to come to its turn, whatever else the machine does.
const WINDOWS: usize = 4;
const WINDOWS_MAX: usize = 200;

/// Signals that this thread receives in a while of waiting and working.
async fn signals_per_second() -> io::Result<f64> {
    let (begun, received) = (Instant::now(), RECEIVED.get());
    while begun.elapsed() < Duration::from_millis(50) {
        annulus::time::sleep(Duration::from_millis(1)).await;
        let tasks = (0..4).map(|_| annulus::spawn(crate::cancel::yield_to_kernel()));
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("no panic")?;
        }
    }
    Ok((RECEIVED.get() - received) as f64 / begun.elapsed().as_secs_f64())
}

#[test]
fn the_hostile_machine_is_hostile() {
    if is_quiet() {
        return skip(&format!("neither {ENTER_ERRORS} nor {SIGNALS} is set"));
    }
    let before = *REPORT.lock().unwrap_or_else(PoisonError::into_inner);
    run_on(Runtime::builder(), async {
        let (left, right) = UnixStream::pair()?;
        let wish = env::var(SIGNALS).ok();
        let asked = wish.map_or(0.0, |wish| 1.0 / period(&wish).as_secs_f64());
        let mut most = 0.0_f64;
        for window in 1..=WINDOWS_MAX {
            most = most.max(signals_per_second().await?);
            if window >= WINDOWS && most >= 0.6 * asked {
                break;
            }
        }
        assert!(most >= 0.6 * asked, "{most} signals a second at most, not {asked}");
        // Something that a worker of the kernel might have to do, often enough for a rare fault.
        for _ in 0..5000 {
            left.write_all("well").await?;
            right.read_exact(vec![0; 4]).await?;
        }
        io::Result::Ok(())
    });
    let after = *REPORT.lock().unwrap_or_else(PoisonError::into_inner);
    if env::var(ENTER_ERRORS).is_ok_and(|wish| parse(&wish).is_some_and(|(_, p)| p >= 10)) {
        for fault in CLASSES.into_iter().chain([Fault::NoWorker]) {
            assert!(after.count(fault) > before.count(fault), "{fault:?} never happened");
        }
    }
}

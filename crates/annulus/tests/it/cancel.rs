//! Every future of the public interface, ended at every point of its life, in every way.
//!
//! Owns: [`Points`], which enumerates the points instead of sampling them, and [`Cut`], which ends
//! a future at one of them. A scenario makes what its future needs, ends it, and says what must
//! hold then: no byte, connection, permit or tick is lost. Scenarios are in `sockets`, `files`,
//! `tasks`, `locks` and `combined`; `coverage` compares what they name with the sources, so that a
//! future without a scenario is a failure. `buffers` and `wakers` have user code where it hurts.
//!
//! The points of a future are its polls: it is polled when it is woken, and ended after its first,
//! second, … poll, woken or not, until it completes before its end comes. On the simulated kernel
//! this is exact, because the same seed gives the same polls. On the real kernel, where a request
//! may be faster once, a run that completes is repeated, most often where other runs came further;
//! and what runs there only must have been ended where it waited at least once.

mod buffers;
mod combined;
mod connections;
mod coverage;
mod datagrams;
mod early;
mod engine;
mod file_calls;
mod files;
mod locks;
mod pipes;
mod polled;
mod processes;
mod readers;
mod serving;
mod sockets;
mod standard;
mod streams;
mod tasks;
mod trees;
mod wakers;
mod writers;
mod zero_copy;

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use annulus::net::UnixStream;
use annulus::runtime::{Builder, Runtime};
use annulus::sync::{Notify, oneshot};
use futures_util::future::{Either, select};

use crate::harness::ground::{Ground, seeds};
use crate::harness::{own_process, share_process, skip};

/// More polls than any scenario needs; one that needs more hangs or spins.
const POLLS_MAX: usize = 500;
/// Longer than anything takes that happens at all.
pub const BOUND: Duration = Duration::from_secs(60);
/// More rounds to the kernel and back than anything takes that does not wait for a device.
const ROUNDS_MAX: usize = 1_000_000;
/// Runs at one point that complete before it, until it is behind the end of the future.
const RUNS: usize = 2;
/// The same if others came further.
const RUNS_BEHIND: usize = 5;
/// The same if none has waited at all.
const RUNS_MAX: usize = 20;
/// A kernel as tame as can be, two with half of the faults, one with all.
const SEEDS: u64 = 4;

/// How a future is got rid of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Drop,
    /// Its task is aborted.
    Abort,
    /// Dropped on a thread that has no runtime.
    Elsewhere,
    /// `mem::forget`: may leak until the runtime ends, must not corrupt.
    Forget,
    /// The runtime ends, while it and all others wait.
    Shutdown,
}

/// A point in a future's life: so many polls, and whether it was woken after the last of them.
#[derive(Clone)]
pub struct Cut {
    way: Way,
    polls: usize,
    woken: bool,
    ground: Ground,
    completed: Rc<Cell<bool>>,
    /// The most polls after which the future still waited, in any run of its scenario; `None` if
    /// it was never made, because something is missing here.
    waited: Rc<Cell<Option<usize>>>,
    /// The runtime is to end.
    reached: Rc<Notify>,
    /// In a child of the test, whose threads may have descriptors of their own, and which ends
    /// soon.
    in_child: bool,
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { way, polls, woken, ground, .. } = self;
        write!(f, "{way:?} after {polls} polls (woken: {woken})")?;
        if ground.is_simulated() {
            write!(f, ", simulated with seed {}", ground.seed())?;
        }
        Ok(())
    }
}

impl Cut {
    /// Polls the future up to this point, each time when it was woken, and gets rid of it there.
    /// Gives its output if it ended before.
    pub async fn end<F>(&self, future: F) -> Option<F::Output>
    where
        F: Future<Output: 'static> + Send + 'static,
    {
        if self.way != Way::Elsewhere {
            return self.end_here(future).await;
        }
        let mut future = Box::pin(future);
        let output = self.up_to(future.as_mut()).await;
        std::thread::scope(|scope| {
            scope.spawn(move || drop(future));
        });
        output
    }

    /// As [`end`](Self::end), for a future that stays on its thread.
    pub async fn end_here<F>(&self, future: F) -> Option<F::Output>
    where
        F: Future<Output: 'static> + 'static,
    {
        let mut future = Box::pin(future);
        if self.way == Way::Abort {
            return self.abort(future).await;
        }
        let output = self.up_to(future.as_mut()).await;
        match self.way {
            Way::Forget => std::mem::forget(future),
            Way::Shutdown if output.is_none() => {
                self.reached.notify_one();
                std::future::pending().await
            }
            _ => drop(future),
        }
        output
    }

    /// Polls the future until it is ready or this point is reached.
    async fn up_to<F: Future>(&self, mut future: Pin<&mut F>) -> Option<F::Output> {
        let mut polled = 0;
        self.waited.set(self.waited.get().or(Some(0)));
        let output = poll_fn(|cx| {
            if polled == self.polls {
                return Poll::Ready(None); // it was woken
            }
            polled += 1;
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            self.waited.set(self.waited.get().max(Some(polled)));
            if polled == self.polls && !self.woken { Poll::Ready(None) } else { Poll::Pending }
        })
        .await;
        self.completed.set(output.is_some());
        output
    }

    /// Runs the future in a task, and aborts that at this point.
    async fn abort<F>(&self, mut future: Pin<Box<F>>) -> Option<F::Output>
    where
        F: Future<Output: 'static> + 'static,
    {
        let (cut, (tell, told)) = (self.clone(), oneshot::channel());
        let mut task = annulus::spawn(async move {
            let output = cut.up_to(future.as_mut()).await;
            if output.is_none() {
                let _ = tell.send(());
                std::future::pending().await
            }
            output
        });
        match select(&mut task, told).await {
            Either::Left((output, _)) => output.expect("the future does not panic"),
            Either::Right((Err(_ended), _)) => task.await.expect("the future does not panic"),
            Either::Right((Ok(()), _)) => {
                task.abort();
                let error = task.await.err().expect("it was aborted before it ended");
                assert!(error.is_aborted(), "{error}");
                None
            }
        }
    }

    /// Whether whoever used the future has to reckon with what it still holds.
    pub fn forgets(&self) -> bool {
        self.way == Way::Forget && !self.completed.get()
    }

    /// Whether the future was polled at all.
    pub fn polled(&self) -> bool {
        self.polls > 0
    }

    /// Whether the kernel is simulated.
    pub fn is_simulated(&self) -> bool {
        self.ground.is_simulated()
    }

    /// A file with these contents, on the kernel of this run.
    pub fn file(&self, name: &str, contents: &[u8]) -> PathBuf {
        self.ground.file(name, contents)
    }
}

/// The points of the life of one future.
pub struct Points {
    ways: &'static [Way],
    simulated: bool,
    real: bool,
}

impl Points {
    /// Of a future that `names`, as `coverage` knows them, lead to.
    pub fn of(names: &[&str]) -> Self {
        for name in names {
            assert!(coverage::is_future(name), "{name} is no future of the sources");
        }
        let ways = &[Way::Drop, Way::Abort, Way::Elsewhere, Way::Forget, Way::Shutdown];
        Self { ways, simulated: true, real: true }
    }

    /// The future stays on its thread.
    pub fn here(self) -> Self {
        Self { ways: &[Way::Drop, Way::Abort, Way::Forget, Way::Shutdown], ..self }
    }

    /// What it needs, the simulated kernel does not have.
    pub fn real_only(self, _what: &str) -> Self {
        Self { simulated: false, ..self }
    }

    /// Runs the scenario once for each point of its future's life and each way to end it, each time
    /// on a new runtime, and checks that nothing is left: neither on the core nor in the process.
    pub fn run<F, S>(self, scenario: S)
    where
        S: Fn(Cut) -> F + Copy + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        if self.real {
            let _own = own_process();
            self.enumerate(Ground::real, false, scenario);
        }
        if self.simulated {
            let _shared = share_process();
            for seed in seeds(SEEDS) {
                self.enumerate(|| Ground::simulated(seed), false, scenario);
            }
        }
    }

    /// As [`run`](Self::run), on the real kernel and in a forked child: for what changes the
    /// process for good, or leaves it with children.
    pub fn run_forked<F, S>(self, scenario: S)
    where
        S: Fn(Cut) -> F + Copy + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        let _own = own_process();
        // It has descriptors of its own, which a child would inherit and close at some time.
        crate::processes::reaper_ends();
        let code = crate::hazards::fork::in_child(|| self.run_here(scenario));
        assert_eq!(code, 0, "it failed in the child; what it said is above");
    }

    /// As [`run_forked`](Self::run_forked), for a caller that is such a child.
    pub fn run_here<F, S>(self, scenario: S)
    where
        S: Fn(Cut) -> F + Copy + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        self.enumerate(Ground::real, true, scenario);
    }

    fn enumerate<F, S>(&self, ground: impl Fn() -> Ground, in_child: bool, scenario: S)
    where
        S: Fn(Cut) -> F + Copy + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        let waited = Rc::new(Cell::new(None));
        let is_simulated = ground().is_simulated();
        let must_wait = !is_simulated && (in_child || !self.simulated);
        for &way in self.ways {
            let (mut polls, mut runs) = (0, 0);
            loop {
                let completed = Rc::new(Cell::new(false));
                for woken in [false, true] {
                    let (ground, completed, waited) = (ground(), completed.clone(), waited.clone());
                    let woken = woken && polls > 0;
                    let reached = Rc::default();
                    let cut =
                        Cut { way, polls, woken, ground, completed, waited, reached, in_child };
                    once(cut, scenario);
                }
                runs += 1;
                let runs_max = match waited.get() {
                    None => {
                        assert!(!is_simulated, "a scenario ends no future");
                        return skip("what a future needs is missing here");
                    }
                    _ if is_simulated => 1,
                    Some(0) if must_wait => RUNS_MAX,
                    Some(most) if most >= polls => RUNS_BEHIND,
                    _ => RUNS,
                };
                if !completed.get() {
                    (polls, runs) = (polls + 1, 0);
                } else if runs >= runs_max {
                    break;
                }
                assert!(polls < POLLS_MAX, "the future does not get anywhere");
            }
        }
        let has_waited = waited.get() > Some(0);
        assert!(has_waited || !must_wait, "the future was never ended where it waited");
    }
}

/// Tells at which point a scenario failed.
struct Told(Cut);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?}", self.0);
        }
    }
}

fn once<F, S>(cut: Cut, scenario: S)
where
    S: Fn(Cut) -> F + Copy + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let _told = Told(cut.clone());
    if cut.in_child {
        // What an earlier cut left to it goes with the thread that reaps children.
        crate::processes::others_end();
    }
    let before = cut.ground.descriptors();
    let numbers = descriptor_numbers();
    let runtime = cut.ground.under(small()).build().expect("io_uring is there");
    let body = {
        let cut = cut.clone();
        async move {
            scenario(cut).await?;
            still_works().await
        }
    };
    let result = match cut.way {
        // A task outlives `block_on`, so that the runtime can end around it.
        Way::Shutdown => {
            let task = runtime.spawn(body);
            runtime.block_on(async {
                match select(task, pin!(cut.reached.notified())).await {
                    Either::Left((joined, _)) => joined.expect("the scenario does not panic"),
                    Either::Right(_) => Ok(()),
                }
            })
        }
        _ => runtime.block_on(body),
    };
    let is_shut = cut.way == Way::Shutdown && !cut.completed.get();
    if result.is_ok() && !cut.forgets() && !is_shut {
        runtime.block_on(at_rest()).expect("a no-op does not fail");
    }
    let last = runtime.shutdown();
    result.expect("the scenario ends without an error");
    assert_eq!(last.ops_in_flight, 0, "requests are left");
    assert_eq!(last.descriptors, 0, "descriptors are left");
    assert_eq!(last.stale_cqes, 0, "completions belonged to nothing");
    assert_eq!(last.tasks, 0, "tasks are left");
    if !cut.forgets() {
        assert_eq!(last.leases_out, 0, "leases are left");
    }
    if !cut.forgets() && !is_shut {
        assert_eq!(last.timers, 0, "timers are left");
    }
    cut.ground.assert_nothing_left();
    if !cut.is_simulated() && (cut.forgets() || is_shut) {
        close_leaked(&numbers, cut.in_child);
        if cut.in_child {
            return;
        }
    }
    // A thread that reaps children has some until the last of them has ended.
    let begun = Instant::now();
    while begun.elapsed() < BOUND && cut.ground.descriptors() != before {
        std::thread::yield_now();
    }
    assert_eq!(cut.ground.descriptors(), before, "the process has others now");
}

/// The open descriptors of this process, by number.
fn descriptor_numbers() -> Vec<RawFd> {
    let open = std::fs::read_dir("/proc/self/fd").expect("procfs is mounted");
    open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Closes the descriptors of handles that are leaked: with a future that was forgotten, or on
/// purpose, for a future to borrow, by a scenario that has not come to its end. They are open
/// still, because a handle that lives has its descriptor. That the runtime itself leaves none, the
/// ways that leak nothing show.
///
/// In a child, only pipes: what else is open may be of the thread that reaps its children, and they
/// end when their pipes do.
fn close_leaked(before: &[RawFd], in_child: bool) {
    for fd in descriptor_numbers() {
        let is_pipe = || {
            let link = std::fs::read_link(format!("/proc/self/fd/{fd}"));
            link.is_ok_and(|link| link.to_string_lossy().starts_with("pipe:"))
        };
        if !before.contains(&fd) && (!in_child || is_pipe()) {
            // SAFETY: of a handle that is never used again. One that is no descriptor any more was
            // that of the list.
            unsafe { libc::close(fd) };
        }
    }
}

/// A runtime that is made and ended quickly, and whose reads are all requests.
pub fn small() -> Builder {
    Runtime::builder()
        .entries(32)
        .fixed_files(64)
        .buffer_count(16)
        .buffers_published(4)
        .buffer_bytes(4096)
        .reads_cached(false)
}

/// The core serves others as if nothing had happened.
async fn still_works() -> io::Result<()> {
    let (left, right) = UnixStream::pair()?;
    for round in 0..3u8 {
        left.write_all(vec![round; 300]).await?;
        let ((), got) = right.read_exact(vec![0; 300]).await?;
        assert_eq!(got, [round; 300]);
    }
    drop(left);
    assert!(right.recv().await?.is_none());
    assert!(annulus::fs::metadata("/").await?.is_dir());
    Ok(())
}

/// Waits until the core holds nothing any more.
pub async fn at_rest() -> io::Result<()> {
    until("the core holds nothing", || {
        let now = annulus::runtime::metrics().expect("a runtime runs");
        let levels = (now.ops_in_flight, now.descriptors, now.leases_out);
        levels == (0, 0, 0) && now.timers == 0 && now.tasks == 0
    })
    .await
}

/// Lets the kernel and the tasks go on until something is true: no sleep, because a timer would be
/// one of the levels that tests look at.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) -> io::Result<()> {
    let begun = Instant::now();
    let mut rounds = 0;
    // On a busy machine a disk may take longer than any number of rounds.
    while rounds < ROUNDS_MAX || begun.elapsed() < BOUND {
        if is_so() {
            return Ok(());
        }
        yield_to_kernel().await?;
        rounds += 1;
    }
    panic!("it never happens that {what}: {:#?}", annulus::runtime::metrics()?);
}

/// One request there and back.
pub async fn yield_to_kernel() -> io::Result<()> {
    // SAFETY: a no-op points to nothing.
    unsafe { annulus::submit(annulus_ring::op::Nop) }.await.map(drop)
}

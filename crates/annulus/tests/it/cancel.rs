//! Futures that are dropped, forgotten, or dropped on another thread: at every point of their life.
//!
//! Owns: [`at_every_point`], which enumerates these points, and [`Cut`], which ends a future at one
//! of them. The rules that every end must keep are in the checks here and in the scenarios of
//! `sockets` and `files`; `buffers` and `wakers` have user code where it hurts.

mod buffers;
mod files;
mod sockets;
mod wakers;

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::Poll;

use annulus::net::UnixStream;
use annulus::runtime::{Builder, Runtime};

use crate::harness::{descriptors, own_process};

/// More polls than any scenario needs; one that needs more hangs or spins.
const POLLS_MAX: usize = 500;
/// More rounds to the kernel and back than anything takes.
const ROUNDS_MAX: usize = 1_000_000;

/// How a future is got rid of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Drop,
    /// `mem::forget`: may leak until the runtime ends, must not corrupt.
    Forget,
    /// Dropped on a thread that has no runtime.
    Elsewhere,
}

/// A point in a future's life: so many polls, and whether it was woken after the last of them.
#[derive(Clone)]
pub struct Cut {
    way: Way,
    polls: usize,
    woken: bool,
    completed: Rc<Cell<bool>>,
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { way, polls, woken, .. } = self;
        write!(f, "{way:?} after {polls} polls (woken: {woken})")
    }
}

impl Cut {
    /// Polls the future up to this point, each time when it was woken, and gets rid of it there.
    /// Gives its output if it ended before.
    pub async fn end<F: Future + Send>(&self, future: F) -> Option<F::Output> {
        let mut future = Box::pin(future);
        let mut polled = 0;
        let output = poll_fn(|cx| {
            if polled == self.polls {
                return Poll::Ready(None); // it was woken
            }
            polled += 1;
            match future.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if polled == self.polls && !self.woken => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        self.completed.set(output.is_some());
        match self.way {
            Way::Drop => drop(future),
            Way::Forget => std::mem::forget(future),
            Way::Elsewhere => {
                std::thread::scope(|scope| {
                    scope.spawn(move || drop(future));
                });
            }
        }
        output
    }

    /// Whether whoever used the future has to reckon with what it still holds.
    pub fn forgets(&self) -> bool {
        self.way == Way::Forget && !self.completed.get()
    }

    /// Whether the future was polled at all.
    pub fn polled(&self) -> bool {
        self.polls > 0
    }
}

/// Runs the scenario once for each point of its future's life and each way to end it, each time on
/// a new runtime, and checks that nothing is left: neither on the core nor in the process.
pub fn at_every_point<F>(scenario: impl Fn(Cut) -> F)
where
    F: Future<Output = io::Result<()>>,
{
    let _own = own_process();
    for way in [Way::Drop, Way::Elsewhere, Way::Forget] {
        let mut polls = 0;
        loop {
            let completed = Rc::new(Cell::new(false));
            for woken in [false, true] {
                let cut =
                    Cut { way, polls, woken: woken && polls > 0, completed: completed.clone() };
                once(cut, &scenario);
            }
            if completed.get() {
                break;
            }
            polls += 1;
            assert!(polls < POLLS_MAX, "the future does not get anywhere");
        }
    }
}

fn once<F>(cut: Cut, scenario: &impl Fn(Cut) -> F)
where
    F: Future<Output = io::Result<()>>,
{
    let before = descriptors();
    let runtime = small().build().expect("io_uring is there");
    let result = runtime.block_on(async {
        scenario(cut.clone()).await?;
        still_works().await?;
        if !cut.forgets() {
            at_rest().await?;
        }
        io::Result::Ok(())
    });
    let last = runtime.shutdown();
    if let Err(error) = result {
        panic!("{cut:?}: {error}");
    }
    assert_eq!(last.ops_in_flight, 0, "{cut:?}: requests are left");
    assert_eq!(last.descriptors, 0, "{cut:?}: descriptors are left");
    assert_eq!(last.stale_cqes, 0, "{cut:?}: completions belonged to nothing");
    if !cut.forgets() {
        assert_eq!(last.leases_out, 0, "{cut:?}: leases are left");
        assert_eq!(last.timers, 0, "{cut:?}: timers are left");
    }
    assert_eq!(descriptors(), before, "{cut:?}: the process has others now");
}

/// A runtime that is made and ended quickly.
pub fn small() -> Builder {
    Runtime::builder()
        .entries(32)
        .fixed_files(64)
        .buffer_count(16)
        .buffers_published(4)
        .buffer_bytes(4096)
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
    for _ in 0..ROUNDS_MAX {
        if is_so() {
            return Ok(());
        }
        yield_to_kernel().await?;
    }
    panic!("it never happens that {what}: {:#?}", annulus::runtime::metrics()?);
}

/// One request there and back.
pub async fn yield_to_kernel() -> io::Result<()> {
    // SAFETY: a no-op points to nothing.
    unsafe { annulus::submit(annulus_ring::op::Nop) }.await.map(drop)
}

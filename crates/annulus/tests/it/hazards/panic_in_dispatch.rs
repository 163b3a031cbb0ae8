//! Something panics while the core hands out what the kernel has completed.
//!
//! *Evidence*: completions are taken from the queue in runs. A panic in the middle of one would
//! take the rest of it along: their slots would wait for ever, and the end of the core with them.
//!
//! *Answer*: code of users runs when nothing is borrowed, and what it throws is contained
//! (`panic_in_callbacks`). Of what is called in between, a kernel that a user has written
//! (`Builder::kernel`), buffers that break their contract, and the core's own assertions may still
//! panic. Then the rest of the run stays in the queue, and a core that is driven again finds it
//! there.
//!
//! *Also proven*: `annulus_ring::Ring::put_back`, in its example.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use annulus::net::UnixStream;
use annulus::runtime::{Builder, Metrics, Runtime, metrics};
use annulus::task::JoinHandle;
use annulus::time::timeout;
use annulus_ring::abi::Errno;
use annulus_ring::op::Nop;
use annulus_ring::{AnyKernel, Kernel as _, Layer, Real};
use futures_util::poll;

use crate::harness::{Made, assert_nothing_left, made, share_process};

/// Longer than anything takes that happens at all.
const BOUND: Duration = Duration::from_secs(60);

thread_local! {
    /// How many calls of close(2) are to panic.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// A kernel whose calls of close(2) panic, once they are made.
struct Panicking(Real);

// SAFETY: every call goes to the real kernel.
unsafe impl Layer for Panicking {
    type Inner = Real;

    fn inner(&self) -> &Real {
        &self.0
    }

    fn inner_mut(&mut self) -> &mut Real {
        &mut self.0
    }

    unsafe fn close(&mut self, fd: RawFd) -> Result<(), Errno> {
        // SAFETY: the caller's promise is passed on.
        let closed = unsafe { self.0.close(fd) };
        let panics = PANICS.get();
        PANICS.set(panics.saturating_sub(1));
        assert!(panics == 0, "a kernel panics, as this test wants");
        closed
    }
}

/// A request that the kernel completes at once.
fn request() -> JoinHandle<()> {
    annulus::spawn(async {
        // SAFETY: it points to nothing.
        unsafe { annulus::submit(Nop) }.await.expect("a no-op does not fail");
    })
}

/// A socket that the core closes when it finds that its send has ended. The peer is kept.
fn closed_when_it_has_sent() -> JoinHandle<UnixStream> {
    annulus::spawn(async {
        let (left, right) = UnixStream::pair().expect("there are descriptors");
        let mut sending = Box::pin(left.write_all("all of it"));
        assert!(poll!(&mut sending).is_pending());
        drop(sending);
        drop(left);
        right
    })
}

/// Those whose close panics, and what stands behind them.
type Begun = (Vec<JoinHandle<UnixStream>>, Vec<JoinHandle<()>>);

fn panicking(builder: Builder) -> Made {
    made(builder.budget(1024).kernel(|| AnyKernel::Dyn(Box::new(Panicking(Real::new())))))
}

/// So many that panic, and so many requests behind each. Nothing is polled before the next call,
/// and then in this order.
fn begin(runtime: &Runtime, panics: u32, requests: u32) -> Begun {
    let begun = runtime.block_on(async {
        let (mut peers, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..panics {
            peers.push(closed_when_it_has_sent());
            tasks.extend((0..requests).map(|_| request()));
        }
        (peers, tasks)
    });
    PANICS.set(panics);
    begun
}

fn drive_into_a_panic(runtime: &Runtime) {
    let driven = || runtime.block_on(std::future::pending::<()>());
    let thrown = catch_unwind(AssertUnwindSafe(driven)).expect_err("the kernel panics");
    let said = thrown.downcast_ref::<&str>();
    assert_eq!(said, Some(&"a kernel panics, as this test wants"));
}

/// Everything ends as if nothing had panicked.
fn finish(runtime: &Runtime, (peers, tasks): Begun) -> Metrics {
    runtime.block_on(async {
        let all = async {
            for task in tasks {
                task.await.expect("it does not panic");
            }
            for peer in peers {
                let peer = peer.await.expect("it does not panic");
                assert_eq!(peer.read_exact(vec![0; 9]).await.expect("it came").1, b"all of it");
                assert!(peer.recv().await.expect("no error").is_none(), "it was closed");
            }
        };
        timeout(BOUND, all).await.expect("no completion was lost");
        metrics().expect("this is a core")
    })
}

#[test]
fn completions_behind_one_that_panics_are_handed_out_in_another_turn() {
    let _shared = share_process();
    // Requests between the panics: all in one run of completions, and in several.
    for (panics, requests) in [(1, 4), (3, 2), (2, 300)] {
        let runtime = panicking(Runtime::builder().entries(1024));
        let begun = begin(&runtime, panics, requests);
        (0..panics).for_each(|_| drive_into_a_panic(&runtime));
        assert_eq!(finish(&runtime, begun).ops_in_flight, 0);
    }
}

#[test]
fn what_overflowed_behind_one_that_panics_comes_in_its_turn() {
    let _shared = share_process();
    for (panics, requests) in [(1, 40), (3, 20), (2, 300)] {
        let runtime = panicking(Runtime::builder().entries(8).cq_entries(8));
        let begun = begin(&runtime, panics, requests);
        (0..panics).for_each(|_| drive_into_a_panic(&runtime));
        assert!(finish(&runtime, begun).cq_overflows > 0, "nothing overflowed");
    }
}

#[test]
fn a_runtime_that_ends_after_a_panic_reaps_what_is_behind_it() {
    let _shared = share_process();
    for requests in [4, 300] {
        let runtime = panicking(Runtime::builder().entries(1024));
        let begun = begin(&runtime, 1, requests);
        drive_into_a_panic(&runtime);
        drop(begun);
        // No turn in between: the end itself finds them in the queue.
        assert_nothing_left(&runtime.shutdown());
    }
}

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
use annulus::runtime::{Runtime, metrics};
use annulus::task::JoinHandle;
use annulus::time::timeout;
use annulus_ring::abi::Errno;
use annulus_ring::op::Nop;
use annulus_ring::{AnyKernel, Kernel as _, Layer, Real};
use futures_util::poll;

use crate::harness::{made, share_process};

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

    fn close(&mut self, fd: RawFd) -> Result<(), Errno> {
        let closed = self.0.close(fd);
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

#[test]
fn completions_behind_one_that_panics_are_handed_out_in_another_turn() {
    let _shared = share_process();
    // Requests between the panics: all in one run of completions, and in several.
    for (panics, requests) in [(1, 4), (3, 2), (2, 300)] {
        let kernel = || AnyKernel::Dyn(Box::new(Panicking(Real::new())));
        let runtime = made(Runtime::builder().entries(1024).budget(1024).kernel(kernel));
        // Nothing is polled before the next call, and then in this order.
        let (peers, tasks): (Vec<_>, Vec<_>) = runtime.block_on(async {
            let part = |_| (closed_when_it_has_sent(), (0..requests).map(|_| request()));
            (0..panics).map(part).map(|(peer, tasks)| (peer, tasks.collect::<Vec<_>>())).unzip()
        });
        PANICS.set(panics);
        for _ in 0..panics {
            let driven = || runtime.block_on(std::future::pending::<()>());
            let thrown = catch_unwind(AssertUnwindSafe(driven)).expect_err("the kernel panics");
            let said = thrown.downcast_ref::<&str>();
            assert_eq!(said, Some(&"a kernel panics, as this test wants"));
        }
        runtime.block_on(async {
            let all = async {
                for task in tasks.into_iter().flatten() {
                    task.await.expect("it does not panic");
                }
                for peer in peers {
                    let peer = peer.await.expect("it does not panic");
                    assert_eq!(peer.read_exact(vec![0; 9]).await.expect("it came").1, b"all of it");
                    assert!(peer.recv().await.expect("no error").is_none(), "it was closed");
                }
            };
            timeout(BOUND, all).await.expect("no completion was lost");
            assert_eq!(metrics().expect("this is a core").ops_in_flight, 0);
        });
    }
}

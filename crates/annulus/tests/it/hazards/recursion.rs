//! A wake polls, a drop drops, a completion completes, until the stack is full.
//!
//! *Evidence*: rfcs#686; chains of tasks that own each other.
//!
//! *Answer*: a wake only queues; a task that is dropped while another one is dropped waits in a
//! list; a turn polls within a budget.
//!
//! *Also proven*: `annulus-task` (`drops`, `scale`).

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::rc::Rc;

use annulus::runtime::{Runtime, metrics};
use annulus::sync::{Mutex, cross, oneshot};
use annulus::task::{JoinHandle, JoinSet};

use crate::cancel::yield_to_kernel;
use crate::harness::{made, share_process};
use crate::hostile::Quiet as _;

/// Links of a chain. (AddressSanitizer makes each of them ten times as dear.)
fn links() -> u32 {
    if is_instrumented() { 100_000 } else { 1_000_000 }
}

/// The stack that a chain has, with everything below it from `block_on` to the last destructor.
fn stack_bytes() -> usize {
    if is_instrumented() { 256 * 1024 } else { 64 * 1024 }
}

/// Whether AddressSanitizer is there, whose frames are larger.
fn is_instrumented() -> bool {
    // SAFETY: a string that ends with zero; nothing is called.
    !unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__asan_init".as_ptr()) }.is_null()
}

/// Runs a body on a stack on which no chain fits, and ends its runtime there. Only to make that,
/// which is no deeper where there are more tasks, the stack is larger.
fn on_a_small_stack<F>(body: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = io::Result<()>>,
{
    let _shared = share_process();
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
        let _shared = share_process();
        let runtime = made(Runtime::builder());
        let result = with_stack_left(stack_bytes(), || runtime.block_on(body()));
        result.expect("the body ends without an error");
        with_stack_left(stack_bytes(), || runtime.shutdown());
    });
    thread.expect("there is a thread").join().expect("the body does not panic");
}

/// Calls something so deep in the stack that only so many bytes are left of it.
fn with_stack_left<T>(bytes: usize, call: impl FnOnce() -> T) -> T {
    let mut call = Some(call);
    let mut result = None;
    descend(lowest_address() + bytes, &mut || result = call.take().map(|call| call()));
    result.expect("it was called")
}

/// Calls something when the stack has come down to an address.
#[inline(never)]
fn descend(to: usize, call: &mut dyn FnMut()) {
    let frame = std::hint::black_box([0_u8; 1024]);
    if frame.as_ptr().addr() > to + 2 * frame.len() {
        descend(to, call);
    } else {
        call();
    }
    // Not a tail call, whose frame would be this one.
    std::hint::black_box(&frame);
}

/// Where the stack of this thread ends.
fn lowest_address() -> usize {
    let (mut lowest, mut bytes) = (std::ptr::null_mut(), 0);
    // SAFETY: zeroes are room for attributes.
    let mut attributes: libc::pthread_attr_t = unsafe { std::mem::zeroed() };
    // SAFETY: no preconditions.
    let own = unsafe { libc::pthread_self() };
    // SAFETY: a live thread, and room for its attributes.
    assert_eq!(unsafe { libc::pthread_getattr_np(own, &mut attributes) }, 0);
    // SAFETY: the attributes were filled in above, and the rest are valid places.
    let got = unsafe { libc::pthread_attr_getstack(&attributes, &mut lowest, &mut bytes) };
    assert_eq!(got, 0);
    // SAFETY: they were filled in above, and are not used again.
    unsafe { libc::pthread_attr_destroy(&mut attributes) };
    lowest.addr()
}

#[test]
#[ignore = "overflows its stack, as a child of `a_chain_that_recursed_would_overflow`"]
fn a_chain_that_recurses() {
    fn link(left: u32) -> u64 {
        let left = std::hint::black_box(left);
        if left == 0 { 0 } else { link(left - 1) + u64::from(left) }
    }
    on_a_small_stack(|| async {
        assert!(link(links()) > 0);
        Ok(())
    });
}

/// The instrument itself.
#[test]
fn a_chain_that_recursed_would_overflow() {
    let _shared = share_process();
    let own = std::env::current_exe().expect("it runs");
    let name = "hazards::recursion::a_chain_that_recurses";
    let mut child = std::process::Command::new(own);
    let output = child.args(["--exact", name, "--ignored"]).quiet().output().expect("it starts");
    assert!(output.status.signal().is_some(), "{output:?}");
}

/// A chain of tasks, each of which owns the handle of the one before.
fn chain() -> JoinHandle<u32> {
    let mut last = annulus::spawn(async {
        let _ = yield_to_kernel().await;
        0
    });
    for _ in 0..links() {
        let before = last;
        last = annulus::spawn(async move { before.await.map_or(0, |n| n + 1) });
    }
    last
}

#[test]
fn a_chain_of_joins_completes() {
    on_a_small_stack(|| async {
        assert_eq!(chain().await.expect("no panic"), links());
        Ok(())
    });
}

#[test]
fn a_chain_of_tasks_that_own_each_other_is_dropped() {
    /// Aborts what it owns when it goes away, as a scope does.
    struct Owner(Option<JoinHandle<()>>, Rc<Cell<u32>>);
    impl Drop for Owner {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            if let Some(owned) = self.0.take() {
                owned.abort();
            }
        }
    }
    on_a_small_stack(|| async {
        let dropped = Rc::new(Cell::new(0));
        let mut last = None;
        for _ in 0..links() {
            let owner = Owner(last.take(), dropped.clone());
            last = Some(annulus::spawn(async move {
                std::future::pending::<()>().await;
                drop(owner);
            }));
        }
        yield_to_kernel().await?;
        last.take().expect("it was made").abort();
        crate::cancel::until("all are gone", || dropped.get() == links()).await
    });
}

#[test]
fn a_runtime_ends_with_a_chain_of_waiting_tasks() {
    on_a_small_stack(|| async {
        let mut last = annulus::spawn(std::future::pending::<u32>());
        for _ in 0..links() {
            let before = last;
            last = annulus::spawn(async move { before.await.unwrap_or(0) });
        }
        yield_to_kernel().await
    });
}

#[test]
fn a_chain_of_sets_that_own_each_other_is_dropped() {
    on_a_small_stack(|| async {
        let mut last = JoinSet::new();
        for _ in 0..links() {
            let mut owner = JoinSet::new();
            owner.spawn(async move {
                std::future::pending::<()>().await;
                drop(last);
            });
            last = owner;
        }
        yield_to_kernel().await?;
        drop(last);
        let none = || metrics().expect("a runtime runs").tasks == 0;
        crate::cancel::until("all are gone", none).await
    });
}

#[test]
fn a_lock_goes_from_hand_to_hand() {
    on_a_small_stack(|| async {
        let lock = Rc::new(Mutex::new(0));
        let held = lock.lock().await;
        let waiting: Vec<_> = (0..links())
            .map(|_| {
                let lock = lock.clone();
                // The next one is woken by the destructor of this one's guard.
                annulus::spawn(async move { *lock.lock().await += 1 })
            })
            .collect();
        yield_to_kernel().await?;
        drop(held);
        for task in waiting {
            task.await.expect("no panic");
        }
        assert_eq!(*lock.lock().await, links());
        Ok(())
    });
}

#[test]
fn a_channel_hands_on_from_task_to_task() {
    on_a_small_stack(|| async {
        let (first, mut next) = cross::channel::<u32>(1);
        for _ in 0..links() / 10 {
            let (sender, receiver) = cross::channel(1);
            let mut before = std::mem::replace(&mut next, receiver);
            annulus::spawn(async move {
                while let Some(n) = before.recv().await {
                    let _ = sender.send(n + 1).await;
                }
            })
            .detach();
        }
        yield_to_kernel().await?;
        first.send(0).await.expect("all are there");
        assert_eq!(next.recv().await, Some(links() / 10));
        // The end goes through all of them, too.
        drop(first);
        assert_eq!(next.recv().await, None);
        Ok(())
    });
}

#[test]
fn a_wake_that_wakes_the_next_goes_round_the_loop() {
    on_a_small_stack(|| async {
        let (first, mut next) = oneshot::channel::<u32>();
        for _ in 0..links() {
            let (sender, receiver) = oneshot::channel();
            let before = std::mem::replace(&mut next, receiver);
            annulus::spawn(async move {
                let n = before.await.unwrap_or(0);
                let _ = sender.send(n + 1);
            })
            .detach();
        }
        yield_to_kernel().await?;
        assert!(first.send(0).is_ok());
        assert_eq!(next.await.ok(), Some(links()));
        Ok(())
    });
}

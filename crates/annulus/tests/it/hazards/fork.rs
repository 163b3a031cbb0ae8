//! A forked child has the memory of a core, and may not speak in its name.
//!
//! *Evidence*: liburing#612, lwt_eio#21.
//!
//! *Answer*: the memory of a ring is not inherited (MADV_DONTFORK); a handler of fork(2) marks all
//! cores of the parent as inherited, so that dropping what belongs to them closes at most the
//! child's own copy of a descriptor. The child can have cores of its own.
//!
//! *Also proven*: `annulus-ring` (`fork`).

use std::sync::atomic::{AtomicBool, Ordering};

use annulus::buf::Lease;
use annulus::net::UnixStream;
use annulus::runtime::{CoreHandle, Runtime};

use crate::harness::forking::fork;
use crate::harness::{assert_nothing_left, check, own_process, wait_for};

/// Runs `child` in a forked child, and gives how that ended: 0 if `child` returned.
pub fn in_child(child: impl FnOnce()) -> i32 {
    // SAFETY: the child ends with _exit, and has its own runtimes.
    let pid = unsafe { fork() };
    if pid == 0 {
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
        // SAFETY: ends this process at once.
        unsafe { libc::_exit(i32::from(ended.is_err())) };
    }
    let status = wait_for(pid);
    assert!(libc::WIFEXITED(status), "the child was killed by signal {}", status & 0x7f);
    libc::WEXITSTATUS(status)
}

/// What a task of the parent holds when the process forks.
struct Held {
    stream: UnixStream,
    lease: Lease,
    marker: Marker,
}

/// A destructor that a child must not run for the parent.
struct Marker(std::path::PathBuf);

impl Drop for Marker {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_child_that_drops_what_it_inherited_changes_nothing_for_the_parent() {
    let _own = own_process();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("marker");
    std::fs::write(&file, "here").unwrap();
    let runtime = Runtime::new().unwrap();
    let (peer, outer, held) = runtime.block_on(async {
        let (peer, stream) = UnixStream::pair().unwrap();
        let (outer, other) = UnixStream::pair().unwrap();
        outer.write_all("leased").await.unwrap();
        let lease = other.recv().await.unwrap().unwrap();
        (peer, outer, Held { stream, lease, marker: Marker(file.clone()) })
    });
    let task = runtime.spawn(async move {
        let marker = held.marker;
        let Some(lease) = held.stream.recv().await.unwrap() else { panic!("the child closed it") };
        held.stream.write_all(lease).await.unwrap();
        drop(marker);
        held.lease
    });
    runtime.block_on(async { crate::harness::turns(2).await });
    let mut slot = Some((runtime, task, peer, outer));
    let code = in_child(|| {
        let (runtime, task, peer, outer) = slot.take().unwrap();
        let handle = runtime.handle();
        drop(runtime);
        drop((peer, outer));
        handle.stop(None);
        assert!(CoreHandle::current().is_err());
        std::mem::forget(task);
        // A core of its own works.
        let own = Runtime::new().unwrap();
        let answer = own.block_on(async {
            let (left, right) = UnixStream::pair().unwrap();
            left.write_all("own").await.unwrap();
            right.recv().await.unwrap().unwrap().to_vec()
        });
        assert_eq!(answer, b"own");
        assert_nothing_left(&own.shutdown());
    });
    assert_eq!(code, 0);
    assert!(file.exists(), "the child ran a destructor of the parent's task");
    let (runtime, task, peer, outer) = slot.unwrap();
    let lease = runtime.block_on(async {
        peer.write_all("still here").await.unwrap();
        let ((), back) = peer.read_exact(vec![0; 10]).await.unwrap();
        assert_eq!(back, b"still here");
        task.await.unwrap()
    });
    assert_eq!(&*lease, b"leased");
    drop((peer, lease, outer));
    let last = runtime.shutdown();
    assert_eq!((last.descriptors, last.leases_out, last.stale_cqes), (0, 0, 0));
}

#[test]
fn a_child_that_forked_inside_a_task_cannot_run_its_parents_core() {
    let _own = own_process();
    let runtime = Runtime::new().unwrap();
    let code = runtime.block_on(async {
        let (left, right) = UnixStream::pair().unwrap();
        left.write_all("to the parent").await.unwrap();
        let lease = right.recv().await.unwrap().unwrap();
        let waker = std::future::poll_fn(|cx| std::task::Poll::Ready(cx.waker().clone())).await;
        let mut slot = Some((left, right, lease, waker));
        let code = in_child(|| {
            let (left, right, lease, waker) = slot.take().unwrap();
            drop(lease);
            waker.wake();
            assert!(left.send_nowait(b"x").is_err(), "no core runs here");
            drop((left, right));
        });
        let (left, right, lease, _) = slot.unwrap();
        assert_eq!(&*lease, b"to the parent");
        drop(lease);
        left.write_all("more").await.unwrap();
        assert_eq!(&*right.recv().await.unwrap().unwrap(), b"more");
        code
    });
    assert_eq!(code, 0);
    let code = in_child(|| {
        let inherited = std::panic::AssertUnwindSafe(|| runtime.block_on(async {}));
        let text = std::panic::catch_unwind(inherited).expect_err("it is refused");
        assert!(text.downcast_ref::<&str>().is_some_and(|text| text.contains("forked child")));
    });
    assert_eq!(code, 0);
    assert_nothing_left(&runtime.shutdown());
}

#[test]
fn a_forked_child_leaves_its_parents_runtime_alone() {
    let _own = own_process();
    let runtime = Runtime::new().unwrap();
    let (left, right) = runtime.block_on(async { UnixStream::pair() }).unwrap();
    // SAFETY: the child only drops what it inherited and exits; no other test runs meanwhile.
    let child = unsafe { fork() };
    if child == 0 {
        drop(left);
        drop(runtime);
        // SAFETY: ends the child without running its parent's exit handlers.
        unsafe { libc::_exit(0) };
    }
    let status = wait_for(child);
    assert_eq!(status, 0, "the child died");
    runtime.block_on(async {
        left.write_all("alive").await.unwrap();
        assert_eq!(&*right.recv().await.unwrap().unwrap(), b"alive");
    });
    assert_nothing_left(&runtime.shutdown());
}

#[test]
fn a_child_of_a_process_that_was_starting_threads_can_have_a_runtime() {
    let _own = own_process();
    let enough = AtomicBool::new(false);
    let failed = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // ORDERING: Relaxed; a wish, which orders nothing.
                while !enough.load(Ordering::Relaxed) {
                    // std copies the name while it holds its lock: the longer, the more often a
                    // child is made meanwhile.
                    let thread = std::thread::Builder::new().name("n".repeat(1 << 20));
                    let _ = thread.spawn(|| ()).map(std::thread::JoinHandle::join);
                }
            });
        }
        let child = || {
            // SAFETY: the child has a runtime of its own, starts no thread by std, and ends with
            // _exit. It is meant to be made while others start threads.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: takes a number; the signal ends a child that waits.
                unsafe { libc::alarm(30) };
                let ran = std::panic::catch_unwind(|| {
                    check(Runtime::builder().entries(16), async { Ok(()) });
                });
                // SAFETY: ends this process at once.
                unsafe { libc::_exit(i32::from(ran.is_err())) };
            }
            if child < 0 { child } else { wait_for(child) }
        };
        // The first is enough: each that waits does so until its alarm.
        let failed = (0..300).map(|_| child()).find(|status| *status != 0);
        // ORDERING: Relaxed, as above.
        enough.store(true, Ordering::Relaxed);
        failed
    });
    assert_eq!(failed, None, "the status of a child");
}

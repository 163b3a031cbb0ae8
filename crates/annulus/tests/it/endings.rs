//! Ends in unusual places: in a forked child, across exec, in destructors of thread-locals.

use std::cell::RefCell;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::task::Waker;

use annulus::buf::Lease;
use annulus::net::UnixStream;
use annulus::runtime::{CoreHandle, Runtime};
use annulus::task::JoinHandle;

use crate::harness::{check, descriptors, own_process, share_process, wait_for};

/// Runs `child` in a forked child, and gives how that ended: 0 if `child` returned.
fn in_child(child: impl FnOnce()) -> i32 {
    // SAFETY: the child calls what a child of a process with threads may in practice (glibc makes
    // its allocator usable there), and ends with _exit.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork failed");
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
        assert_eq!(own.shutdown().descriptors, 0);
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
    assert_eq!(runtime.shutdown().stale_cqes, 0);
}

/// What another program finds open when this process starts it: number and kind.
fn inherited() -> Vec<String> {
    let script = "for fd in /proc/$$/fd/*; do echo ${fd##*/} $(readlink $fd); done";
    let output = Command::new("sh").args(["-c", script]).output().expect("there is a shell");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    assert!(text.lines().count() >= 3, "it has the three standard streams: {text}");
    // The pipes of its own output differ from run to run.
    text.lines().map(|line| line.split("pipe:").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_program_that_is_executed_inherits_no_descriptor() {
    let _own = own_process();
    let before = inherited();
    check(Runtime::builder(), async move {
        let listener = annulus::net::TcpListener::bind("127.0.0.1:0")?;
        let client = annulus::net::TcpStream::connect(listener.local_addr()?).await?;
        let (server, _) = listener.accept().await?;
        let (left, right) = UnixStream::pair()?;
        let file = annulus::fs::File::open("/proc/self/exe").await?;
        let directory = annulus::fs::Dir::open("/").await?;
        let portable = right.into_portable().await?;
        annulus::task::spawn_blocking(|| ()).await.unwrap();
        assert_eq!(inherited(), before);
        drop((listener, client, server, left, file, directory, portable));
        Ok(())
    });
}

#[test]
fn a_process_that_executes_another_program_in_place_takes_nothing_along() {
    let _own = own_process();
    let runtime = Runtime::new().unwrap();
    let (left, _right) = runtime.block_on(async { UnixStream::pair().unwrap() });
    let fd = left.as_raw_fd();
    let code = in_child(|| {
        let script = format!("! test -e /proc/self/fd/{fd}");
        let error = Command::new("sh").args(["-c", &script]).exec();
        panic!("exec failed: {error}");
    });
    assert_eq!(code, 0);
    runtime.block_on(async { drop((left, _right)) });
}

/// Everything that a thread may keep of a runtime.
#[derive(Default)]
struct Keeps {
    runtime: Option<Runtime>,
    stream: Option<UnixStream>,
    lease: Option<Lease>,
    waker: Option<Waker>,
    join: Option<JoinHandle<u8>>,
    sleep: Option<annulus::time::Sleep>,
}

type Keep = RefCell<Keeps>;

thread_local! {
    static A: Keep = RefCell::default();
    static B: Keep = RefCell::default();
    static C: Keep = RefCell::default();
    static D: Keep = RefCell::default();
    static E: Keep = RefCell::default();
    static F: Keep = RefCell::default();
}

/// Fills the thread-locals in the order of `places`: the things of one runtime, one in each.
fn keep_in(places: &[usize; 6]) {
    let keys = [&A, &B, &C, &D, &E, &F];
    // The first use of a thread-local decides when its destructor runs.
    for place in places {
        keys[*place].with(|keep| drop(keep.borrow_mut()));
    }
    let runtime = Runtime::new().expect("it is there");
    let join = runtime.spawn(async {
        std::future::pending::<()>().await;
        1
    });
    let (stream, lease, waker, sleep) = runtime.block_on(async {
        let (left, right) = UnixStream::pair().expect("it is there");
        left.write_all("kept").await.expect("it is there");
        let lease = right.recv().await.expect("it is there").expect("it is there");
        let waker = std::future::poll_fn(|cx| std::task::Poll::Ready(cx.waker().clone())).await;
        let mut sleep = annulus::time::sleep(std::time::Duration::from_secs(1000));
        assert!(futures_util::poll!(&mut sleep).is_pending());
        (right, lease, waker, sleep)
    });
    A.with(|keep| keep.borrow_mut().runtime = Some(runtime));
    B.with(|keep| keep.borrow_mut().stream = Some(stream));
    C.with(|keep| keep.borrow_mut().lease = Some(lease));
    D.with(|keep| keep.borrow_mut().waker = Some(waker));
    E.with(|keep| keep.borrow_mut().join = Some(join));
    F.with(|keep| keep.borrow_mut().sleep = Some(sleep));
}

impl Drop for Keeps {
    fn drop(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake_by_ref();
        }
        if let Some(lease) = &self.lease {
            assert_eq!(&**lease, b"kept");
        }
        if let Some(join) = &self.join {
            join.abort();
        }
    }
}

#[test]
fn thread_locals_may_keep_anything_and_end_in_any_order() {
    let _own = own_process();
    let before = descriptors();
    let mut order = [0, 1, 2, 3, 4, 5];
    // Heap's algorithm: every order of six.
    let mut counters = [0; 6];
    let run = |order: [usize; 6]| {
        std::thread::spawn(move || keep_in(&order)).join().expect("the thread ends well");
    };
    run(order);
    let mut at = 1;
    while at < 6 {
        if counters[at] < at {
            order.swap(if at % 2 == 0 { 0 } else { counters[at] }, at);
            run(order);
            counters[at] += 1;
            at = 1;
        } else {
            counters[at] = 0;
            at += 1;
        }
    }
    assert_eq!(descriptors(), before);
}

#[test]
fn a_runtime_may_end_inside_another() {
    let _shared = share_process();
    let outer = Runtime::new().unwrap();
    let inner = Runtime::new().unwrap();
    let (left, right) = inner.block_on(async { UnixStream::pair().unwrap() });
    outer.block_on(async move {
        drop(inner);
        // Its handles are dead, and say so.
        assert!(left.send_nowait(b"x").is_err());
        drop((left, right));
        let (left, right) = UnixStream::pair().unwrap();
        left.write_all("the outer works").await.unwrap();
        assert!(right.recv().await.unwrap().is_some());
    });
    assert_eq!(outer.shutdown().descriptors, 0);
}

//! Runtimes, handles and wakers in thread-locals end in whatever order their destructors run.
//!
//! *Evidence*: tokio-uring#173, tokio#6091, neon#7164.
//!
//! *Answer*: nothing of a core is reached through a thread-local with a destructor. What a
//! destructor of the user does after the core has ended is an error; what has no error to give (a
//! sleep that is polled) panics, as its documentation says, and that can be caught. Nothing hangs,
//! and nothing is touched that is gone.

use std::cell::RefCell;
use std::task::Waker;

use annulus::buf::Lease;
use annulus::net::UnixStream;
use annulus::runtime::Runtime;
use annulus::task::JoinHandle;

use crate::harness::{NOTHING, descriptors, made, opened_since, own_process, share_process};

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
    assert_eq!(opened_since(&before), NOTHING);
}

#[test]
fn a_runtime_may_end_inside_another() {
    let _shared = share_process();
    let outer = made(Runtime::builder());
    let inner = made(Runtime::builder());
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
    outer.shutdown();
}

/// Uses what it has when it goes away, when the core may be there no more.
struct Active {
    stream: UnixStream,
    outcome: std::sync::mpsc::Sender<Outcome>,
}

/// What was said to that: the error of a send, and the panic of a sleep. The test judges it, as a
/// panic that leaves the destructor of a thread-local ends the process.
type Outcome = [Option<String>; 2];

impl Drop for Active {
    fn drop(&mut self) {
        let refused = self.stream.send_nowait(b"too late").err().map(|error| error.to_string());
        let mut sleep = Box::pin(annulus::time::sleep(std::time::Duration::ZERO));
        let mut cx = std::task::Context::from_waker(Waker::noop());
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = std::future::Future::poll(sleep.as_mut(), &mut cx);
        }));
        let thrown = polled.err().and_then(|thrown| thrown.downcast::<String>().ok());
        let _ = self.outcome.send([refused, thrown.map(|said| *said)]);
    }
}

thread_local! {
    static FIRST: RefCell<Option<Active>> = const { RefCell::new(None) };
    static SECOND: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    static THIRD: RefCell<Option<Active>> = const { RefCell::new(None) };
}

#[test]
fn operations_of_a_destructor_after_its_core_are_errors_or_panic_as_documented() {
    let _own = own_process();
    let before = descriptors();
    let (outcome, outcomes) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        FIRST.with(|first| drop(first.borrow_mut()));
        SECOND.with(|second| drop(second.borrow_mut()));
        THIRD.with(|third| drop(third.borrow_mut()));
        let runtime = Runtime::new().unwrap();
        let (left, right) = runtime.block_on(async { UnixStream::pair().unwrap() });
        FIRST.set(Some(Active { stream: left, outcome: outcome.clone() }));
        THIRD.set(Some(Active { stream: right, outcome }));
        SECOND.set(Some(runtime));
    });
    thread.join().expect("no destructor panics");
    let outcomes: Vec<Outcome> = outcomes.iter().collect();
    assert_eq!(outcomes.len(), 2);
    // Outside of its turns no core is current, before its end as after it.
    for said in outcomes.iter().flatten() {
        let is_said = said.as_ref().is_some_and(|said| said.contains("no Annulus runtime"));
        assert!(is_said, "{outcomes:?}");
    }
    assert_eq!(opened_since(&before), NOTHING);
}

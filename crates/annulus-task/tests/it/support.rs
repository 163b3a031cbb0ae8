//! What the tests share: a core that parks its thread, futures that tell what happens to them, and
//! an allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use annulus_task::{Bell, Executor, OnPanic};

pub fn executor() -> Executor {
    Executor::new(OnPanic::Contain).expect("the registry has room")
}

/// Turns until nothing is ready and nothing was sent. Returns the number of polls.
pub fn settle(executor: &Executor) -> u32 {
    let mut polls = 0;
    loop {
        let received = executor.drain_inbox();
        let polled = executor.run(1 << 20);
        polls += polled;
        if !received && polled == 0 {
            return polls;
        }
    }
}

/// Runs the body of the test of that name in a process of its own, for the slots of cores are the
/// process's: the calling test starts that process, in which the same call runs `body`.
pub fn alone(test: &str, body: impl FnOnce()) {
    const CHILD: &str = "ANNULUS_TASK_TEST_ALONE";
    if std::env::var_os(CHILD).is_some() {
        return body();
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let complaint = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("1 passed"), "{said}{complaint}");
}

fn unpark(word: u64) {
    let thread = std::ptr::with_exposed_provenance::<Thread>(word as usize);
    // SAFETY: `block_on` takes the bell away before the thread handle is dropped.
    unsafe { &*thread }.unpark();
}

/// Runs the executor until `future` is done, parking the thread whenever the core is idle.
pub fn block_on<F: Future>(executor: &Executor, future: F) -> F::Output {
    let _entered = executor.enter();
    let thread = thread::current();
    let word = std::ptr::from_ref(&thread).expose_provenance() as u64;
    executor.set_bell(Bell { ring: unpark, word });
    let waker = executor.root_waker();
    waker.wake_by_ref();
    let mut future = pin!(future);
    let output = loop {
        if executor.take_root_wake() {
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(output) = polled {
                break output;
            }
        }
        executor.drain_inbox();
        executor.run(64);
        executor.sleep(|may_block| {
            if may_block {
                thread::park();
            }
        });
    };
    executor.clear_bell();
    output
}

/// Pending once, woken at once.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// How often a [`Probe`] was polled and dropped.
#[derive(Clone, Default)]
pub struct Counts {
    pub polls: Rc<Cell<u32>>,
    pub drops: Rc<Cell<u32>>,
}

impl Counts {
    pub fn get(&self) -> (u32, u32) {
        (self.polls.get(), self.drops.get())
    }
}

/// A future that counts, and is ready at the given poll (0: never).
pub struct Probe {
    pub counts: Counts,
    pub ready_at: u32,
}

impl Probe {
    pub fn new(ready_at: u32) -> (Self, Counts) {
        let counts = Counts::default();
        (Self { counts: counts.clone(), ready_at }, counts)
    }
}

impl Future for Probe {
    type Output = u32;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<u32> {
        let polls = self.counts.polls.get() + 1;
        self.counts.polls.set(polls);
        if polls == self.ready_at { Poll::Ready(polls) } else { Poll::Pending }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.counts.drops.set(self.counts.drops.get() + 1);
    }
}

/// Calls a closure when dropped.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A waker that is not of the executor, and counts.
#[derive(Default)]
pub struct Counting(AtomicUsize);

impl Counting {
    pub fn new() -> (Arc<Self>, Waker) {
        let counting = Arc::new(Self::default());
        (Arc::clone(&counting), Waker::from(counting))
    }

    pub fn wakes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls a future once, with a waker that does nothing.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// The result of a handle whose task is done.
pub fn result<T>(mut handle: annulus_task::JoinHandle<T>) -> Result<T, annulus_task::JoinError> {
    match poll_once(&mut handle) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the task is not done"),
    }
}

/// Runs `body` on a thread with a small stack, on which a deep recursion would not survive.
pub fn on_a_small_stack(body: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(64 << 10).spawn(body).unwrap().join().unwrap();
}

struct CountingAllocator;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static FREES: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

/// How many bytes more this thread has allocated than freed; only differences mean something.
pub fn bytes() -> usize {
    BYTES.get()
}

/// How many allocations and frees this thread has made so far.
pub fn allocations() -> (u64, u64) {
    (ALLOCATIONS.get(), FREES.get())
}

// SAFETY: forwards to `System`, and counts in thread-locals that neither allocate nor have
// destructors.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        BYTES.set(BYTES.get().wrapping_add(layout.size()));
        // SAFETY: the contract is the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        BYTES.set(BYTES.get().wrapping_add(layout.size()));
        // SAFETY: the contract is the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        FREES.set(FREES.get() + 1);
        BYTES.set(BYTES.get().wrapping_sub(layout.size()));
        // SAFETY: the contract is the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

//! Jobs that other threads hand to a core: a lock-free stack of boxed closures that can be closed.
//!
//! Owns the stack and the jobs in it: one allocation per job, link and closure together. Does not
//! own the decision what becomes of a job: the core runs those that it drains, and drops those that
//! carry the epoch of an earlier core or that are left when it closes.
//!
//! Invariants: `head` is null (open, empty), a node, or the sentinel `CLOSED`, which only the owner
//! sets and removes. Pushes race only with pushes and with taking everything, so no ABA problem.

use std::ptr::{self, NonNull};

use crate::cell::{contain, forget};
use crate::sync::{AtomicPtr, Ordering, constructor};

/// The core has shut down, or never lived; the job was dropped on the calling thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the core has shut down and takes no more jobs")
    }
}

impl std::error::Error for Closed {}

/// The start of every boxed job, whatever its closure.
struct Node {
    next: *mut Node,
    epoch: u64,
    /// Frees the box that starts with this node; runs the closure first if the flag says so.
    finish: unsafe fn(*mut Node, bool),
}

#[repr(C)]
struct Boxed<J> {
    node: Node,
    job: J,
}

/// # Safety
/// - `node` is the start of a `Boxed<J>` that came from `Box::into_raw`, and is not used again.
unsafe fn finish<J: FnOnce()>(node: *mut Node, run: bool) {
    // SAFETY: the caller vouches for the type and gives up the box.
    let boxed = unsafe { Box::from_raw(node.cast::<Boxed<J>>()) };
    let Boxed { job, .. } = *boxed;
    if run {
        job();
    }
}

/// One job; dropping it drops the closure.
pub struct Job(NonNull<Node>);

// SAFETY: the closure behind the node is `Send` (`Job::new` demands it), and the node itself is
// reachable only through this `Job`.
unsafe impl Send for Job {}

impl Job {
    /// Boxes `job` for the core that holds its slot in `epoch`.
    pub fn new(epoch: u64, job: impl FnOnce() + Send + 'static) -> Self {
        fn boxed<J: FnOnce()>(epoch: u64, job: J) -> NonNull<Node> {
            let node = Node { next: ptr::null_mut(), epoch, finish: finish::<J> };
            NonNull::from(Box::leak(Box::new(Boxed { node, job }))).cast()
        }
        Self(boxed(epoch, job))
    }

    /// The epoch that the job was meant for.
    pub fn epoch(&self) -> u64 {
        // SAFETY: the node lives as long as this `Job`.
        unsafe { self.0.as_ref() }.epoch
    }

    /// Runs the closure.
    pub fn run(self) {
        self.end(true);
    }

    fn end(self, run: bool) {
        let node = self.into_node();
        // SAFETY: the node was detached from its `Job`, so it is live and nobody else's.
        let finish = unsafe { (*node).finish };
        // SAFETY: `finish` was instantiated for the closure in this very box.
        unsafe { finish(node, run) }
    }

    fn into_node(self) -> *mut Node {
        let node = self.0.as_ptr();
        std::mem::forget(self);
        node
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        Job(self.0).end(false);
    }
}

/// The stack of jobs.
pub struct Posts {
    head: AtomicPtr<Node>,
}

fn closed() -> *mut Node {
    ptr::without_provenance_mut(1)
}

impl Posts {
    constructor! {
        /// An open, empty stack.
        pub fn new() -> Self {
            Self { head: AtomicPtr::new(ptr::null_mut()) }
        }
    }

    /// Any thread: pushes a job, or gives it back if the stack is closed.
    pub fn push(&self, job: Job) -> Result<(), Job> {
        let node = job.into_node();
        // ORDERING: Relaxed, a first guess that the exchange below verifies.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == closed() {
                return Err(Job(NonNull::new(node).expect("a node is never null")));
            }
            // SAFETY: the node is this call's until the exchange succeeds.
            unsafe { (*node).next = head };
            // ORDERING: Release, pairs with the swaps in `take` and `close`: publishes the node.
            match self.head.compare_exchange_weak(head, node, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(seen) => head = seen,
            }
        }
    }

    /// Owner: whether no job waits. Exact only after the fence of the sleep handshake.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // ORDERING: Relaxed, pairs with the exchange in `push`, like `Inbox::is_empty`.
        let head = self.head.load(Ordering::Relaxed);
        head.is_null() || head == closed()
    }

    /// Owner: takes every job, oldest first.
    pub fn take(&self) -> Jobs {
        if self.is_empty() {
            return Jobs { oldest: ptr::null_mut() };
        }
        // ORDERING: Acquire, pairs with the exchanges in `push`: makes the nodes visible. The head
        // was a node, and only this thread closes, so it is not the sentinel.
        Jobs::reverse(self.head.swap(ptr::null_mut(), Ordering::Acquire))
    }

    /// Owner: takes every job and refuses those to come.
    pub fn close(&self) -> Jobs {
        // ORDERING: Acquire, pairs with the exchanges in `push`. Nothing is published.
        let head = self.head.swap(closed(), Ordering::Acquire);
        Jobs::reverse(if head == closed() { ptr::null_mut() } else { head })
    }

    /// Owner: opens a stack that an earlier owner closed.
    pub fn open(&self) {
        // ORDERING: Relaxed, pairs with the loads in `push`; the claim of the slot is published by
        // its epoch.
        let _ = self.head.compare_exchange(
            closed(),
            ptr::null_mut(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }
}

/// Jobs that were taken, oldest first; those not consumed are dropped.
pub struct Jobs {
    oldest: *mut Node,
}

impl Jobs {
    fn reverse(mut newest: *mut Node) -> Self {
        let mut oldest = ptr::null_mut();
        while !newest.is_null() {
            // SAFETY: the list was taken whole, so its nodes are live and this thread's. No
            // reference to a `Node` is the source of `oldest`: the pointer must go on reaching the
            // closure behind it.
            let next = unsafe { &mut (*newest).next };
            let below = std::mem::replace(next, oldest);
            oldest = newest;
            newest = below;
        }
        Self { oldest }
    }
}

impl Iterator for Jobs {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        let node = NonNull::new(self.oldest)?;
        // SAFETY: nodes of the list are live and this thread's.
        self.oldest = unsafe { node.as_ref() }.next;
        Some(Job(node))
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        // Nobody is told of a panic, and the other jobs are dropped all the same.
        self.for_each(|job| forget(contain(false, || drop(job))));
    }
}

#[cfg(test)]
mod tests;

//! Returns under loom: every interleaving of threads that give leases back with a core that
//! collects, and that ends.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p annulus --lib --profile models models
//! ```
//!
//! The memory of the group is a cell: a lease reads it until it is given back, who hears of the
//! last one writes it, and loom reports whoever does not know of the other.

use std::sync::Arc as Plain;
use std::sync::atomic::{AtomicU32, Ordering};

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

use super::Returns;

/// What leases and their core share.
struct Group {
    returns: Returns,
    /// Of each buffer, and how often it was freed.
    memory: [UnsafeCell<u32>; 2],
    /// (Of `std`, because a count for an assertion is no step of the model.)
    freed: Plain<AtomicU32>,
}

// SAFETY: that nobody touches the memory while another writes it is what loom checks.
unsafe impl Sync for Group {}

impl Group {
    fn new() -> Arc<Self> {
        let memory = [UnsafeCell::new(0), UnsafeCell::new(0)];
        Arc::new(Self { returns: Returns::new(), memory, freed: Plain::default() })
    }

    /// A thread that has leases on these buffers, and drops them.
    fn give(this: &Arc<Self>, bids: &'static [u16]) -> JoinHandle<()> {
        let group = Arc::clone(this);
        thread::spawn(move || {
            for &bid in bids {
                // SAFETY: of a model, see `Group`.
                group.memory[usize::from(bid)].with(|read| assert_eq!(unsafe { *read }, 0));
                if group.returns.give(bid) {
                    group.free();
                }
            }
        })
    }

    /// The kernel gets a buffer again.
    fn publish(&self, bid: u16) {
        // SAFETY: as above.
        self.memory[usize::from(bid)].with_mut(|written| unsafe { *written = 0 });
    }

    fn end(&self, leases: u32) {
        if self.returns.end(leases) {
            self.free();
        }
    }

    fn free(&self) {
        for memory in &self.memory {
            // SAFETY: as above.
            memory.with_mut(|written| unsafe { *written += 1 });
        }
        // ORDERING: Relaxed; read when all threads are joined.
        self.freed.fetch_add(1, Ordering::Relaxed);
    }

    fn freed(&self) -> u32 {
        // ORDERING: Relaxed, as above.
        self.freed.load(Ordering::Relaxed)
    }
}

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(4);
    builder.check(body);
}

/// Catches: a buffer that is lost or comes twice when a core without any collects while they come
/// back, and one that the kernel gets while a thread still reads it.
#[test]
fn what_two_threads_give_back_is_collected_once() {
    model(|| {
        let group = Group::new();
        let threads = [Group::give(&group, &[0]), Group::give(&group, &[1])];
        let mut got = Vec::new();
        while got.len() < 2 {
            for bid in group.returns.collect() {
                group.publish(bid);
                got.push(bid);
            }
            thread::yield_now();
        }
        got.sort_unstable();
        assert_eq!((got, group.returns.waiting()), (vec![0, 1], 0));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        group.end(0);
        assert_eq!(group.freed(), 1);
    });
}

/// Catches: memory that goes while a lease is out, or twice, or never, when the core ends while its
/// leases come back.
#[test]
fn the_memory_goes_with_the_last_of_two_leases_and_the_core() {
    model(|| {
        let group = Group::new();
        let threads = [Group::give(&group, &[0]), Group::give(&group, &[1])];
        group.end(2);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(group.freed(), 1);
    });
}

/// Catches: a count at the end that forgets what was collected, or what waits to be.
#[test]
fn what_came_back_before_the_end_is_out_no_more() {
    model(|| {
        let group = Group::new();
        let threads = [Group::give(&group, &[0, 0]), Group::give(&group, &[1])];
        let collected = group.returns.collect().len() as u32;
        assert!(collected + group.returns.waiting() <= 3);
        group.end(3 - collected);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((group.freed(), group.returns.waiting()), (1, 0));
        assert!(group.returns.collect().is_empty());
    });
}

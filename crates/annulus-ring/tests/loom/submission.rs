//! Threads that fill one submission queue.

use annulus_ring::abi::SqFlags;
use annulus_ring::shared::room::Room;
use annulus_ring::shared::slots::Taken;
use annulus_ring::shared::submission::{Batch, Submission};
use loom::sync::atomic::{Ordering, fence};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::kernel::SqModel;

/// A ring that several threads enter.
struct Ring {
    sq: Submission<SqModel>,
    room: Room,
    /// What the kernel has consumed, and its mutex.
    consumed: Mutex<Vec<u64>>,
}

impl Ring {
    fn new(entries: u32, start: u32) -> Arc<Self> {
        Arc::new(Self {
            sq: Submission::new(SqModel::new(entries, start)),
            room: Room::new(0),
            consumed: Mutex::new(Vec::new()),
        })
    }

    /// As the ring does it: sleeps until a leader has given slots back.
    fn slot(&self) -> u32 {
        let taken = self.room.wait(None, || self.sq.slots().take(1, 0));
        taken.unwrap().pop().unwrap()
    }

    fn commit(&self, entries: &[u64]) {
        let mut batch = Batch::default();
        for entry in entries {
            let slot = self.slot();
            // SAFETY: the slot was just taken.
            unsafe { self.sq.fill(&mut batch, slot, entry) };
        }
        self.sq.commit(&mut batch);
    }

    /// As the ring does it: the leader enters.
    fn submit(&self) {
        let mut leader = self.sq.lead();
        while let Some(leads) = leader {
            if leads.publish() > 0 {
                let mut consumed = self.consumed.lock().unwrap();
                consumed.extend(self.sq.memory().consume());
            }
            if leads.reclaim() > 0 {
                self.room.made();
            }
            leader = leads.resign();
        }
    }

    fn seen(&self) -> Vec<u64> {
        self.consumed.lock().unwrap().clone()
    }
}

fn sorted(mut seen: Vec<u64>) -> Vec<u64> {
    seen.sort_unstable();
    seen
}

#[test]
fn what_two_threads_submit_is_consumed_once_whoever_leads() {
    loom::model(|| {
        let ring = Ring::new(2, u32::MAX);
        let theirs = ring.clone();
        let thread = thread::spawn(move || {
            theirs.commit(&[1]);
            theirs.submit();
        });
        ring.commit(&[2]);
        ring.submit();
        thread.join().unwrap();
        assert_eq!(sorted(ring.seen()), [1, 2]);
        assert_eq!((ring.sq.committed(), ring.sq.slots().count()), (0, 2));
    });
}

#[test]
fn a_batch_stays_together_and_in_order() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let ring = Ring::new(4, u32::MAX - 1);
        let theirs = ring.clone();
        let thread = thread::spawn(move || {
            theirs.commit(&[1, 2]);
            theirs.submit();
        });
        ring.commit(&[3, 4]);
        ring.submit();
        thread.join().unwrap();
        let seen = ring.seen();
        assert!(seen == [1, 2, 3, 4] || seen == [3, 4, 1, 2], "{seen:?}");
    });
}

#[test]
fn a_slot_is_filled_again_only_after_the_kernel_has_read_it() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let ring = Ring::new(1, 7);
        let theirs = ring.clone();
        let thread = thread::spawn(move || {
            theirs.commit(&[1]);
            theirs.submit();
        });
        ring.commit(&[2]);
        ring.submit();
        thread.join().unwrap();
        assert_eq!(sorted(ring.seen()), [1, 2]);
    });
}

#[test]
fn three_threads_lose_nothing() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(2);
    bounded.check(|| {
        let ring = Ring::new(4, 0);
        let threads = [1, 2].map(|entry| {
            let theirs = ring.clone();
            thread::spawn(move || {
                theirs.commit(&[entry]);
                theirs.submit();
            })
        });
        ring.commit(&[3]);
        ring.submit();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(sorted(ring.seen()), [1, 2, 3]);
    });
}

/// With a submission thread the kernel consumes whenever it likes.
#[test]
fn the_submission_thread_never_sees_half_an_entry() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let ring = Ring::new(1, u32::MAX);
        let theirs = ring.clone();
        let kernel = thread::spawn(move || {
            let mut seen = Vec::new();
            while seen.len() < 2 {
                seen.extend(theirs.sq.memory().consume());
                thread::yield_now();
            }
            seen
        });
        for entry in [1, 2] {
            let slot = loop {
                match ring.sq.slots().take(1, 0) {
                    Some(mut taken) => break taken.pop().unwrap(),
                    None => {
                        let leads = ring.sq.lead().unwrap();
                        leads.reclaim();
                        assert!(leads.resign().is_none());
                        thread::yield_now();
                    }
                }
            };
            let mut batch = Batch::default();
            // SAFETY: the slot was just taken.
            unsafe { ring.sq.fill(&mut batch, slot, &entry) };
            ring.sq.commit(&mut batch);
            let leads = ring.sq.lead().unwrap();
            leads.publish();
            assert!(leads.resign().is_none());
        }
        assert_eq!(kernel.join().unwrap(), [1, 2]);
    });
}

/// The submission thread says that it sleeps, looks once more, and sleeps until it is woken. Two
/// threads commit; whoever leads publishes for both, and wakes it.
#[test]
fn the_submission_thread_does_not_sleep_over_what_another_has_published() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(2);
    bounded.check(|| {
        let ring = Ring::new(2, u32::MAX);
        let woken = Arc::new((Mutex::new(false), Condvar::new()));
        let (theirs, bed) = (ring.clone(), woken.clone());
        let kernel = thread::spawn(move || {
            let memory = theirs.sq.memory();
            let mut seen = memory.consume();
            while seen.len() < 2 {
                memory.flags.store(SqFlags::NEED_WAKEUP.0, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                let more = memory.consume();
                if more.is_empty() {
                    let mut guard = bed.0.lock().unwrap();
                    while !*guard {
                        guard = bed.1.wait(guard).unwrap();
                    }
                    *guard = false;
                }
                memory.flags.store(0, Ordering::Relaxed);
                seen.extend(more);
                seen.extend(memory.consume());
            }
            seen
        });
        let submit = |ring: &Ring, woken: &(Mutex<bool>, Condvar), entry| {
            ring.commit(&[entry]);
            let mut leader = ring.sq.lead();
            while let Some(leads) = leader {
                if leads.publish() > 0 && leads.must_wake() {
                    *woken.0.lock().unwrap() = true;
                    woken.1.notify_one();
                }
                leads.reclaim();
                leader = leads.resign();
            }
        };
        let (theirs, bed) = (ring.clone(), woken.clone());
        let thread = thread::spawn(move || submit(&theirs, &bed, 1));
        submit(&ring, &woken, 2);
        thread.join().unwrap();
        assert_eq!(sorted(kernel.join().unwrap()), [1, 2]);
    });
}

#[test]
fn a_leader_that_fails_gives_the_role_up_and_loses_nothing() {
    loom::model(|| {
        let ring = Ring::new(2, 0);
        let theirs = ring.clone();
        let thread = thread::spawn(move || {
            theirs.commit(&[1]);
            if let Some(leads) = theirs.sq.lead() {
                leads.publish();
                drop(leads);
            }
        });
        ring.commit(&[2]);
        thread.join().unwrap();
        ring.submit();
        assert_eq!(sorted(ring.seen()), [1, 2]);
    });
}

#[test]
fn a_slot_is_one_threads_at_a_time() {
    loom::model(|| {
        let ring = Ring::new(2, 0);
        let theirs = ring.clone();
        let thread = thread::spawn(move || theirs.sq.slots().take(1, 0).unwrap());
        let mine = ring.sq.slots().take(1, 0).unwrap();
        let yours = thread.join().unwrap();
        assert_eq!(mine.bits & yours.bits, 0);
        ring.sq.slots().give(mine);
        ring.sq.slots().give(yours);
        assert_eq!(ring.sq.slots().take(9, 0), Some(Taken { word: 0, bits: 3 }));
    });
}

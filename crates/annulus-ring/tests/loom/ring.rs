//! Both queues and the credits together: one thread submits, another reaps, and the kernel
//! completes each entry while it consumes it, as it does a NOP.

use annulus_ring::abi::Cqe;
use annulus_ring::shared::completion::Completion;
use annulus_ring::shared::room::Room;
use annulus_ring::shared::submission::{Batch, Submission};
use loom::sync::Arc;
use loom::thread;

use crate::kernel::{CqModel, SqModel, whole};

struct Ring {
    sq: Submission<SqModel>,
    cq: Completion<CqModel>,
    room: Room,
}

impl Ring {
    fn new(credits: u32) -> Arc<Self> {
        Arc::new(Self {
            sq: Submission::new(SqModel::new(2, u32::MAX)),
            cq: Completion::new(CqModel::new(1, u32::MAX)),
            room: Room::new(credits),
        })
    }

    fn submit(&self, entry: u64) {
        self.room.wait(None, || (self.room.take(1) == 1).then_some(())).unwrap();
        let slot = self.sq.slots().take(1, 0).unwrap().pop().unwrap();
        let mut batch = Batch::default();
        // SAFETY: the slot was just taken.
        unsafe { self.sq.fill(&mut batch, slot, &entry) };
        self.sq.commit(&mut batch);
        let leads = self.sq.lead().unwrap();
        leads.publish();
        for user_data in self.sq.memory().consume() {
            self.cq.memory().post(user_data);
        }
        leads.reclaim();
        assert!(leads.resign().is_none());
    }
}

fn run(ring: &Arc<Ring>, reap: impl Fn(&Ring, &mut Vec<u64>) + Send + 'static) -> Vec<u64> {
    let theirs = ring.clone();
    let reaper = thread::spawn(move || {
        let mut seen = Vec::new();
        while seen.len() < 2 {
            reap(&theirs, &mut seen);
            thread::yield_now();
        }
        seen
    });
    ring.submit(1);
    ring.submit(2);
    reaper.join().unwrap()
}

#[test]
fn with_a_credit_for_each_completion_the_queue_cannot_overflow() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let ring = Ring::new(1);
        let seen = run(&ring, |ring, seen| {
            let mut out = [Cqe::default()];
            if ring.cq.take(&mut out) == 1 {
                seen.push(whole(&out[0]));
                ring.room.give(1);
            }
        });
        assert_eq!(seen, [1, 2]);
    });
}

/// The model is worth something only if it finds the fault that it is there for.
#[test]
#[should_panic(expected = "the completion queue overflows")]
fn with_the_credit_returned_before_the_completion_is_reaped_it_overflows() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let ring = Ring::new(1);
        let _ = run(&ring, |ring, seen| {
            if ring.cq.ready() == 1 {
                ring.room.give(1);
                let mut out = [Cqe::default()];
                while ring.cq.take(&mut out) == 0 {}
                seen.push(whole(&out[0]));
            }
        });
    });
}

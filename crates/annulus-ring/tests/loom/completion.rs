//! Threads that reap one completion queue, while the kernel posts.

use annulus_ring::abi::Cqe;
use annulus_ring::shared::completion::Completion;
use loom::sync::Arc;
use loom::thread;

use crate::kernel::{CqModel, whole};

/// Reaps until there is nothing.
fn reap(cq: &Completion<CqModel>, at_once: usize) -> Vec<u64> {
    let mut out = [Cqe::default(); 2];
    let mut seen = Vec::new();
    loop {
        let count = cq.take(&mut out[..at_once]);
        if count == 0 {
            return seen;
        }
        seen.extend(out[..count].iter().map(whole));
    }
}

#[test]
fn each_completion_is_reaped_once() {
    loom::model(|| {
        let cq = Arc::new(Completion::new(CqModel::new(2, u32::MAX)));
        cq.memory().post(1);
        cq.memory().post(2);
        let theirs = cq.clone();
        let thread = thread::spawn(move || reap(&theirs, 1));
        let mut seen = reap(&cq, 2);
        seen.extend(thread.join().unwrap());
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
        assert!(cq.memory().has_place());
    });
}

#[test]
fn an_entry_that_is_overwritten_while_it_is_copied_is_not_claimed() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let cq = Arc::new(Completion::new(CqModel::new(1, 3)));
        cq.memory().post(1);
        let kernel = {
            let cq = cq.clone();
            thread::spawn(move || {
                if cq.memory().has_place() {
                    cq.memory().post(2);
                    return true;
                }
                false
            })
        };
        let theirs = cq.clone();
        let thread = thread::spawn(move || reap(&theirs, 1));
        let mut seen = reap(&cq, 1);
        seen.extend(thread.join().unwrap());
        let posted = kernel.join().unwrap();
        seen.extend(reap(&cq, 1));
        seen.sort_unstable();
        assert_eq!(seen, if posted { vec![1, 2] } else { vec![1] });
    });
}

#[test]
fn the_kernels_head_never_moves_back() {
    loom::model(|| {
        let cq = Arc::new(Completion::new(CqModel::new(2, u32::MAX)));
        cq.memory().post(1);
        cq.memory().post(2);
        let theirs = cq.clone();
        let thread = thread::spawn(move || theirs.take(&mut [Cqe::default()]));
        let mine = cq.take(&mut [Cqe::default()]);
        assert_eq!(mine + thread.join().unwrap(), 2);
        // Both places are the kernel's again, whoever moved the head last.
        cq.memory().post(3);
        cq.memory().post(4);
        assert_eq!(reap(&cq, 2), [3, 4]);
    });
}

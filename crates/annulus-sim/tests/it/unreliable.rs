//! The real kernel, made unreliable: everything happens once, and chains stay whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use annulus_ring::abi::{Opcode, Sqe, SqeFlags};
use annulus_ring::{AnyKernel, Kernel, Real, Ring};
use annulus_sim::{Fault, Faults, Profile, Report, Unreliable, World};

use crate::bench::push_borrowing;

const CLASSES: [Fault; 5] =
    [Fault::Eintr, Fault::Eagain, Fault::Ebusy, Fault::PartialSubmit, Fault::LateError];

fn each(permille: u16) -> Faults {
    CLASSES.into_iter().fold(Faults::none(), |faults, fault| faults.with(fault, permille))
}

fn ring<K: Kernel + 'static>(kernel: Unreliable<K>) -> Ring {
    let kernel = AnyKernel::Dyn(Box::new(kernel));
    Ring::builder().entries(16).cq_entries(1024).kernel(kernel).build().unwrap()
}

/// Chains of a request that fails and of one that is cancelled with it, between single requests;
/// the results by user data.
fn chains(ring: &mut Ring, rounds: u64) -> BTreeMap<u64, Vec<i32>> {
    let mut results = BTreeMap::<u64, Vec<i32>>::new();
    for round in 0..rounds {
        for chain in 0..4 {
            let user_data = (round * 4 + chain) * 3;
            let single = Sqe { opcode: Opcode::NOP, user_data, ..Sqe::default() };
            let flags = SqeFlags::IO_LINK;
            let fails = Sqe { opcode: Opcode::FSYNC, fd: -1, flags, ..single };
            push_borrowing(ring, &single);
            push_borrowing(ring, &Sqe { user_data: user_data + 1, ..fails });
            push_borrowing(ring, &Sqe { user_data: user_data + 2, ..single });
        }
        let done = (round as usize + 1) * 12;
        while results.values().map(Vec::len).sum::<usize>() < done {
            let _ = ring.submit_and_wait(1, None);
            for cqe in ring.completions() {
                results.entry(cqe.user_data).or_default().push(cqe.res);
            }
        }
    }
    results
}

#[test]
fn every_entry_is_consumed_once_and_no_chain_is_cut() {
    for permille in [20, 130, 400] {
        let report = Arc::new(Mutex::new(Report::default()));
        let kernel = Unreliable::new(Real::new(), 7, each(permille)).reporting_to(report.clone());
        for (user_data, results) in chains(&mut ring(kernel), 200) {
            let wanted = [0, -libc::EBADF, -libc::ECANCELED][(user_data % 3) as usize];
            assert_eq!(results, [wanted], "{user_data} at {permille} of a thousand");
        }
        let report = *report.lock().unwrap();
        for fault in CLASSES {
            assert!(report.count(fault) > 0, "{fault:?} never happened");
        }
        assert!(report.enters > 200);
    }
}

#[test]
fn the_same_seed_fails_the_same_calls() {
    let run = |seed| {
        let report = Arc::new(Mutex::new(Report::default()));
        let world = World::new(1).with_faults(Faults::none());
        let kernel = Unreliable::new(world.kernel(Profile::LINUX_6_18), seed, each(130));
        chains(&mut ring(kernel.reporting_to(report.clone())), 50);
        *report.lock().unwrap()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn without_faults_nothing_fails() {
    let report = Arc::new(Mutex::new(Report::default()));
    let faults = Faults::none().with(Fault::ShortRead, 1000);
    let kernel = Unreliable::new(Real::new(), 1, faults).reporting_to(report.clone());
    chains(&mut ring(kernel), 10);
    let report = *report.lock().unwrap();
    assert!(Fault::ALL.into_iter().all(|fault| report.count(fault) == 0), "{report:?}");
}

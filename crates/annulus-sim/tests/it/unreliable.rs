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

/// The real kernel, and the simulated one, take what is left of a chain for another one. Whoever
/// submits chains has to look where the kernel stopped.
#[test]
fn a_chain_that_is_cut_is_two() {
    let cut = Faults::none().with(Fault::SplitChain, 1000);
    let world = World::new(1).with_faults(Faults::none());
    let simulated = world.kernel(Profile::LINUX_6_18);
    let rings =
        [ring(Unreliable::new(Real::new(), 7, cut)), ring(Unreliable::new(simulated, 7, cut))];
    for mut ring in rings {
        let mut begun = 0;
        for (user_data, results) in chains(&mut ring, 50) {
            match user_data % 3 {
                0 => assert_eq!(results, [0]),
                1 => assert_eq!(results, [-libc::EBADF]),
                // Linked to what failed, and it began all the same.
                _ => begun += usize::from(results == [0]),
            }
        }
        assert!(begun > 0, "no chain was cut");
    }
    let world = World::new(1).with_faults(cut);
    let mut ring =
        Ring::builder().kernel(world.any_kernel(Profile::LINUX_6_18)).entries(16).build().unwrap();
    let results = chains(&mut ring, 50);
    assert!(results.iter().any(|(user_data, got)| user_data % 3 == 2 && got[..] == [0]));
}

#[test]
fn the_rest_of_a_chain_that_is_cut_can_be_taken_back() {
    let cut = Faults::none().with(Fault::SplitChain, 1000);
    let mut ring = ring(Unreliable::new(Real::new(), 7, cut));
    let nop = Sqe { opcode: Opcode::NOP, ..Sqe::default() };
    let linked = Sqe { opcode: Opcode::FSYNC, fd: -1, flags: SqeFlags::IO_LINK, ..nop };
    push_borrowing(&mut ring, &Sqe { user_data: 1, ..linked });
    push_borrowing(&mut ring, &Sqe { user_data: 2, ..nop });
    assert_eq!(ring.unconsumed(0).map(|sqe| sqe.user_data), Some(1), "nothing is submitted yet");
    assert_eq!(ring.submit(), Ok(1));
    let rest = ring.unconsumed(0).expect("it was cut");
    assert_eq!((rest.user_data, ring.unconsumed(1).is_none()), (2, true));
    assert_eq!(ring.take_back(0, 3).map(|sqe| sqe.user_data), Some(2));
    assert!(ring.take_back(1, 4).is_none(), "there is no other");
    while ring.cq_ready() < 2 {
        ring.submit_and_wait(2, None).unwrap();
    }
    let mut seen: Vec<_> = ring.completions().map(|cqe| (cqe.user_data, cqe.res)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [(1, -libc::EBADF), (3, 0)]);
}

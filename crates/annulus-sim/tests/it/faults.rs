//! Every class of faults happens, and only when it is switched on.

use annulus_ring::abi::BufRegFlags;
use annulus_sim::{Fault, Faults, Profile, Report, World};

use crate::bench::Bench;
use crate::property::play;

fn report(faults: Faults, seeds: u64) -> Report {
    let mut total = Report::default();
    for seed in 0..seeds {
        let world = World::new(seed).with_faults(faults);
        let mut bench = Bench::new(Some(world.clone()), Profile::LINUX_6_18, 8);
        play(&mut bench, seed, 100);
        drop(bench);
        total.add(&world.report());
    }
    total
}

#[test]
fn every_class_of_faults_happens() {
    let total = report(Faults::all(), 50);
    for fault in Fault::ALL {
        assert!(total.count(fault) > 0, "{fault:?} never happened");
    }
    assert!(total.overflowed > 0 && total.jumps > 0);
}

#[test]
fn each_class_can_be_switched_off_and_on_alone() {
    for fault in Fault::ALL {
        let without = report(Faults::all().without(fault), 3);
        assert_eq!(without.count(fault), 0, "{fault:?} is off");
        let mut alone = Faults::none().with(fault, Faults::all().rate(fault));
        // What is never late cannot be cancelled too late.
        let needed = (fault == Fault::CancelRace).then_some(Fault::Delay);
        if let Some(needed) = needed {
            alone = alone.with(needed, Faults::all().rate(needed));
        }
        let alone = report(alone, 40);
        assert!(alone.count(fault) > 0, "{fault:?} is on");
        let others = Fault::ALL.into_iter().filter(|other| *other != fault);
        for other in others.filter(|other| Some(*other) != needed) {
            assert_eq!(alone.count(other), 0, "{other:?} is off, {fault:?} alone is on");
        }
    }
}

#[test]
fn swarms_differ() {
    let mut swarms: Vec<String> =
        (0..50).map(|seed| format!("{:?}", Faults::swarm(seed))).collect();
    swarms.sort();
    swarms.dedup();
    assert!(swarms.len() > 45);
}

#[test]
fn a_receive_that_names_a_wrong_buffer_loses_its_bytes_and_leaves_the_buffers_alone() {
    let wrong = Faults::none().with(Fault::WrongBuffer, 1000);
    let world = World::new(7).with_faults(Faults::none());
    let mut bench = Bench::new(Some(world.clone()), Profile::LINUX_6_18, 64);
    let [left, right] = bench.pair();
    bench.provide(2, 8, BufRegFlags::EMPTY);
    bench.recv_multi(right, 1);
    // One that there is not, the first, that one again, the second.
    let named = [(wrong, u16::MAX), (Faults::none(), 0), (wrong, 0), (Faults::none(), 1)];
    for (user_data, (faults, bid)) in (10..).zip(named) {
        world.set_faults(faults);
        let piece = format!("piece {user_data}");
        bench.send(left, piece.as_bytes(), 0, user_data);
        assert_eq!(bench.end_of(user_data).res, 8);
        let cqe = bench.next();
        assert_eq!((cqe.res, cqe.buffer_id(), cqe.more()), (8, Some(bid), true));
        if faults == Faults::none() {
            assert_eq!(bench.buffer(bid), piece.as_bytes());
        }
    }
    assert_eq!(world.report().count(Fault::WrongBuffer), 2);
    bench.close(left);
    bench.close(right);
}

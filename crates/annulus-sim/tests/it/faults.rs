//! Every class of faults happens, and only when it is switched on.

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

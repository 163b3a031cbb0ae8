//! The same seed gives the same run, another seed another, and a log of choices replays one.

use annulus_sim::{Choice, Faults, Profile, Report, World};

use crate::bench::Bench;
use crate::property::play;

fn run(world: World) -> (u64, Report, Vec<Choice>) {
    let mut bench = Bench::new(Some(world.clone()), Profile::LINUX_6_18, 8);
    play(&mut bench, 77, 60);
    drop(bench);
    (world.trace_hash(), world.report(), world.choices())
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let first = run(World::new(1));
    assert_eq!(first, run(World::new(1)));
    let mut hashes: Vec<u64> = (0..20).map(|seed| run(World::new(seed)).0).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 20);
}

#[test]
fn a_log_of_choices_replays_a_run() {
    let (hash, report, choices) = run(World::new(5));
    let replayed = run(World::replaying(choices.iter().map(|choice| choice.took)));
    assert_eq!((hash, report), (replayed.0, replayed.1));
    let half = choices[..choices.len() / 2].iter().map(|choice| choice.took);
    let tamer = run(World::replaying(half));
    assert_ne!(tamer.0, hash);
}

#[test]
fn a_tame_world_decides_nothing() {
    let (_, report, choices) = run(World::new(9).with_faults(Faults::none()));
    assert_eq!(choices, []);
    assert!(report.ended > 20);
}

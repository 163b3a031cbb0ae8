//! The same seed gives the same choices, and a log replays them.

use super::Choices;

fn draw(choices: &mut Choices) -> Vec<u32> {
    (0..100)
        .map(|round| match round % 3 {
            0 => u32::from(choices.chance("coin", 400)),
            _ => choices.below("die", 6),
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_choices() {
    let (mut one, mut two, mut other) =
        (Choices::seeded(7), Choices::seeded(7), Choices::seeded(8));
    assert_eq!(draw(&mut one), draw(&mut two));
    assert_eq!(one.hash(), two.hash());
    assert_ne!(draw(&mut other), draw(&mut one));
    assert_ne!(other.hash(), two.hash());
}

#[test]
fn a_log_replays_what_it_recorded_and_is_tame_afterwards() {
    let mut original = Choices::seeded(3);
    let drawn = draw(&mut original);
    let log = original.log().iter().map(|choice| choice.took).collect();
    let mut replay = Choices::replaying(log);
    assert_eq!(draw(&mut replay), drawn);
    assert_eq!(replay.hash(), original.hash());
    assert_eq!(draw(&mut replay), vec![0; 100]);
}

#[test]
fn certain_outcomes_are_no_choices() {
    let mut choices = Choices::seeded(1);
    assert!(!choices.chance("never", 0));
    assert!(choices.chance("always", 1000));
    assert!(choices.log().is_empty());
}

//! Every answer is an interval that the true age is in, and a narrow one where there are samples.

use super::Samples;

#[test]
fn without_samples_in_between_an_age_is_bounded_by_the_start_and_the_last_look() {
    let mut samples = Samples::new(100);
    assert_eq!(samples.age_ns(5, 1000), (0, Some(900)));
    samples.note(7, 900);
    assert_eq!(samples.age_ns(5, 1000), (100, Some(900)));
    assert_eq!(
        samples.age_ns(7, 1000),
        (100, Some(900)),
        "polls of a round come before its sample"
    );
    assert_eq!(samples.age_ns(8, 1000), (0, Some(100)));
}

#[test]
fn every_age_is_bounded_within_a_factor_when_each_round_is_sampled() {
    let mut samples = Samples::new(0);
    let last = 100_000_u64;
    (1..=last).for_each(|round| samples.note(round, round * 10));
    for round in 1..=last {
        let (least, most) = samples.age_ns(round, last * 10);
        let (true_age, most) = ((last - round) * 10, most.expect("there is an earlier sample"));
        assert!(least <= true_age && true_age <= most, "round {round}: {least} {most}");
        assert!(most <= 4 * true_age + 20 && 4 * least + 20 >= true_age, "{round}: {least} {most}");
    }
}

#[test]
fn the_first_round_of_all_is_later_than_the_start() {
    assert_eq!(Samples::new(5).age_ns(1, 7), (0, Some(2)));
}

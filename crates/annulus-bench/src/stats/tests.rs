//! Medians, spread, ratios and the band, on made-up rounds.

use super::*;

#[track_caller]
fn assert_near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[test]
fn the_median_is_in_the_middle_whatever_the_order() {
    assert_near(median(&[3.0, 1.0, 2.0]), 2.0);
    assert_near(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    assert_near(median(&[7.0]), 7.0);
    assert!(median(&[]).is_nan());
}

#[test]
fn the_spread_is_relative_to_the_median() {
    assert_near(spread(&[90.0, 100.0, 110.0]), 0.1);
    assert_near(spread(&[5.0]), 0.0);
}

#[test]
fn a_disturbance_of_both_in_one_round_leaves_the_ratio_alone() {
    let limit = [100.0, 300.0, 100.0];
    let ours = [110.0, 330.0, 110.0];
    assert_near(ratio(&ours, &limit), 1.1);
}

#[test]
fn the_scatter_is_that_of_the_ratios_and_one_wild_round_does_not_count() {
    let limit = [100.0, 200.0, 100.0];
    assert_near(scatter(&[110.0, 220.0, 110.0], &limit), 0.0);
    assert_near(scatter(&[100.0, 220.0, 900.0], &limit), 0.1);
}

#[test]
fn the_band_is_the_middle_difference_or_that_of_the_medians() {
    assert_near(band(&[100.0, 100.0], &[100.0, 100.0]), 0.0);
    // The medians are equal, and yet each round differs.
    assert_near(band(&[90.0, 100.0, 110.0], &[100.0, 110.0, 100.0]), 0.1);
    assert_near(band(&[102.0], &[100.0]), 0.02);
}

#[test]
fn inside_the_band_is_the_same_and_outside_is_not() {
    assert!(is_same(1.02, 0.02 + 1e-9) && is_same(0.98, 0.02 + 1e-9));
    assert!(!is_same(1.03, 0.02) && !is_same(0.97, 0.02));
    assert!(!is_same(f64::NAN, 0.02));
}

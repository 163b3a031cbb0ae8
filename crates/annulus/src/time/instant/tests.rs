//! Arithmetic at both ends of time, and conversions.

use super::*;

const END: Instant = Instant(u64::MAX);
const BEGIN: Instant = Instant(0);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn arithmetic_saturates_at_both_ends() {
    assert_eq!(END + SECOND, END);
    assert_eq!(BEGIN - SECOND, BEGIN);
    assert_eq!(BEGIN + Duration::MAX, END);
    assert_eq!(END - Duration::MAX, BEGIN);
    let (mut up, mut down) = (END, BEGIN);
    up += SECOND;
    down -= SECOND;
    assert_eq!((up, down), (END, BEGIN));
}

#[test]
fn checked_arithmetic_says_where_time_ends() {
    assert_eq!(END.checked_add(Duration::from_nanos(1)), None);
    assert_eq!(BEGIN.checked_sub(Duration::from_nanos(1)), None);
    assert_eq!(BEGIN.checked_add(Duration::MAX), None);
    assert_eq!(END.checked_sub(Duration::MAX), None);
    assert_eq!(BEGIN.checked_add(SECOND), Some(Instant(1_000_000_000)));
    assert_eq!(Instant(1_000_000_000).checked_sub(SECOND), Some(BEGIN));
}

#[test]
fn differences_are_exact_forward_and_zero_backward() {
    let (one, two) = (Instant(5), Instant(1_000_000_006));
    let difference = Duration::new(1, 1);
    assert_eq!(two - one, difference);
    assert_eq!(two.duration_since(one), difference);
    assert_eq!(two.checked_duration_since(one), Some(difference));
    assert_eq!(one - two, Duration::ZERO);
    assert_eq!(one.saturating_duration_since(two), Duration::ZERO);
    assert_eq!(one.checked_duration_since(two), None);
    assert_eq!(one.checked_duration_since(one), Some(Duration::ZERO));
}

#[test]
fn it_shows_seconds_and_nanoseconds() {
    assert_eq!(Instant(12_345_000_000_678).to_string(), "12345.000000678 s");
    assert_eq!(BEGIN.to_string(), "0.000000000 s");
}

#[test]
fn conversions_are_exact_there_and_back() {
    let now = Instant::now();
    for instant in [BEGIN, now, now + SECOND, now - SECOND, END] {
        assert_eq!(Instant::from_std(instant.into_std()), instant);
    }
    let (std_early, std_late) = (now.into_std(), (now + SECOND).into_std());
    assert_eq!(std_late - std_early, SECOND);
}

#[test]
fn conversions_mean_the_same_moment() {
    let before = Instant::now();
    let std = std::time::Instant::now();
    let after = Instant::now();
    // What the two readings of the anchor lie apart is the error of every conversion.
    let error = SECOND * 10;
    assert!(Instant::from(std) + error >= before);
    assert!(Instant::from(std) <= after + error);
}

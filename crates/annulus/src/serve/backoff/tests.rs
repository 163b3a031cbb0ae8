//! The pauses, one after the other.

use std::time::Duration;

use super::Backoff;

#[test]
fn few_failures_cost_nothing_and_many_cost_a_second_each() {
    let mut backoff = Backoff::default();
    assert!((0..8).all(|_| backoff.failed().is_none()));
    assert_eq!(backoff.failed(), Some(Duration::from_millis(1)));
    assert_eq!(backoff.failed(), Some(Duration::from_millis(2)));
    for _ in 0..100_000 {
        assert!(backoff.failed().is_some_and(|rest| rest <= Duration::from_millis(1024)));
    }
    assert_eq!(backoff.failed(), Some(Duration::from_millis(1024)));
    assert_eq!(Backoff::default().failed(), None, "a success forgets them");
}

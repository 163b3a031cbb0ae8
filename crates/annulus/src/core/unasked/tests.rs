//! How often a request is tried again.

use super::super::key::Key;
use super::{AT_ONCE, TRIES, Unasked};

fn key(index: u32, generation: u32) -> Key {
    Key { index, generation }
}

#[test]
fn each_is_tried_a_number_of_times_in_a_row() {
    let mut unasked = Unasked::new();
    assert!(unasked.is_empty());
    for _ in 0..TRIES {
        assert!(unasked.may_try(key(1, 1), |_| true));
        assert!(unasked.may_try(key(2, 1), |_| true));
    }
    assert!(!unasked.may_try(key(1, 1), |_| true));
    unasked.forget(key(2, 1));
    assert!(unasked.may_try(key(2, 1), |_| true), "it got something done");
    assert!(!unasked.may_try(key(1, 1), |_| true));
}

#[test]
fn a_few_at_once_are_remembered_in_place() {
    let mut unasked = Unasked::new();
    let room = unasked.entries.capacity();
    for index in 0..AT_ONCE as u32 {
        assert!(unasked.may_try(key(index, 1), |_| true));
    }
    assert_eq!(unasked.entries.capacity(), room, "no allocation");
}

#[test]
fn who_has_the_place_of_another_begins_anew() {
    let mut unasked = Unasked::new();
    for _ in 0..=TRIES {
        unasked.may_try(key(1, 1), |_| true);
    }
    assert!(unasked.may_try(key(1, 2), |request| request == key(1, 2)));
    assert_eq!(unasked.entries.len(), 1, "what has ended is forgotten");
    unasked.forget(key(1, 2));
    assert!(unasked.is_empty());
}

//! The queue against a plain one of bytes, over random programs.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::Unread;
use crate::buf::Lease;

const COPIED_MAX: usize = 8;

/// What is done with the queue.
#[derive(Clone, Debug)]
enum Step {
    Came(usize),
    /// It was taken, and is given back without its first bytes.
    Returned(usize),
    Taken,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_usize..12).prop_map(Step::Came),
        (0_usize..3).prop_map(Step::Returned),
        Just(Step::Taken),
    ]
}

proptest! {
    #[test]
    fn it_is_a_queue_of_bytes(steps in proptest::collection::vec(step(), 0..60)) {
        let (mut unread, mut plain) = (Unread::default(), VecDeque::new());
        let mut bytes = (0_u8..=255).cycle();
        for step in steps {
            match step {
                Step::Came(n) => {
                    let came: Vec<u8> = bytes.by_ref().take(n).collect();
                    plain.extend(&came);
                    unread.push_back(Lease::from(came), COPIED_MAX);
                }
                Step::Returned(used) => {
                    if let Some(mut lease) = unread.pop_front() {
                        let used = used.min(lease.len() - 1);
                        lease.advance(used);
                        plain.drain(..used);
                        unread.push_front(lease);
                    }
                }
                Step::Taken => {
                    let taken = unread.pop_front().map_or(Vec::new(), |lease| lease.to_vec());
                    prop_assert!(plain.drain(..taken.len()).eq(taken));
                }
            }
            prop_assert_eq!(unread.is_empty(), plain.is_empty());
            prop_assert_eq!(unread.iter().count(), unread.len());
            prop_assert!(unread.iter().all(|lease| !lease.is_empty()));
            prop_assert!(unread.iter().flat_map(|lease| lease.to_vec()).eq(plain.iter().copied()));
        }
    }
}

#[test]
fn what_fits_together_is_one_lease() {
    let mut unread = Unread::default();
    for piece in ["one ", "two", " and", " three is too much"] {
        unread.push_back(Lease::from(piece.as_bytes().to_vec()), COPIED_MAX);
    }
    let leases: Vec<_> = unread.iter().map(|lease| lease.to_vec()).collect();
    assert_eq!(leases, [&b"one two"[..], b" and", b" three is too much"]);
}

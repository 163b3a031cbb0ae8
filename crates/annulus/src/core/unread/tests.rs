//! The queue against a plain one, over random programs.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::Unread;
use crate::buf::Lease;

proptest! {
    #[test]
    fn it_is_a_queue(steps in proptest::collection::vec(0_u8..3, 0..60)) {
        let (mut unread, mut plain) = (Unread::default(), VecDeque::new());
        for (number, step) in (0_u8..).zip(steps) {
            match step {
                0 => {
                    unread.push_back(Lease::from(vec![number]));
                    plain.push_back(number);
                }
                1 => {
                    unread.push_front(Lease::from(vec![number]));
                    plain.push_front(number);
                }
                _ => {
                    let popped = unread.pop_front().map(|lease| lease[0]);
                    prop_assert_eq!(popped, plain.pop_front());
                }
            }
            prop_assert_eq!((unread.len(), unread.is_empty()), (plain.len(), plain.is_empty()));
            prop_assert!(unread.iter().map(|lease| lease[0]).eq(plain.iter().copied()));
        }
    }
}

//! The set of free slots on one thread; the models have the threads.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn the_last_word_has_only_the_slots_that_there_are() {
    for count in [1, 63, 64, 65, 130] {
        let slots = Slots::full(count);
        assert_eq!(slots.count(), count);
        let mut seen = BTreeSet::new();
        while let Some(mut taken) = slots.take(7, 0) {
            while let Some(slot) = taken.pop() {
                assert!(seen.insert(slot));
            }
        }
        assert!(seen.into_iter().eq(0..count));
    }
}

#[test]
fn slots_are_looked_for_in_all_words_from_the_first_on() {
    let slots = Slots::full(192);
    let taken = slots.take(64, 2).unwrap();
    assert_eq!(taken, Taken { word: 2, bits: u64::MAX });
    assert_eq!(slots.take(1, 2).unwrap().word, 0);
    assert_eq!(Taken::one(130), Taken { word: 2, bits: 4 });
}

proptest! {
    /// Against a plain set, whatever is taken and given back in whatever pieces.
    #[test]
    fn it_behaves_as_a_set(
        count in 1_u32..150,
        steps in proptest::collection::vec((0_u32..80, 0_u32..4), 0..100),
    ) {
        let slots = Slots::full(count);
        let mut free: BTreeSet<u32> = (0..count).collect();
        let mut out = Vec::new();
        for (most, first) in steps {
            if most < 40 {
                match slots.take(most + 1, first) {
                    None => prop_assert!(free.is_empty()),
                    Some(taken) => {
                        prop_assert!(taken.len() >= 1 && taken.len() <= most + 1);
                        let mut rest = taken;
                        while let Some(slot) = rest.pop() {
                            prop_assert!(free.remove(&slot));
                        }
                        out.push(taken);
                    }
                }
            } else if let Some(taken) = out.pop() {
                slots.give(taken);
                let mut rest = taken;
                while let Some(slot) = rest.pop() {
                    prop_assert!(free.insert(slot));
                }
            }
            prop_assert_eq!(slots.count() as usize, free.len());
        }
    }
}

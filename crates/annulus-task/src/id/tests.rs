//! The packing of names.

use super::*;

#[test]
fn a_task_id_gives_back_its_three_parts_at_both_ends_of_their_ranges() {
    for slot in [0, 1, SLOT_LIMIT - 1] {
        for index in [1, 2, INDEX_LIMIT - 1] {
            for generation in [0, 1, GENERATION_MASK] {
                let id = TaskId::new(slot, index, generation);
                assert_eq!((id.slot(), id.index(), id.generation()), (slot, index, generation));
                assert_eq!(TaskId::from_bits(id.to_bits()), Some(id));
            }
        }
    }
}

#[test]
fn a_core_id_gives_back_slot_and_epoch() {
    for slot in [0, 7, SLOT_LIMIT - 1] {
        for epoch in [1, 3, EPOCH_MASK] {
            let id = CoreId::new(slot, epoch);
            assert_eq!((id.slot(), id.epoch()), (slot, epoch));
            assert_eq!(CoreId::from_bits(id.to_bits()), Some(id));
        }
    }
}

#[test]
fn zero_names_nothing() {
    assert_eq!(TaskId::from_bits(0), None);
    assert_eq!(CoreId::from_bits(0), None);
}

#[test]
fn names_are_as_small_as_their_bits_even_when_optional() {
    assert_eq!(size_of::<Option<TaskId>>(), 8);
    assert_eq!(size_of::<Option<CoreId>>(), 8);
}

#[test]
fn debug_shows_the_parts() {
    assert_eq!(format!("{:?}", TaskId::new(3, 17, 5)), "TaskId(3:17.5)");
    assert_eq!(format!("{:?}", CoreId::new(3, 9)), "CoreId(3@9)");
}

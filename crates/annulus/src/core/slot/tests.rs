//! Tests of names of slots.

use super::*;
use crate::core::key::{GENERATION_MASK, cancel_of, user_data};

const KINDS: [Kind; 7] =
    [Kind::Op, Kind::Recv, Kind::Accept, Kind::Bell, Kind::Close, Kind::Tick, Kind::Watch];
const PHASES: [Phase; 6] =
    [Phase::Free, Phase::Flight, Phase::Done, Phase::Queued, Phase::Orphan, Phase::Cancelling];

fn in_phase(phase: Phase) -> Slot {
    let mut slot = Slot::free(7);
    slot.set_phase(phase);
    slot
}

#[test]
fn a_slot_in_flight_is_called_as_its_completion_and_no_other_slot_is() {
    let key = Key { index: 7, generation: 0 };
    for phase in PHASES {
        for kind in KINDS {
            let completion = user_data(kind, key);
            let same = phase == Phase::Flight && kind == Kind::Op;
            assert_eq!(in_phase(phase).name == completion, same, "{phase:?} and {kind:?}");
            assert_ne!(in_phase(phase).name, cancel_of(completion), "{phase:?} and {kind:?}");
        }
    }
}

#[test]
fn a_slot_of_a_lane_or_with_an_early_result_is_not_in_the_common_flight() {
    let completion = user_data(Kind::Op, Key { index: 7, generation: 0 });
    let mut of_lane = in_phase(Phase::Flight);
    of_lane.enter(Lane::Send);
    let mut early = in_phase(Phase::Flight);
    early.note_first(5, 0);
    for slot in [of_lane, early] {
        assert_ne!(slot.name, completion);
        assert_eq!(slot.phase(), Phase::Flight);
    }
}

#[test]
fn every_phase_is_read_as_it_was_set_and_keeps_the_key() {
    for phase in PHASES {
        let slot = in_phase(phase);
        assert_eq!((slot.phase(), slot.key()), (phase, Key { index: 7, generation: 0 }));
    }
}

#[test]
fn the_generation_moves_on_and_wraps_without_touching_phase_and_index() {
    let mut slot = Slot::free(u32::MAX - 1);
    slot.name |= u64::from(GENERATION_MASK) << GENERATION_SHIFT;
    slot.set_phase(Phase::Done);
    slot.vacate();
    assert_eq!(slot.phase(), Phase::Free);
    assert_eq!(slot.key(), Key { index: u32::MAX - 1, generation: 0 });
    slot.set_phase(Phase::Done);
    slot.vacate();
    assert_eq!(slot.key(), Key { index: u32::MAX - 1, generation: 1 });
}

#[test]
fn a_first_result_stays_whatever_comes_later() {
    let mut slot = in_phase(Phase::Flight);
    assert_eq!(slot.first(), None);
    slot.note_first(5, 1);
    slot.note_first(6, 2);
    assert_eq!(slot.first(), Some((5, 1)));
}

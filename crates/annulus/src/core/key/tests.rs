//! Tests of the packing of keys.

use super::*;

#[test]
fn user_data_round_trips_at_the_extremes() {
    for kind in [Kind::Op, Kind::Recv, Kind::Accept, Kind::Bell, Kind::Close] {
        for (index, generation) in [(0, 0), (u32::MAX, GENERATION_MASK), (7, 1), (1 << 31, 5)] {
            let key = Key { index, generation };
            assert_eq!(parse(user_data(kind, key)), Some((kind, key)));
        }
    }
}

#[test]
fn foreign_user_data_is_recognised() {
    assert_eq!(parse(0), None);
    assert_eq!(parse(u64::MAX), None);
}

#[test]
fn generations_wrap_within_their_width() {
    assert_eq!(next_generation(GENERATION_MASK), 0);
    assert_eq!(next_generation(0), 1);
}

#[test]
fn a_cancel_names_its_victim_and_is_no_request_itself() {
    let victim = user_data(Kind::Recv, Key { index: 3, generation: 4 });
    assert_eq!(victim_of(cancel_of(victim)), Some(victim));
    assert_eq!(parse(cancel_of(victim)), None);
    assert_eq!(victim_of(victim), None);
}

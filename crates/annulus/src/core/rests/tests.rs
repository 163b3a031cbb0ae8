//! How long a core rests between two calls that are refused.

use super::*;

/// Calls that are refused, each so many after the one before.
fn refused(rests: &mut Rests, apart: u64, progress: (u64, u64)) -> Option<Duration> {
    rests.refuse(rests.call + apart, progress)
}

#[test]
fn a_core_rests_only_where_nothing_changes_and_no_longer_than_its_bound() {
    let mut rests = Rests::default();
    let stuck = (7, 7);
    assert!((0..AT_ONCE).all(|_| refused(&mut rests, 1, stuck).is_none()), "it may pass");
    let pauses: Vec<_> = (0..10).filter_map(|_| refused(&mut rests, 2, stuck)).collect();
    assert_eq!(pauses.len(), 10, "each one after that");
    assert_eq!(pauses[0], Duration::from_micros(100));
    assert!(pauses.windows(2).all(|two| two[1] == two[0] * 2 || two[1] == two[0]));
    assert_eq!(pauses[9], Duration::from_micros(12_800));
    // A request was consumed, or a completion came: it has passed.
    for progress in [(8, 7), (8, 8)] {
        assert!((0..AT_ONCE).all(|_| refused(&mut rests, 1, progress).is_none()));
        assert!(refused(&mut rests, 1, progress).is_some());
    }
    // Calls between them were not refused.
    assert!((0..100).all(|_| refused(&mut rests, IN_A_ROW + 1, (8, 8)).is_none()));
}

//! Which ranges share a read.

use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Merge, plan};

fn merge(gap_bytes: u64, read_bytes_max: usize) -> Merge {
    Merge { gap_bytes, read_bytes_max }
}

#[test]
fn near_ranges_share_a_read_and_far_ones_do_not() {
    let ranges = [100..200, 0..50, 210..220, 1000..1100];
    let (spans, _) = plan(&ranges, merge(50, 4096), 1).unwrap();
    assert_eq!(spans, [0..220, 1000..1100]);
    let (spans, _) = plan(&ranges, merge(0, 4096), 1).unwrap();
    assert_eq!(spans, [0..50, 100..200, 210..220, 1000..1100]);
    let (spans, _) = plan(&ranges, merge(50, 210), 1).unwrap();
    assert_eq!(spans, [0..200, 210..220, 1000..1100]);
    let (spans, _) = plan(&ranges, merge(0, 4096), 512).unwrap();
    assert_eq!((spans.len(), spans[0].clone()), (1, 0..1536), "blocks touch");
}

#[test]
fn what_no_file_has_is_refused_and_an_empty_range_is_not_read() {
    for range in [Range { start: 5, end: 4 }, 0..u64::MAX, (1 << 63) - 1..(1 << 63), 0..(1 << 41)] {
        let error = plan(std::slice::from_ref(&range), Merge::default(), 1).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{range:?}");
    }
    let (spans, places) = plan(&[7..7, 3..4], Merge::default(), 1).unwrap();
    assert_eq!((spans.len(), places[0].len, places[1].len), (1, 0, 1));
    assert_eq!(plan(&[], Merge::default(), 1).unwrap().0, []);
}

proptest! {
    #[test]
    fn every_range_lies_in_its_read_and_reads_neither_overlap_nor_grow_beyond_the_limit(
        ranges in vec((0u64..10_000, 0u64..3000), 0..40),
        gap in 0u64..500,
        max in 1usize..5000,
        block in prop_oneof![Just(1u64), Just(512), Just(4096)],
    ) {
        let ranges: Vec<Range<u64>> =
            ranges.into_iter().map(|(start, len)| start..start + len).collect();
        let (spans, places) = plan(&ranges, merge(gap, max), block).unwrap();
        for (range, place) in ranges.iter().zip(&places) {
            prop_assert_eq!(place.len as u64, range.end - range.start);
            if range.is_empty() {
                continue;
            }
            let span = &spans[place.read];
            prop_assert_eq!(span.start + place.begin as u64, range.start);
            prop_assert!(span.end >= range.end);
            let rounded = |range: &Range<u64>| {
                range.end.next_multiple_of(block) - range.start / block * block
            };
            let alone = ranges.iter().map(rounded).max().unwrap_or_default();
            prop_assert!(span.end - span.start <= alone.max(max as u64));
        }
        for span in &spans {
            prop_assert!(span.start % block == 0 && span.end % block == 0);
        }
        prop_assert!(spans.windows(2).all(|two| two[0].start <= two[1].start));
    }
}

//! Tests of ranges.

use proptest::prelude::*;

use super::Selection::{Part, Unsatisfiable, Whole};
use super::*;

#[test]
fn ranges_of_ten_bytes() {
    for (field, expected) in [
        ("bytes=0-0", Part(0..1)),
        ("bytes=0-", Part(0..10)),
        ("bytes=3-5", Part(3..6)),
        ("bytes=9-9", Part(9..10)),
        ("bytes=9-", Part(9..10)),
        ("bytes=3-99999", Part(3..10)),
        ("bytes=3-99999999999999999999999", Part(3..10)),
        ("bytes=0-18446744073709551615", Part(0..10)),
        ("bytes=-1", Part(9..10)),
        ("bytes=-10", Part(0..10)),
        ("bytes=-11", Part(0..10)),
        ("bytes=-99999999999999999999999", Part(0..10)),
        ("BYTES=1-2", Part(1..3)),
        ("bytes= 1-2 ", Part(1..3)),
        ("bytes=,1-2,", Part(1..3)),
        ("bytes=10-", Unsatisfiable),
        ("bytes=10-20", Unsatisfiable),
        ("bytes=99999999999999999999999-", Unsatisfiable),
        ("bytes=-0", Unsatisfiable),
        ("bytes=0-1,4-5", Whole),
        ("bytes=5-3", Whole),
        ("bytes=", Whole),
        ("bytes=,", Whole),
        ("bytes=-", Whole),
        ("bytes=--1", Whole),
        ("bytes=1", Whole),
        ("bytes=1-2-3", Whole),
        ("bytes=+1-2", Whole),
        ("bytes=0x1-2", Whole),
        ("bytes=1 -2", Whole),
        ("bytes =1-2", Whole),
        ("lines=1-2", Whole),
        ("1-2", Whole),
        ("", Whole),
        ("bytes=١-٢", Whole),
    ] {
        assert_eq!(select(field.as_bytes(), 10), expected, "{field}");
    }
    assert_eq!(select(b"bytes=0-\xff", 10), Whole);
}

#[test]
fn ranges_of_an_empty_file() {
    assert_eq!(select(b"bytes=0-", 0), Unsatisfiable);
    assert_eq!(select(b"bytes=0-0", 0), Unsatisfiable);
    assert_eq!(select(b"bytes=-0", 0), Unsatisfiable);
    assert_eq!(select(b"bytes=-5", 0), Whole);
}

/// Asks of each byte whether the range names it: what `select` computes, said another way.
fn oracle(first: Option<u64>, last: Option<u64>, len: u64) -> Vec<u64> {
    let named = |byte: u64| match (first, last) {
        (Some(first), Some(last)) => first <= byte && byte <= last,
        (Some(first), None) => first <= byte,
        (None, Some(suffix)) => byte + suffix >= len,
        (None, None) => false,
    };
    (0..len).filter(|&byte| named(byte)).collect()
}

proptest! {
    #[test]
    fn a_range_selects_the_bytes_it_names(
        first in prop::option::of(0u64..40),
        last in prop::option::of(0u64..40),
        len in 1u64..30,
    ) {
        let text = |number: Option<u64>| number.map_or(String::new(), |number| number.to_string());
        let field = format!("bytes={}-{}", text(first), text(last));
        let malformed = match (first, last) {
            (None, None) => true,
            (Some(first), Some(last)) => last < first,
            _ => false,
        };
        match select(field.as_bytes(), len) {
            Whole => prop_assert!(malformed),
            Unsatisfiable => prop_assert!(oracle(first, last, len).is_empty()),
            Part(range) => {
                prop_assert_eq!(range.collect::<Vec<_>>(), oracle(first, last, len));
            }
        }
    }

    #[test]
    fn whatever_the_field_says_the_part_is_inside_the_file(
        field in "(bytes=)?[0-9,\\- ]{0,30}", len in any::<u64>(),
    ) {
        if let Part(range) = select(field.as_bytes(), len) {
            prop_assert!(range.start < range.end && range.end <= len);
        }
    }
}

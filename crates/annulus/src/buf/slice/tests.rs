//! Ranges against plain slices, and what their mistakes say.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::*;

/// Stands for an operation that read these bytes.
fn read<B: IoBufMut>(buf: &mut B, bytes: &[u8]) {
    assert!(bytes.len() <= buf.bytes_capacity());
    let start = buf.bytes_mut_ptr();
    // SAFETY: no more than the capacity, which nothing else refers to.
    unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    // SAFETY: these bytes were just written.
    unsafe { buf.set_bytes_len(bytes.len()) };
}

/// The message of the panic.
fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("it did not panic");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload.downcast::<&str>().map(|text| text.to_string()).unwrap(),
    }
}

#[test]
fn a_slice_shows_its_range_and_gives_the_whole_back() {
    let slice = b"0123456789".to_vec().slice(2..6);
    assert_eq!((slice.begin(), slice.end()), (2, 6));
    assert_eq!(&*slice, b"2345");
    assert_eq!(slice.as_ref(), b"2345");
    assert_eq!(slice.get_ref().len(), 10);
    assert_eq!(slice.into_inner(), b"0123456789");
}

#[test]
fn every_kind_of_range_works() {
    let bytes = b"0123".as_slice();
    assert_eq!(&*bytes.slice(..), b"0123");
    assert_eq!(&*bytes.slice(1..), b"123");
    assert_eq!(&*bytes.slice(..3), b"012");
    assert_eq!(&*bytes.slice(1..=2), b"12");
    assert_eq!(&*bytes.slice(..=3), b"0123");
    assert_eq!(&*bytes.slice(4..), b"");
    assert_eq!(&*bytes.slice((Bound::Excluded(1), Bound::Unbounded)), b"23");
}

#[test]
fn an_open_end_is_the_contents_for_slice_and_the_capacity_for_slice_mut() {
    let mut buf = Vec::with_capacity(10);
    buf.extend_from_slice(b"0123");
    assert_eq!(buf.clone().slice(1..).bytes_capacity(), 3);
    let slice = buf.slice_mut(1..);
    assert_eq!((slice.bytes_len(), slice.bytes_capacity()), (3, 9));
}

#[test]
fn mistakes_are_named_with_their_numbers() {
    let buf = || {
        let mut buf = Vec::with_capacity(8);
        buf.extend_from_slice(b"abc");
        buf
    };
    let cases = [
        (
            panic_of(|| buf().slice(..4)),
            "slice ends at 4, but only 3 bytes of the buffer are initialised",
        ),
        (panic_of(|| buf().slice(4..)), "slice begins at 4, after its end at 3"),
        (
            panic_of(|| buf().slice((Bound::Included(2), Bound::Excluded(1)))),
            "slice begins at 2, after its end at 1",
        ),
        (panic_of(|| buf().slice_mut(..9)), "slice ends at 9, but the capacity of the buffer is 8"),
        (
            panic_of(|| buf().slice_mut(4..8)),
            "slice begins at 4, but only 3 bytes of the buffer are initialised",
        ),
        (panic_of(|| buf().slice(..=usize::MAX)), "slice range overflows: its bound is usize::MAX"),
        (
            panic_of(|| buf().slice(1..).advance(3)),
            "cannot advance by 3 bytes: only 2 bytes of the slice are initialised",
        ),
    ];
    for (message, expected) in cases {
        assert_eq!(message, expected);
    }
}

#[test]
fn a_read_into_a_slice_ends_the_contents_where_it_ends() {
    let mut slice = b"0123".to_vec().slice_mut(2..);
    read(&mut slice, b"x");
    assert_eq!(&*slice, b"x");
    assert_eq!(slice.into_inner(), b"01x");
}

#[test]
fn a_read_into_a_slice_keeps_what_is_behind_it() {
    let mut slice = b"0123456789".to_vec().slice_mut(2..6);
    read(&mut slice, b"xy");
    assert_eq!(&*slice, b"xy45");
    assert_eq!(slice.into_inner(), b"01xy456789");
}

#[test]
fn reading_into_the_spare_room_appends() {
    let mut buf = Vec::with_capacity(8);
    buf.extend_from_slice(b"so ");
    let mut spare = buf.spare();
    read(&mut spare, b"far");
    assert_eq!(&*spare, b"far");
    assert_eq!(spare.into_inner(), b"so far");
}

#[test]
fn the_initialised_bytes_of_a_slice_can_be_changed_in_place() {
    let mut slice = b"abcd".to_vec().slice(1..3);
    slice.make_ascii_uppercase();
    assert_eq!(slice.into_inner(), b"aBCd");
}

#[test]
fn advancing_over_reads_fills_a_buffer_piece_by_piece() {
    fn fill_exactly<B: IoBufMut>(buf: B, len: usize) -> B {
        let mut rest = buf.slice_mut(..len);
        let mut next = 0;
        while rest.bytes_capacity() > 0 {
            let n = rest.bytes_capacity().min(3);
            let piece: Vec<u8> = (next..).take(n).collect();
            read(&mut rest, &piece);
            next += n as u8;
            rest.advance(n);
        }
        rest.into_inner()
    }

    let expected: Vec<u8> = (0..10).collect();
    assert_eq!(fill_exactly(Vec::with_capacity(16), 10), expected);
    assert_eq!(fill_exactly(vec![0xff; 10], 10), expected);
    assert_eq!(fill_exactly(vec![0xff; 12].into_boxed_slice(), 10)[..10], expected);
    // A range of a range, within a buffer that goes on behind it.
    let slice = fill_exactly(vec![0xff; 20].slice_mut(5..17), 10);
    assert_eq!(slice[..10], expected);
    let whole = slice.into_inner();
    assert_eq!((whole.len(), whole[4], whole[15], whole[19]), (20, 0xff, 0xff, 0xff));
    // SAFETY: the ten bytes were just filled.
    let uninit = unsafe { fill_exactly(Box::<[u8]>::new_uninit_slice(10), 10).assume_init() };
    assert_eq!(*uninit, *expected);
}

/// Three nested ranges, each as two fractions of what it is taken from.
fn fractions() -> impl Strategy<Value = [(prop::sample::Index, prop::sample::Index); 3]> {
    any::<[(prop::sample::Index, prop::sample::Index); 3]>()
}

/// A range of `0..=len` from two fractions of it.
fn range_in(
    len: usize,
    ends: (prop::sample::Index, prop::sample::Index),
) -> std::ops::Range<usize> {
    let (a, b) = (ends.0.index(len + 1), ends.1.index(len + 1));
    a.min(b)..a.max(b)
}

proptest! {
    #[test]
    fn nested_slices_show_what_nested_slices_of_std_show(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        ends in fractions(),
    ) {
        let first = range_in(bytes.len(), ends[0]);
        let second = range_in(first.len(), ends[1]);
        let third = range_in(second.len(), ends[2]);
        let model = &bytes[first.clone()][second.clone()][third.clone()];

        let nested = bytes.clone().slice(first).slice(second).slice(third);
        prop_assert_eq!(nested.as_init(), model);
        prop_assert_eq!(nested.bytes_ptr() as usize - nested.get_ref().bytes_ptr() as usize,
            nested.begin());
        let whole = nested.into_inner().into_inner().into_inner();
        prop_assert_eq!(whole, bytes);
    }

    #[test]
    fn a_read_into_nested_slices_changes_what_the_model_changes(
        len in 0_usize..60,
        extra in 0_usize..60,
        ends in fractions(),
        count in any::<prop::sample::Index>(),
        fixed in any::<bool>(),
    ) {
        let bytes: Vec<u8> = (0..len as u8).collect();
        let mut buf = Vec::with_capacity(len + extra);
        buf.extend_from_slice(&bytes);
        // With the exact capacity that was asked for, so that the model knows it.
        let slice = buf.slice_mut(..len + extra);

        let mut begin = 0;
        let mut end = if fixed { len } else { len + extra };
        let mut next = |ends| {
            let range = range_in(end - begin, ends);
            // A range has to begin within what is initialised.
            let start = range.start.min(len.saturating_sub(begin).min(end - begin));
            end = begin + range.end;
            begin += start;
            (start..range.end, begin, end)
        };
        let (first, ..) = next(ends[0]);
        let (second, begin, end) = next(ends[1]);
        let mut nested = slice.slice_mut(first).slice_mut(second);
        prop_assert_eq!(nested.bytes_capacity(), end - begin);
        prop_assert_eq!(nested.as_init(), &bytes[begin..end.min(len).max(begin)]);

        let n = count.index(end - begin + 1);
        read(&mut nested, &vec![0xff; n]);
        let mut model = bytes.clone();
        if len <= end {
            model.truncate(begin);
            model.resize(begin + n, 0xff);
        } else {
            model[begin..begin + n].fill(0xff);
        }
        prop_assert_eq!(nested.as_init(), &model[begin..end.min(model.len())]);
        let whole = nested.into_inner().into_inner().into_inner();
        prop_assert_eq!(whole, model);
    }
}

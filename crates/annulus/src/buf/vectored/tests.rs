//! Lists of buffers: the order of parts, and how a count is dealt out to them.

use super::*;
use crate::buf::{IoBuf, IoBufMut};

/// What a kernel does with an iovec list: fills it in order, then says how much.
fn read<V: IoVecBufMut>(list: &mut V, bytes: &[u8]) {
    let mut left = bytes;
    for index in 0..list.part_count() {
        let (address, capacity) = list.part_mut(index);
        let n = left.len().min(capacity);
        // SAFETY: within the capacity of this part, which nothing else refers to.
        unsafe { address.copy_from_nonoverlapping(left.as_ptr(), n) };
        left = &left[n..];
    }
    assert!(left.is_empty());
    // SAFETY: that many bytes were just written, in this order.
    unsafe { list.set_total_len(bytes.len()) };
}

/// What a kernel does with an iovec list: gathers it in order.
fn gathered<V: IoVecBuf>(list: &V) -> Vec<u8> {
    let mut bytes = Vec::new();
    for index in 0..list.part_count() {
        let (address, len) = list.part(index);
        // SAFETY: by the contract of the trait.
        bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(address, len) });
    }
    assert_eq!(bytes.len(), list.total_len());
    bytes
}

#[test]
fn lists_of_one_type_are_gathered_in_order() {
    assert_eq!(gathered(&vec![String::from("a"), String::from("bc")]), b"abc");
    assert_eq!(gathered(&["a", "", "bc"]), b"abc");
    assert_eq!(gathered(&Vec::<Vec<u8>>::new()), b"");
}

#[test]
fn tuples_of_several_types_are_gathered_in_order() {
    assert_eq!(gathered(&("a",)), b"a");
    assert_eq!(gathered(&("a", b"bc".to_vec())), b"abc");
    assert_eq!(gathered(&("a", b"bc".to_vec(), String::from("d"))), b"abcd");
    let four = ("a", b"bc".to_vec(), String::from("d"), Box::new(*b"ef"));
    assert_eq!(gathered(&four), b"abcdef");
}

#[test]
fn parts_stay_where_they_are_when_the_list_moves() {
    let list = [vec![1, 2], vec![3]];
    let parts = [list.part(0), list.part(1)];
    let boxed = Box::new((list, "tail"));
    let (list, _) = *boxed;
    assert_eq!([list.part(0), list.part(1)], parts);
}

#[test]
fn a_count_fills_the_first_parts_and_empties_those_behind() {
    let list = || {
        [Vec::with_capacity(4), vec![0xff; 4], vec![0xff; 4]].map(|mut part: Vec<u8>| {
            part.shrink_to(4);
            assert_eq!(part.capacity(), 4);
            part
        })
    };
    let mut buffers = list();
    assert_eq!(buffers.total_capacity(), 12);
    read(&mut buffers, b"012345");
    assert_eq!(buffers, [b"0123".to_vec(), b"45".to_vec(), vec![]]);

    let mut buffers = list();
    read(&mut buffers, b"");
    assert_eq!(buffers.total_len(), 0);

    let mut buffers = list().to_vec();
    buffers[0].reserve_exact(4);
    read(&mut buffers, b"0123456789ab");
    assert_eq!(gathered(&buffers), b"0123456789ab");
}

#[test]
fn a_count_is_dealt_out_to_the_parts_of_a_tuple() {
    let header = Box::new([0_u8; 3]);
    let body = Vec::with_capacity(5);
    let mut list = (header, body, Vec::with_capacity(2).slice_mut(..2));
    read(&mut list, b"0123");
    assert_eq!(*list.0, *b"012");
    assert_eq!(list.1, b"3");
    assert_eq!(list.2.as_init(), b"");
}

#[test]
#[should_panic(expected = "part 2 of a list of 2 buffers")]
fn a_part_that_is_not_there_is_a_mistake() {
    ("a", "b").part(2);
}

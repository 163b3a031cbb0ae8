//! Tests of what is believed of files.

use annulus_task::CoreId;

use super::*;
use crate::core::key::Key;

fn file(index: u32, generation: u32) -> Handle {
    // Any name: none of these is ever looked up.
    Handle { core: CoreId::from_bits(1).unwrap(), key: Key { index, generation } }
}

#[test]
fn a_range_is_believed_for_a_while() {
    let (mut cached, file) = (Cached::default(), file(3, 0));
    assert_eq!(cached.end(file, 0, 5), None);
    cached.note(file, 100..200, 5);
    assert_eq!(cached.end(file, 100, 5), Some(200));
    assert_eq!(cached.end(file, 199, BELIEVED_NS + 4), Some(200));
    assert_eq!(cached.end(file, 99, 5), None);
    assert_eq!(cached.end(file, 200, 5), None);
    assert_eq!(cached.end(file, 150, BELIEVED_NS + 5), None);
}

#[test]
fn ranges_that_touch_are_one_and_are_not_believed_longer() {
    let (mut cached, file) = (Cached::default(), file(3, 0));
    cached.note(file, 100..200, 0);
    cached.note(file, 200..300, BELIEVED_NS / 2);
    assert_eq!(cached.end(file, 100, BELIEVED_NS - 1), Some(300));
    assert_eq!(cached.end(file, 250, BELIEVED_NS), None);
    // What is apart replaces, and so does what comes too late.
    cached.note(file, 400..500, BELIEVED_NS - 1);
    assert_eq!(cached.end(file, 150, BELIEVED_NS - 1), None);
    cached.note(file, 500..600, 3 * BELIEVED_NS);
    assert_eq!(cached.end(file, 450, 3 * BELIEVED_NS), None);
    assert_eq!(cached.end(file, 550, 3 * BELIEVED_NS), Some(600));
}

#[test]
fn nothing_is_believed_of_another_file() {
    let (mut cached, first) = (Cached::default(), file(3, 0));
    let reused = Handle { key: Key { generation: 1, ..first.key }, ..first };
    let beside = Handle { key: Key { index: 3 + PLACES as u32, ..first.key }, ..first };
    cached.note(first, 0..10, 0);
    assert_eq!(cached.end(reused, 0, 0), None);
    assert_eq!(cached.end(beside, 0, 0), None);
    cached.note(beside, 0..20, 0);
    assert_eq!(cached.end(first, 0, 0), None);
    assert_eq!(cached.end(beside, 0, 0), Some(20));
}

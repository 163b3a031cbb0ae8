//! Credits on one thread; the models have the threads.

use super::*;

#[test]
fn no_more_is_taken_than_there_is() {
    let room = Room::new(5);
    assert_eq!((room.take(3), room.take(3), room.take(3)), (3, 2, 0));
    room.give(1);
    assert_eq!((room.credits(), room.take(3)), (1, 1));
}

#[test]
fn a_part_of_what_is_needed_is_not_taken() {
    let room = Room::new(5);
    assert_eq!((room.take_at_least(6, 9), room.take_at_least(5, 9)), (0, 5));
    assert_eq!((room.put_back(3), room.take_at_least(2, 2), room.credits()), (3, 2, 1));
}

#[test]
fn a_wait_looks_once_even_if_its_time_is_over() {
    let room = Room::new(1);
    let look = || (room.take(1) == 1).then_some(());
    assert_eq!(room.wait(Some(Duration::ZERO), look), Some(()));
    assert_eq!(room.wait(Some(Duration::ZERO), look), None);
    assert_eq!(room.wait(Some(Duration::from_millis(1)), look), None);
}

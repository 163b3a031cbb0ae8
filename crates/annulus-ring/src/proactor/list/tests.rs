//! What is posted and taken, one thread at a time.

use super::{AtomicU32, List, Posted};

fn links() -> [AtomicU32; 4] {
    [const { AtomicU32::new(77) }; 4]
}

#[test]
fn what_was_posted_is_taken_once_and_in_order() {
    let (list, links) = (List::new(), links());
    for place in [2, 0, 3] {
        list.post(place, &links[place as usize]);
    }
    let mut posted = list.take(|place| &links[place as usize]);
    assert_eq!(list.take(|place| &links[place as usize]), Posted::default());
    let mut seen = Vec::new();
    while let Some(place) = posted.pop(|place| &links[place as usize]) {
        seen.push(place);
    }
    assert_eq!(seen, [2, 0, 3]);
    assert!(posted.is_empty());
}

#[test]
fn marks_add_up_and_keep_the_places() {
    let (list, links) = (List::new(), links());
    list.mark(1);
    list.post(1, &links[1]);
    list.mark(4);
    let mut posted = list.take(|place| &links[place as usize]);
    assert_eq!(posted.marks, 5);
    assert_eq!(posted.pop(|place| &links[place as usize]), Some(1));
    assert_eq!(posted.pop(|place| &links[place as usize]), None);
}

#[test]
fn a_place_can_be_posted_again_while_others_of_its_list_are_left() {
    let (list, links) = (List::new(), links());
    let link = |place: u32| &links[place as usize];
    list.post(0, &links[0]);
    list.post(1, &links[1]);
    let mut posted = list.take(link);
    assert_eq!(posted.pop(link), Some(0));
    list.post(0, &links[0]);
    assert_eq!((posted.pop(link), posted.pop(link)), (Some(1), None));
    assert_eq!(list.take(link).pop(link), Some(0));
}

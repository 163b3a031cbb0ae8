//! When a request is asked again.

use super::{AT_ONCE, Again, FIRST_NS, NEVER_NS};

#[test]
fn the_pauses_double_and_are_bounded() {
    let mut again = Again::default();
    let mut now_ns = 5;
    let mut pauses = Vec::new();
    for _ in 0..9 {
        again.note(7, now_ns);
        let due_ns = again.due_ns();
        assert_eq!(again.next(due_ns - 1), None);
        pauses.push((due_ns - now_ns) / FIRST_NS);
        now_ns = due_ns;
        assert_eq!(again.next(now_ns), Some(7));
        assert_eq!((again.next(u64::MAX - 1), again.due_ns()), (None, NEVER_NS));
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
    again.forget(7);
    assert!(again.is_empty());
    again.note(7, 0);
    assert_eq!(again.due_ns(), FIRST_NS, "it begins anew");
}

#[test]
fn each_request_has_its_own_pause() {
    let mut again = Again::default();
    again.note(1, 0);
    again.note(2, 10);
    again.note(1, 20);
    assert_eq!(again.due_ns(), 10 + FIRST_NS);
    assert_eq!(again.next(30 + FIRST_NS), Some(2));
    assert_eq!(again.next(30 + FIRST_NS), None);
    again.forget(3);
    again.forget(2);
    assert_eq!(again.next(20 + 2 * FIRST_NS), Some(1));
}

#[test]
fn what_is_not_found_is_sought_a_few_times_at_once_and_then_seldom() {
    let mut again = Again::default();
    assert!((0..AT_ONCE).all(|_| !again.miss(7)));
    assert_eq!(again.due_ns(), NEVER_NS, "its cancel is on its way");
    assert!(again.miss(7));
    again.note(7, 0);
    assert_eq!(again.next(FIRST_NS), Some(7));
    assert!(again.miss(7), "still");
    again.forget(7);
    assert!(!again.miss(7), "it begins anew");
}

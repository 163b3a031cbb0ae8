//! Turns of a forked child.

use std::task::Waker;

use super::*;
use crate::core::process::tests::in_child;

/// The turn of a stream of this process, if nobody has it.
fn turn(number: usize) -> Option<Turn> {
    match stream(number).queue().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(turn) => Some(turn),
        Poll::Pending => None,
    }
}

#[test]
fn a_child_has_turns_of_its_own_and_nothing_that_its_parent_read() {
    let mut held = turn(0).unwrap();
    held.late.extend_from_slice(b"late");
    in_child(|| {
        let theirs = turn(0).expect("nobody gives it back here");
        assert!(turn(0).is_none(), "it is one turn for the process");
        drop(theirs);
        assert_eq!(turn(0).unwrap().late, b"");
    });
    drop(held);
    assert_eq!(turn(0).unwrap().take_late(&mut Vec::with_capacity(8)), Some(4));
}

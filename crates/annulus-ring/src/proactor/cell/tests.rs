//! The phases of a cell, one thread at a time.

use std::time::{Duration, Instant};

use super::{Cell, Cqe, Left, Request, Sqe};

struct Double(i32);

// SAFETY: it is never given to a kernel.
unsafe impl Request for Double {
    type Output = i32;

    fn encode(&mut self, sqe: &mut Sqe) {
        sqe.fd = self.0;
    }

    fn complete(self, cqe: &Cqe) -> i32 {
        assert!(cqe.res >= 0, "on purpose");
        self.0 * 2 + cqe.res
    }
}

fn cqe(res: i32) -> Cqe {
    Cqe { res, ..Cqe::default() }
}

/// Encodes a request that was begun. Whether it is to be cancelled right behind that.
fn encode(cell: &Cell) -> bool {
    // SAFETY: the request was begun, and this thread is alone.
    unsafe { cell.encode(&mut Sqe::default()) }.expect("its code does not panic")
}

#[test]
fn the_phases_follow_one_another() {
    let cell = Cell::new();
    let first = cell.begin(Double(4));
    assert_eq!((cell.in_flight(), cell.has_ended()), (Some(first), false));
    let mut sqe = Sqe::default();
    // SAFETY: the request was begun, and this thread is alone.
    unsafe { cell.encode(&mut sqe) }.unwrap();
    assert_eq!(sqe.fd, 4);
    assert!(!cell.wait(Some(Instant::now() + Duration::from_micros(1))));
    assert_eq!(cell.complete(first, &cqe(1)), Some(Left::Taken));
    assert_eq!(cell.complete(first, &cqe(1)), None, "a request completes once");
    assert!(cell.has_ended() && cell.in_flight().is_none());
    // SAFETY: this test has the ticket.
    assert_eq!(unsafe { cell.take::<Double>() }, Some(9));
    // SAFETY: as above.
    assert_eq!(unsafe { cell.take::<Double>() }, None);
    assert_eq!(cell.let_go(), Left::Free);
    let second = cell.begin(Double(5));
    assert_ne!(first, second);
    assert_eq!(cell.complete(first, &cqe(0)), None, "a completion finds its own request only");
    assert_eq!(cell.let_go(), Left::Taken);
    assert_eq!(cell.complete(second, &cqe(0)), Some(Left::Free));
}

#[test]
fn a_request_that_throws_leaves_no_output_and_frees_its_cell() {
    let cell = Cell::new();
    let wanted = cell.begin(Double(1));
    assert_eq!(cell.complete(wanted, &cqe(-1)), Some(Left::Taken));
    assert!(cell.has_ended());
    // SAFETY: this test has the ticket.
    assert_eq!(unsafe { cell.take::<Double>() }, None);
    assert_eq!(cell.let_go(), Left::Free);
    let unwanted = cell.begin_with(Double(1), |_| panic!("on purpose"));
    assert_eq!(cell.complete(unwanted, &cqe(0)), Some(Left::Free));
    assert_eq!(cell.in_flight(), None);
}

#[test]
fn a_cancel_that_comes_late_does_not_meet_the_next_request_of_the_cell() {
    let cell = Cell::new();
    let first = cell.begin_with(Double(1), drop);
    assert!(!encode(&cell));
    assert!(cell.ask_to_cancel(first));
    assert!(!cell.ask_to_cancel(first), "it is in the list already");
    assert_eq!(cell.complete(first, &cqe(0)), Some(Left::Free));
    let second = cell.begin_with(Double(2), drop);
    assert!(!cell.ask_to_cancel(first));
    assert!(!encode(&cell));
    assert_eq!(cell.to_cancel(), None);
    assert!(cell.ask_to_cancel(second));
    assert_eq!(cell.to_cancel(), Some(second));
    // Asked for the first, found in the list by the second.
    assert!(cell.ask_to_cancel(second));
    assert_eq!(cell.complete(second, &cqe(0)), Some(Left::Free));
    let third = cell.begin_with(Double(3), drop);
    assert!(!encode(&cell));
    assert!(!cell.ask_to_cancel(third));
    assert_eq!(cell.to_cancel(), Some(third));
    assert_eq!(cell.complete(third, &cqe(0)), Some(Left::Free));
}

#[test]
fn a_cancel_that_is_found_before_its_request_is_made_right_behind_it() {
    let cell = Cell::new();
    let first = cell.begin_with(Double(1), drop);
    assert!(!encode(&cell));
    assert!(cell.ask_to_cancel(first));
    assert_eq!(cell.complete(first, &cqe(0)), Some(Left::Free));
    // The list with the cell was taken before this one is posted.
    let second = cell.begin_with(Double(2), drop);
    assert!(!cell.ask_to_cancel(second), "it is in the list for the first");
    assert_eq!(cell.to_cancel(), None, "its request is not encoded");
    assert!(encode(&cell));
    assert!(cell.ask_to_cancel(second), "it is in no list any more");
    assert_eq!(cell.to_cancel(), Some(second));
    assert_eq!(cell.complete(second, &cqe(0)), Some(Left::Free));
}

#[test]
fn a_cell_is_in_the_list_of_cancels_once_although_its_cancel_was_made_already() {
    let cell = Cell::new();
    let only = cell.begin_with(Double(1), drop);
    assert!(cell.ask_to_cancel(only));
    assert!(encode(&cell));
    assert!(!cell.ask_to_cancel(only), "it is in the list still");
    assert_eq!(cell.to_cancel(), Some(only), "it was asked for again");
    assert!(cell.ask_to_cancel(only));
    assert_eq!(cell.complete(only, &cqe(0)), Some(Left::Free));
    assert_eq!(cell.to_cancel(), None);
}

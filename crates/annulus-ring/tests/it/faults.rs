//! A kernel that interrupts, is busy, and consumes less than it is given.

use std::{cell::RefCell, rc::Rc};

use annulus_ring::{Ring, abi::Errno};

use crate::support::{Script, Scripted, exercise, nop, push};

fn ring() -> (Ring, Rc<RefCell<Script>>) {
    let (kernel, script) = Scripted::boxed(Script::default());
    let ring = Ring::builder().entries(8).kernel(kernel).build().unwrap();
    (ring, script)
}

fn fill(ring: &mut Ring) {
    for user_data in 0..8 {
        push(ring, &nop(user_data)).unwrap();
    }
}

fn reap(ring: &mut Ring) -> Vec<u64> {
    ring.completions().map(|cqe| cqe.user_data).collect()
}

#[test]
fn an_error_before_submission_loses_nothing() {
    let (mut ring, script) = ring();
    for errno in [libc::EINTR, libc::EAGAIN, libc::EBUSY].map(Errno) {
        fill(&mut ring);
        script.borrow_mut().enter_errors = [errno, errno].into();
        assert_eq!(ring.submit_and_wait(8, Some(1_000_000_000)), Err(errno));
        assert_eq!((ring.sq_pending(), ring.sq_space_left()), (8, 0));
        assert_eq!(ring.submit(), Err(errno));
        assert_eq!(ring.submit_and_wait(8, None), Ok(8));
        assert!(reap(&mut ring).into_iter().eq(0..8));
    }
}

#[test]
fn an_error_after_submission_submits_nothing_twice() {
    let (mut ring, script) = ring();
    for _ in 0..5 {
        fill(&mut ring);
        script.borrow_mut().late_enter_errors = [Errno(libc::EINTR)].into();
        assert_eq!(ring.submit_and_wait(8, None), Err(Errno(libc::EINTR)));
        assert_eq!((ring.sq_pending(), ring.sq_space_left()), (0, 8));
        assert_eq!(ring.submit_and_wait(8, None), Ok(0));
        assert!(reap(&mut ring).into_iter().eq(0..8));
    }
}

#[test]
fn a_partial_submission_goes_on_where_it_stopped() {
    let (mut ring, script) = ring();
    script.borrow_mut().submit_at_most = Some(3);
    for _ in 0..5 {
        fill(&mut ring);
        for (consumed, left) in [(3, 5), (3, 2), (2, 0)] {
            assert_eq!(ring.submit_and_wait(consumed, None), Ok(consumed));
            assert_eq!((ring.sq_pending(), ring.sq_space_left()), (left, 8 - left));
        }
        assert!(reap(&mut ring).into_iter().eq(0..8));
    }
}

#[test]
fn a_submit_with_nothing_to_do_makes_no_call() {
    let (mut ring, script) = ring();
    exercise(&mut ring);
    let enters = script.borrow().enters;
    assert_eq!(ring.submit(), Ok(0));
    assert_eq!(script.borrow().enters, enters);
    push(&mut ring, &nop(0)).unwrap();
    assert_eq!(ring.submit_and_wait(1, Some(1_000_000)), Ok(1));
    assert_eq!(script.borrow().enters, enters + 1);
}

//! Limits of time, relative and absolute, by both clocks. Mirrors wait-timeout and timeout-new of
//! liburing.

use std::{thread, time::Duration};

use annulus_ring::{
    Clock, Mask, Ring, TaskWork, Wait, WaitError,
    abi::{Errno, Features, TimeoutFlags, Timespec},
    op::Timeout,
};

use super::{HOUR, MS, boottime, now};
use crate::{
    ops::{push as push_op, ring},
    support::{Script, Scripted, nop, push},
};

#[test]
fn a_relative_limit_ends_a_wait_and_not_before() {
    let mut ring = ring();
    let began = now(&mut ring);
    assert_eq!(ring.wait(&Wait::for_completions(1).within(3 * MS)), Ok(0));
    assert!(now(&mut ring) - began >= 3_000_000);
    assert_eq!(ring.cq_ready(), 0);
}

#[test]
fn an_absolute_limit_ends_a_wait_and_not_before() {
    let mut ring = ring();
    let until = now(&mut ring) + 3_000_000;
    assert_eq!(ring.wait(&Wait::for_completions(1).until_ns(until)), Ok(0));
    assert!(now(&mut ring) >= until);
}

#[test]
fn an_absolute_limit_that_has_passed_ends_a_wait_at_once() {
    let mut ring = ring();
    let until = now(&mut ring) - 1;
    assert_eq!(ring.wait(&Wait::for_completions(1).until_ns(until)), Ok(0));
    push(&mut ring, &nop(1)).unwrap();
    assert_eq!(ring.wait(&Wait::for_completions(2).until_ns(1)), Ok(1), "it still submits");
    assert_eq!(ring.cq_ready(), 1);
}

#[test]
fn a_limit_past_the_end_of_the_kernels_time_ends_no_wait() {
    let mut ring = ring();
    let time = Timespec { sec: 0, nsec: 10_000_000 };
    let timer = Timeout { spec: &time, count: 0, flags: TimeoutFlags::EMPTY };
    push_op(&mut ring, &timer, 1);
    assert_eq!(ring.submit_and_wait(1, Some(u64::MAX)), Ok(0));
    assert_eq!(ring.completions().next().expect("it was waited for").user_data, 1);
    push_op(&mut ring, &timer, 2);
    assert_eq!(ring.wait(&Wait::for_completions(1).within(Duration::MAX)), Ok(0));
    assert_eq!(ring.completions().next().expect("it was waited for").user_data, 2);
}

#[test]
fn a_wait_without_a_limit_lasts_until_enough_is_there() {
    let mut ring = ring();
    for user_data in 0..3 {
        push(&mut ring, &nop(user_data)).unwrap();
    }
    assert_eq!(ring.wait(&Wait::for_completions(3)), Ok(3));
    assert_eq!(ring.cq_ready(), 3);
}

#[test]
fn a_wait_for_nothing_does_not_wait() {
    let mut ring = ring();
    assert_eq!(ring.wait(&Wait::for_completions(0)), Ok(0));
    assert_eq!(ring.wait(&Wait::default().within(HOUR)), Ok(0));
    assert_eq!(ring.wait(&Wait::default().until_ns(u64::MAX / 2)), Ok(0));
}

#[test]
fn a_wait_for_more_than_the_queue_holds_ends_when_it_is_full() {
    let mut ring = Ring::builder().entries(4).cq_entries(4).build().unwrap();
    for user_data in 0..4 {
        push(&mut ring, &nop(user_data)).unwrap();
    }
    assert_eq!(ring.wait(&Wait::for_completions(100)), Ok(4));
    assert_eq!(ring.cq_ready(), 4);
}

#[test]
fn the_other_clock_measures_absolute_and_relative_limits() {
    let mut ring = ring();
    if let Err(error) = ring.set_clock(Clock::Boottime) {
        assert_eq!(error.errno(), Errno(libc::EINVAL));
        return crate::support::skip("this kernel has no choice of clocks");
    }
    let until = boottime() + 3_000_000;
    assert_eq!(ring.wait(&Wait::for_completions(1).until_ns(until)), Ok(0));
    assert!(boottime() >= until);
    let began = boottime();
    assert_eq!(ring.wait(&Wait::for_completions(1).within(2 * MS)), Ok(0));
    assert!(boottime() - began >= 2_000_000);
    ring.set_clock(Clock::Monotonic).unwrap();
    let until = now(&mut ring) + 2_000_000;
    assert_eq!(ring.wait(&Wait::for_completions(1).until_ns(until)), Ok(0));
    assert!(now(&mut ring) >= until);
}

#[test]
fn threads_wait_on_rings_of_their_own_each_by_its_own_limit() {
    let waits = [1, 2, 3].map(|factor| {
        thread::spawn(move || {
            let mut ring = ring();
            let began = now(&mut ring);
            ring.wait(&Wait::for_completions(1).within(factor * MS)).unwrap();
            (now(&mut ring) - began, u64::from(factor) * 1_000_000)
        })
    });
    for wait in waits {
        let (lasted, limit) = wait.join().unwrap();
        assert!(lasted >= limit, "{lasted} of {limit}");
    }
}

#[test]
fn every_kind_of_ring_waits_by_description() {
    for kind in [TaskWork::Defer, TaskWork::Coop, TaskWork::Interrupt] {
        let mut ring = Ring::builder().entries(8).task_work(kind).build().unwrap();
        push(&mut ring, &nop(1)).unwrap();
        assert_eq!(ring.wait(&Wait::for_completions(2).within(MS)), Ok(1), "{kind:?}");
        assert_eq!(ring.cq_ready(), 1);
    }
    let mut thread = Ring::builder().entries(8).sqpoll(10 * MS).build().unwrap();
    push(&mut thread, &nop(1)).unwrap();
    assert_eq!(thread.wait(&Wait::for_completions(1).within(HOUR)), Ok(1));
    assert_eq!(thread.cq_ready(), 1);
}

/// A ring that behaves as on a kernel without these.
fn masked(features: Features) -> Ring {
    Ring::builder().entries(8).mask(Mask::none().features(features)).build().unwrap()
}

#[test]
fn an_older_kernel_gets_an_absolute_limit_as_a_relative_one() {
    for features in [Features::MIN_TIMEOUT, Features::MIN_TIMEOUT | Features::EXT_ARG] {
        let mut ring = masked(features);
        let until = now(&mut ring) + 2_000_000;
        assert_eq!(ring.wait(&Wait::for_completions(1).until_ns(until)), Ok(0));
        assert!(now(&mut ring) >= until);
        push(&mut ring, &nop(1)).unwrap();
        assert_eq!(ring.wait(&Wait::for_completions(1).within(HOUR)), Ok(1));
        push(&mut ring, &nop(2)).unwrap();
        assert_eq!(ring.wait(&Wait::for_completions(2)), Ok(1));
    }
}

#[test]
fn what_an_older_kernel_cannot_is_refused_before_anything_is_submitted() {
    let mut ring = masked(Features::MIN_TIMEOUT);
    push(&mut ring, &nop(1)).unwrap();
    let refused = ring.wait(&Wait::for_completions(1).batch(MS)).unwrap_err();
    assert_eq!(refused, WaitError::Lacking { what: "a minimum time", since: (6, 12) });
    assert_eq!(ring.sq_pending(), 1);
    let mut ring = masked(Features::MIN_TIMEOUT | Features::EXT_ARG);
    push(&mut ring, &nop(1)).unwrap();
    // SAFETY: an empty set is all zeroes.
    let none: libc::sigset_t = unsafe { std::mem::zeroed() };
    let refused = ring.wait(&Wait::for_completions(1).within(MS).blocking(&none)).unwrap_err();
    assert!(refused.to_string().contains("needs Linux 5.11"), "{refused}");
    assert_eq!(ring.sq_pending(), 1);
    assert_eq!(ring.wait(&Wait::for_completions(1).blocking(&none)), Ok(1), "a mask alone it can");
}

#[test]
fn an_error_of_the_kernel_is_passed_on_and_loses_nothing() {
    let (kernel, script) = Scripted::boxed(Script::default());
    let mut ring = Ring::builder().kernel(kernel).build().unwrap();
    push(&mut ring, &nop(9)).unwrap();
    script.borrow_mut().enter_errors.push_back(Errno(libc::EINTR));
    let wait = Wait::for_completions(1).within(HOUR);
    assert_eq!(ring.wait(&wait), Err(WaitError::Kernel(Errno(libc::EINTR))));
    assert_eq!(ring.wait(&wait), Ok(1));
    assert_eq!(ring.completions().next().unwrap().user_data, 9);
}

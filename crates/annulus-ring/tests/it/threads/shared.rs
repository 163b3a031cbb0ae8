//! One ring for many threads.

use std::{
    io,
    os::fd::AsRawFd,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use annulus_ring::{
    Ring, ShareError, SharedRing, Submitter,
    abi::{Cqe, Sqe},
};

use super::{counting::allocations, nop, pipe, read_a_byte};
use crate::support::{Script, Scripted};

const _: () = {
    const fn send<T: Send>() {}
    const fn sync<T: Sync>() {}
    send::<SharedRing>();
    sync::<SharedRing>();
    send::<Submitter>();
};

fn small() -> SharedRing {
    Ring::builder().entries(4).cq_entries(8).build_shared().unwrap()
}

fn push(submitter: &mut Submitter, sqe: &Sqe) {
    // SAFETY: what the entries of these tests point at is never freed.
    unsafe { submitter.push_sqe(sqe) }.unwrap();
}

/// Reaps so many completions.
fn reap(ring: &SharedRing, count: usize) -> Vec<Cqe> {
    let mut cqes = vec![Cqe::default(); count];
    let mut reaped = 0;
    while reaped < count {
        match ring.reap(&mut cqes[reaped..]) {
            0 => ring.wait(1, None).unwrap(),
            more => reaped += more,
        }
    }
    cqes
}

/// Each request's number is spread over all bits of its user data.
fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn gather(user_data: u64) -> u64 {
    user_data.wrapping_mul(0xf1de_83e1_9937_733d)
}

#[test]
fn each_request_of_many_threads_completes_exactly_once() {
    const PRODUCERS: u64 = 3;
    const EACH: u64 = 20_000;
    let ring = Ring::builder().entries(16).cq_entries(32).build_shared().unwrap();
    let seen: Vec<AtomicU64> = (0..PRODUCERS * EACH).map(|_| AtomicU64::new(0)).collect();
    let reaped = AtomicUsize::new(0);
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let mut submitter = ring.submitter();
            scope.spawn(move || {
                for number in 0..EACH {
                    let sqe = nop(spread(producer * EACH + number));
                    submitter.wait_for_room(1, None).unwrap();
                    push(&mut submitter, &sqe);
                    if number % (1 + (number / 100) % 7) == 0 {
                        submitter.submit().unwrap();
                    }
                }
                submitter.submit().unwrap();
            });
        }
        for most in [1, 5] {
            let (ring, seen, reaped) = (&ring, &seen, &reaped);
            scope.spawn(move || {
                let mut cqes = [Cqe::default(); 5];
                // ORDERING: relaxed; a counter.
                while reaped.load(Ordering::Relaxed) < seen.len() {
                    let count = ring.reap(&mut cqes[..most]);
                    for cqe in &cqes[..count] {
                        assert_eq!(cqe.res, 0);
                        // ORDERING: relaxed; a counter.
                        seen[gather(cqe.user_data) as usize].fetch_add(1, Ordering::Relaxed);
                    }
                    // ORDERING: relaxed; a counter.
                    reaped.fetch_add(count, Ordering::Relaxed);
                    if count == 0 {
                        let _ = ring.wait(1, Some(Duration::from_millis(5)));
                    }
                }
            });
        }
    });
    // ORDERING: relaxed; the threads have been joined.
    assert!(seen.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    assert_eq!((ring.in_flight(), ring.pending(), ring.cq_ready()), (0, 0, 0));
}

#[test]
fn what_one_thread_submits_stays_in_order_though_others_submit_too() {
    let ring = Ring::builder().entries(64).build_shared().unwrap();
    thread::scope(|scope| {
        for thread in 0..2 {
            let mut submitter = ring.submitter();
            scope.spawn(move || {
                for number in 0..5000_u64 {
                    submitter.wait_for_room(1, None).unwrap();
                    push(&mut submitter, &nop(thread << 32 | number));
                    if number % 3 == 0 {
                        submitter.submit().unwrap();
                    }
                }
                submitter.submit().unwrap();
            });
        }
        let mut next = [0, 0];
        for _ in 0..10_000 {
            let cqe = reap(&ring, 1)[0];
            let thread = (cqe.user_data >> 32) as usize;
            assert_eq!(cqe.user_data & 0xffff_ffff, next[thread]);
            next[thread] += 1;
        }
    });
}

#[test]
fn nothing_is_allocated_after_the_set_up() {
    let ring = Ring::builder().entries(128).build_shared().unwrap();
    let mut submitter = ring.submitter();
    let mut cqes = [Cqe::default(); 64];
    let before = allocations();
    for round in 0..200 {
        for number in 0..=(round % 64) {
            push(&mut submitter, &nop(number));
        }
        submitter.submit().unwrap();
        while ring.in_flight() > 0 {
            ring.reap(&mut cqes);
        }
        submitter.wait_for_room(70, None).unwrap();
        submitter.discard();
    }
    assert_eq!(allocations(), before);
}

#[test]
fn entries_that_were_not_submitted_are_given_up_with_their_submitter() {
    let ring = small();
    let mut submitter = ring.submitter();
    push(&mut submitter, &nop(1));
    push(&mut submitter, &nop(2));
    assert_eq!((submitter.len(), ring.in_flight()), (2, 2));
    drop(submitter);
    assert_eq!((ring.in_flight(), ring.pending(), ring.submit()), (0, 0, Ok(0)));
    let mut submitter = ring.submitter();
    (3..7).for_each(|number| push(&mut submitter, &nop(number)));
    assert_eq!(submitter.submit(), Ok(4));
    assert!(reap(&ring, 4).iter().map(|cqe| cqe.user_data).eq(3..7));
}

#[test]
fn a_thread_that_panics_while_it_fills_stops_nobody() {
    let ring = small();
    let mut submitter = ring.submitter();
    let panicked = thread::spawn(move || {
        submitter.reserve(3).unwrap();
        push(&mut submitter, &nop(1));
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(panicked.join().is_err());
    assert_eq!(ring.in_flight(), 0);
    let mut submitter = ring.submitter();
    submitter.reserve(4).unwrap();
    push(&mut submitter, &nop(2));
    submitter.submit().unwrap();
    assert_eq!(reap(&ring, 1)[0].user_data, 2);
}

#[test]
fn a_thread_that_is_killed_while_it_fills_costs_its_share_of_the_ring_and_no_more() {
    let ring = small();
    let mut lost = ring.submitter();
    lost.reserve(3).unwrap();
    push(&mut lost, &nop(1));
    std::mem::forget(lost);
    let mut submitter = ring.submitter();
    for number in 0..100 {
        push(&mut submitter, &nop(number));
        submitter.submit().unwrap();
        assert_eq!(reap(&ring, 1)[0].user_data, number);
    }
    assert_eq!((ring.in_flight(), submitter.reserve(2).is_err()), (3, true));
}

#[test]
fn what_one_thread_commits_another_submits() {
    let ring = small();
    let mut submitter = ring.submitter();
    push(&mut submitter, &nop(1));
    assert_eq!(submitter.commit(), Ok(1));
    assert_eq!(ring.pending(), 1);
    let other = ring.clone();
    assert_eq!(thread::spawn(move || other.submit()).join().unwrap(), Ok(1));
    assert_eq!((ring.pending(), reap(&ring, 1)[0].user_data), (0, 1));
}

#[test]
fn who_waits_submits_first() {
    let ring = small();
    let mut submitter = ring.submitter();
    push(&mut submitter, &nop(1));
    submitter.commit().unwrap();
    ring.wait(1, None).unwrap();
    assert_eq!(ring.cq_ready(), 1);
}

#[test]
fn the_last_handle_closes_the_ring_with_requests_in_flight() {
    let ring = small();
    let mut submitter = ring.submitter();
    let (reader, writer) = pipe();
    push(&mut submitter, &read_a_byte(&reader, 1));
    submitter.submit().unwrap();
    drop(reader);
    drop(ring);
    let readable = |timeout_ms: i32| {
        let mut entry = libc::pollfd { fd: writer.as_raw_fd(), events: 0, revents: 0 };
        // SAFETY: one valid entry.
        unsafe { libc::poll(&mut entry, 1, timeout_ms) };
        entry.revents & libc::POLLERR == 0
    };
    assert!(readable(0), "the request holds the pipe as long as there is a handle");
    drop(submitter);
    assert!(!readable(20_000), "the ring is closed, and its requests let go of the pipe");
}

#[test]
fn wishes_that_do_not_go_with_many_threads_are_refused() {
    let refused = |builder: annulus_ring::Builder| builder.build_shared().unwrap_err();
    let (kernel, script) = Scripted::boxed(Script::default());
    let foreign = refused(Ring::builder().kernel(kernel));
    assert!(matches!(foreign, ShareError::ForeignKernel), "{foreign}");
    assert!(script.borrow().setups.is_empty());
    let disabled = refused(Ring::builder().disabled(true));
    assert!(matches!(disabled, ShareError::Disabled), "{disabled}");
    assert_eq!(io::Error::from(disabled).kind(), io::ErrorKind::InvalidInput);
}

//! A ring in two halves.

use std::{thread, time::Duration};

use annulus_ring::{
    CompletionQueue, Ring, ShareError, SubmissionQueue,
    abi::{Errno, SetupFlags},
    with_capacity,
};

use super::{nop, pipe, read_a_byte};
use crate::support::{Script, Scripted};

const _: () = {
    const fn send<T: Send>() {}
    send::<SubmissionQueue>();
    send::<CompletionQueue>();
};

/// Pushes and submits one entry.
fn submit(sq: &mut SubmissionQueue, sqe: &annulus_ring::abi::Sqe) {
    // SAFETY: what the entries of these tests point at is never freed.
    unsafe { sq.push_sqe(sqe) }.unwrap();
    assert_eq!(sq.submit(), Ok(1));
}

#[test]
fn two_threads_keep_both_halves_busy_and_each_request_completes_once() {
    const COUNT: u64 = 50_000;
    let (mut sq, mut cq) = Ring::builder().entries(16).build_split().unwrap();
    let reaper = thread::spawn(move || {
        let mut next = 0;
        while next < COUNT {
            match cq.wait(1, None) {
                Ok(()) | Err(Errno(libc::EINTR)) => {}
                Err(errno) => panic!("{errno}"),
            }
            for cqe in cq.completions() {
                assert_eq!(cqe.user_data, next);
                next += 1;
            }
        }
        cq
    });
    let mut number = 0;
    while number < COUNT {
        // SAFETY: a NOP borrows no memory.
        while number < COUNT && unsafe { sq.push_sqe(&nop(number)) }.is_ok() {
            number += 1;
        }
        match sq.submit() {
            Ok(_) => {}
            // Completions are kept back, which older kernels want reaped first.
            Err(Errno(libc::EBUSY | libc::EAGAIN)) => thread::yield_now(),
            Err(errno) => panic!("{errno}"),
        }
    }
    while sq.sq_pending() > 0 {
        let _ = sq.submit();
    }
    let cq = reaper.join().unwrap();
    assert_eq!((cq.cq_ready(), cq.cq_lost()), (0, 0));
}

#[test]
fn one_half_waits_while_the_other_submits() {
    let (mut sq, mut cq) = with_capacity(4).unwrap();
    let waiter = thread::spawn(move || cq.next().unwrap().user_data);
    submit(&mut sq, &nop(7));
    assert_eq!(waiter.join().unwrap(), 7);
}

#[test]
fn a_wait_ends_with_its_time() {
    let (_sq, mut cq) = with_capacity(4).unwrap();
    assert_eq!(cq.wait(1, Some(Duration::from_millis(1))), Ok(()));
    assert_eq!((cq.try_next(), cq.peek(), cq.cq_ready()), (None, None, 0));
}

#[test]
fn what_is_in_flight_when_the_submission_half_goes_can_still_be_reaped() {
    let (mut sq, mut cq) = with_capacity(4).unwrap();
    submit(&mut sq, &nop(1));
    submit(&mut sq, &nop(2));
    drop(sq);
    assert_eq!([cq.next(), cq.next()].map(|cqe| cqe.unwrap().user_data), [1, 2]);
}

#[test]
fn a_submission_half_without_the_other_goes_on() {
    let (mut sq, cq) = with_capacity(4).unwrap();
    drop(cq);
    submit(&mut sq, &nop(1));
    assert_eq!(sq.sq_pending(), 0);
}

#[test]
fn a_request_of_a_thread_that_has_exited_is_cancelled_when_it_could_go_on() {
    let (mut sq, mut cq) = with_capacity(4).unwrap();
    let (reader, writer) = pipe();
    let read = read_a_byte(&reader, 5);
    let sq = thread::spawn(move || {
        submit(&mut sq, &read);
        sq
    });
    let _sq = sq.join().unwrap();
    std::io::Write::write_all(&mut &writer, b"x").unwrap();
    let cqe = cq.next().unwrap();
    assert_eq!((cqe.user_data, cqe.res), (5, -libc::ECANCELED));
}

#[test]
fn the_halves_are_bound_to_no_thread() {
    let (sq, cq) = with_capacity(4).unwrap();
    let bound = SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN | SetupFlags::COOP_TASKRUN;
    assert!(!sq.params().flags.intersects(bound));
    assert!(!sq.capabilities().registered_ring());
    assert_ne!(sq.fd(), cq.fd());
}

#[test]
fn files_are_registered_through_the_submission_half() {
    let (mut sq, mut cq) = with_capacity(4).unwrap();
    let (reader, writer) = pipe();
    sq.register_files_sparse(2).unwrap();
    assert_eq!(sq.update_files(1, &[std::os::fd::AsRawFd::as_raw_fd(&reader)]), Ok(1));
    let mut read = read_a_byte(&reader, 9);
    read.fd = 1;
    read.flags = annulus_ring::abi::SqeFlags::FIXED_FILE;
    submit(&mut sq, &read);
    std::io::Write::write_all(&mut &writer, b"x").unwrap();
    assert_eq!(cq.next().unwrap().res, 1);
    sq.unregister_files().unwrap();
    // SAFETY: the probe neither reaps nor waits.
    unsafe { sq.ring() }.probe().unwrap();
}

#[test]
fn a_submission_thread_serves_a_split_ring() {
    let (mut sq, mut cq) =
        Ring::builder().entries(4).sqpoll(Duration::from_millis(5)).build_split().unwrap();
    assert!(sq.params().flags.contains(SetupFlags::SQPOLL));
    let reaper = thread::spawn(move || (0..100).all(|n| cq.next().unwrap().user_data == n));
    for number in 0..100 {
        // SAFETY: a NOP borrows no memory.
        while unsafe { sq.push_sqe(&nop(number)) }.is_err() {
            sq.wait_for_sq_space().unwrap();
        }
        sq.submit().unwrap();
    }
    assert!(reaper.join().unwrap());
}

#[test]
fn a_kernel_of_ones_own_and_a_ring_that_is_not_enabled_are_refused() {
    let (kernel, script) = Scripted::boxed(Script::default());
    let refused = Ring::builder().kernel(kernel).build_split().unwrap_err();
    assert!(matches!(refused, ShareError::ForeignKernel), "{refused}");
    assert!(script.borrow().setups.is_empty());

    let refused = Ring::builder().disabled(true).build_split().unwrap_err();
    assert!(matches!(refused, ShareError::Disabled), "{refused}");
    assert_eq!(std::io::Error::from(refused).kind(), std::io::ErrorKind::InvalidInput);
}

//! A shared ring, and a proactor, with a submission thread of the kernel.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use annulus_ring::{
    Builder, Ring, SharedRing,
    abi::{Cqe, SetupFlags, Sqe},
    proactor::{self, Nop, Sleep},
};

use super::{nop, pipe, read_a_byte};

/// The submission thread falls asleep after so long, at least a millisecond.
fn builder(entries: u32, idle_ms: u64) -> Builder {
    Ring::builder().entries(entries).cq_entries(entries * 2).sqpoll(Duration::from_millis(idle_ms))
}

fn push(submitter: &mut annulus_ring::Submitter, sqe: &Sqe) {
    submitter.wait_for_room(1, None).unwrap();
    // SAFETY: what the entries of these tests point at is never freed.
    unsafe { submitter.push_sqe(sqe) }.unwrap();
}

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

#[test]
fn each_request_of_many_threads_reaches_the_submission_thread_exactly_once() {
    const PRODUCERS: u64 = 3;
    const EACH: u64 = 5000;
    for idle_ms in [1, 1000] {
        let ring = builder(8, idle_ms).build_shared().unwrap();
        assert!(ring.params().flags.contains(SetupFlags::SQPOLL));
        let seen: Vec<AtomicU64> = (0..PRODUCERS * EACH).map(|_| AtomicU64::new(0)).collect();
        let reaped = AtomicUsize::new(0);
        thread::scope(|scope| {
            for producer in 0..PRODUCERS {
                let mut submitter = ring.submitter();
                scope.spawn(move || {
                    for number in 0..EACH {
                        push(&mut submitter, &nop(producer * EACH + number));
                        if number % (1 + (number / 100) % 5) == 0 {
                            submitter.submit().unwrap();
                        }
                    }
                    submitter.submit().unwrap();
                });
            }
            for _ in 0..2 {
                let (ring, seen, reaped) = (&ring, &seen, &reaped);
                scope.spawn(move || {
                    let mut cqes = [Cqe::default(); 5];
                    // ORDERING: relaxed; a counter.
                    while reaped.load(Ordering::Relaxed) < seen.len() {
                        let count = ring.reap(&mut cqes);
                        for cqe in &cqes[..count] {
                            // ORDERING: relaxed; a counter.
                            seen[cqe.user_data as usize].fetch_add(1, Ordering::Relaxed);
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
        assert_eq!((ring.in_flight(), ring.cq_ready()), (0, 0));
    }
}

#[test]
fn a_submission_thread_that_sleeps_is_woken() {
    let ring = builder(4, 1).build_shared().unwrap();
    let mut submitter = ring.submitter();
    for round in 0..20 {
        while !ring.sq_thread_sleeps() {
            thread::yield_now();
        }
        push(&mut submitter, &nop(round));
        submitter.submit().unwrap();
        assert_eq!(reap(&ring, 1)[0].user_data, round);
    }
}

#[test]
fn slots_come_back_though_nobody_submits_or_reaps() {
    let ring = builder(4, 1000).build_shared().unwrap();
    let mut submitter = ring.submitter();
    for round in 0..2 {
        for number in 0..4 {
            push(&mut submitter, &nop(round * 4 + number));
        }
        submitter.submit().unwrap();
    }
    assert_eq!(ring.in_flight(), 8);
    let numbers = reap(&ring, 8).iter().map(|cqe| cqe.user_data).collect::<Vec<_>>();
    assert_eq!(numbers, (0..8).collect::<Vec<_>>());
}

#[test]
fn a_request_outlives_the_thread_that_submitted_it() {
    let ring = builder(4, 1000).build_shared().unwrap();
    let (reader, writer) = pipe();
    let mut submitter = ring.submitter();
    thread::spawn(move || {
        push(&mut submitter, &read_a_byte(&reader, 1));
        submitter.submit().unwrap();
        while submitter.ring().pending() > 0 {
            thread::yield_now();
        }
        std::mem::forget(reader);
    })
    .join()
    .unwrap();
    std::io::Write::write_all(&mut &writer, b"x").unwrap();
    assert_eq!(reap(&ring, 1)[0].res, 1, "it goes on, because it is the submission thread's");
}

#[test]
fn a_proactor_may_have_a_submission_thread() {
    let proactor = proactor::Builder::on(builder(8, 1)).reapers(2).build().unwrap();
    for _ in 0..200 {
        let tickets = [(); 20].map(|()| proactor.submit(Nop));
        tickets.into_iter().for_each(|ticket| ticket.wait().unwrap());
    }
    let sleeping = proactor.submit(Sleep::new(Duration::from_secs(3600)));
    drop(proactor);
    assert!(sleeping.wait().is_err());
}

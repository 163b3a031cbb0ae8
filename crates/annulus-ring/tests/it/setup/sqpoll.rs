//! A submission thread and the queue that it empties. Mirrors sqwait and sq-poll-dup of liburing.

use core::time::Duration;

use annulus_ring::{Cause, Conflict, Ring, SqFull, TaskWork, abi::SetupFlags};

use super::{next, nop, refusal, small, works};
use crate::support::{Script, Scripted};

fn ring(idle_ms: u64) -> Ring {
    small().sqpoll(Duration::from_millis(idle_ms)).build().unwrap()
}

#[test]
fn published_entries_are_taken_by_a_thread_that_is_awake() {
    let mut ring = ring(20_000);
    // Awake since the NOP that proved the ring.
    assert!(!ring.sq_thread_sleeps());
    nop(&mut ring, 5).unwrap();
    ring.publish();
    while ring.cq_ready() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(ring.completions().next().unwrap().user_data, 5);
    assert_eq!(ring.sq_pending(), 0);
}

#[test]
fn published_entries_wait_for_a_thread_that_sleeps_until_it_is_woken() {
    let mut ring = ring(1);
    while !ring.sq_thread_sleeps() {
        std::thread::yield_now();
    }
    nop(&mut ring, 5).unwrap();
    assert_eq!(ring.publish(), 1);
    assert!(ring.sq_thread_sleeps());
    assert_eq!((ring.sq_pending(), ring.cq_ready()), (1, 0));
    ring.submit().unwrap();
    assert_eq!(next(&mut ring).user_data, 5);
}

#[test]
fn a_full_queue_has_room_after_waiting_for_it() {
    let mut ring = ring(1);
    for round in 0..20 {
        let mut pushed = 0;
        while nop(&mut ring, round).is_ok() {
            pushed += 1;
        }
        ring.wait_for_sq_space().unwrap();
        assert!(ring.sq_space_left() > 0);
        nop(&mut ring, round).unwrap();
        ring.submit().unwrap();
        for _ in 0..=pushed {
            assert_eq!(next(&mut ring).user_data, round);
        }
    }
}

#[test]
fn waiting_for_room_in_a_queue_that_has_some_returns_at_once() {
    let mut polled = ring(1);
    polled.wait_for_sq_space().unwrap();
    let mut plain = small().build().unwrap();
    (0..8).for_each(|user_data| nop(&mut plain, user_data).unwrap());
    plain.wait_for_sq_space().unwrap();
    assert_eq!(nop(&mut plain, 9), Err(SqFull), "no thread empties it");
}

#[test]
fn an_overflow_under_a_submission_thread_loses_nothing() {
    let builder = small().sqpoll(Duration::from_millis(100)).cq_entries(8);
    let mut ring = builder.build().unwrap();
    for user_data in 0..40 {
        while nop(&mut ring, user_data).is_err() {
            ring.submit().unwrap();
            ring.wait_for_sq_space().unwrap();
        }
        ring.submit().unwrap();
    }
    while ring.sq_pending() > 0 {
        ring.wait_for_sq_space().unwrap();
        std::thread::yield_now();
    }
    let mut seen: Vec<u64> = Vec::new();
    while seen.len() < 40 {
        seen.extend(ring.completions().map(|cqe| cqe.user_data));
        ring.flush().unwrap();
    }
    assert!(seen.into_iter().eq(0..40));
    assert_eq!(ring.cq_lost(), 0);
}

#[test]
fn a_submission_thread_and_delayed_task_work_exclude_one_another_by_name() {
    for (task_work, flag) in
        [(TaskWork::Defer, SetupFlags::DEFER_TASKRUN), (TaskWork::Coop, SetupFlags::COOP_TASKRUN)]
    {
        let (kernel, script) = Scripted::boxed(Script::default());
        let builder = small().kernel(kernel).sqpoll(Duration::from_millis(1));
        let refusal = refusal(builder.task_work(task_work).build());
        let excludes = Conflict::Excludes(SetupFlags::SQPOLL, flag);
        assert_eq!(refusal.cause(), Cause::Conflict(excludes));
        let text = refusal.to_string();
        assert!(text.contains("SQPOLL") && text.contains("the kernel was not asked"), "{text}");
        assert!(script.borrow().setups.is_empty());
    }
}

#[test]
fn a_submission_thread_goes_with_task_work_that_is_not_delayed() {
    let builder = small().sqpoll(Duration::from_millis(1)).task_work(TaskWork::Interrupt);
    works(&mut builder.build().unwrap());
}

#[test]
fn a_binding_without_a_submission_thread_is_refused_by_name() {
    let params = annulus_ring::abi::Params { flags: SetupFlags::SQ_AFF, ..Default::default() };
    let refusal = refusal(Ring::with_params(8, &params));
    let needs = Conflict::Needs(SetupFlags::SQ_AFF, SetupFlags::SQPOLL);
    assert_eq!(refusal.cause(), Cause::Conflict(needs));
}

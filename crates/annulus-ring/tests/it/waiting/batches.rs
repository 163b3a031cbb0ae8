//! Waiting for a batch, but only so long. Mirrors min-timeout and min-timeout-wait of liburing.

use std::{io::Write as _, os::fd::AsRawFd as _, thread};

use annulus_ring::{
    Ring, Wait,
    abi::{TimeoutFlags, Timespec},
    op::Timeout,
};

use super::{HOUR, MS, now};
use crate::{
    ops::{pipe, push as push_op, ring},
    support::{nop, push, read, skip},
};

/// A ring whose kernel has minimum times, or none, said aloud.
fn batching() -> Option<Ring> {
    let ring = ring();
    if !ring.capabilities().min_timeout() {
        skip("this kernel has no minimum time of waits");
        return None;
    }
    Some(ring)
}

#[test]
fn a_whole_batch_ends_the_wait_whatever_the_minimum_time() {
    let Some(mut ring) = batching() else { return };
    for user_data in 0..4 {
        push(&mut ring, &nop(user_data)).unwrap();
    }
    assert_eq!(ring.wait(&Wait::for_completions(4).batch(HOUR).within(HOUR)), Ok(4));
    assert_eq!(ring.cq_ready(), 4);
}

#[test]
fn a_part_of_the_batch_is_enough_after_the_minimum_time_and_not_before() {
    let Some(mut ring) = batching() else { return };
    let began = now(&mut ring);
    push(&mut ring, &nop(1)).unwrap();
    push(&mut ring, &nop(2)).unwrap();
    assert_eq!(ring.wait(&Wait::for_completions(8).batch(5 * MS).within(HOUR)), Ok(2));
    assert!(now(&mut ring) - began >= 5_000_000);
    assert_eq!(ring.cq_ready(), 2);
}

#[test]
fn a_part_is_enough_after_the_minimum_time_without_any_limit() {
    let Some(mut ring) = batching() else { return };
    push(&mut ring, &nop(1)).unwrap();
    assert_eq!(ring.wait(&Wait::for_completions(8).batch(2 * MS)), Ok(1));
    assert_eq!(ring.cq_ready(), 1);
}

/// Reads a byte from each of so many pipes, into which a thread writes one after the other.
fn bytes_come(ring: &mut Ring, count: usize) -> thread::JoinHandle<()> {
    let mut writers = Vec::new();
    for _ in 0..count {
        let (reader, writer) = pipe();
        // The request keeps neither: both live until the process ends.
        let (reader, byte) = (Box::leak(Box::new(reader)), Box::leak(Box::new([0])));
        push(ring, &read(reader.as_raw_fd(), byte)).unwrap();
        writers.push(writer);
    }
    assert_eq!(ring.submit(), Ok(count as u32));
    thread::spawn(move || {
        for mut writer in writers {
            writer.write_all(b"x").unwrap();
        }
    })
}

#[test]
fn one_completion_that_comes_later_is_enough_after_the_minimum_time() {
    let Some(mut ring) = batching() else { return };
    let writing = bytes_come(&mut ring, 1);
    assert_eq!(ring.wait(&Wait::for_completions(8).batch(MS).within(HOUR)), Ok(0));
    assert_eq!(ring.cq_ready(), 1);
    writing.join().unwrap();
}

#[test]
fn completions_within_the_minimum_time_are_collected() {
    let Some(mut ring) = batching() else { return };
    let writing = bytes_come(&mut ring, 3);
    // The minimum is far longer than the writing takes, and the batch not larger.
    assert_eq!(ring.wait(&Wait::for_completions(3).batch(HOUR).within(HOUR)), Ok(0));
    assert_eq!(ring.cq_ready(), 3);
    writing.join().unwrap();
}

#[test]
fn a_timer_that_fires_ends_a_wait_for_more() {
    let mut ring = ring();
    let time = Timespec { sec: 0, nsec: 2_000_000 };
    let timer = Timeout { spec: &time, count: 0, flags: TimeoutFlags::EMPTY };
    push_op(&mut ring, &timer, 99);
    assert_eq!(ring.wait(&Wait::for_completions(8).within(HOUR)), Ok(0));
    assert_eq!(ring.cq_ready(), 1);
    assert_eq!(ring.completions().next().unwrap().user_data, 99);
}

#[test]
fn without_any_completion_the_limit_ends_the_wait() {
    let Some(mut ring) = batching() else { return };
    let began = now(&mut ring);
    assert_eq!(ring.wait(&Wait::for_completions(8).batch(MS).within(6 * MS)), Ok(0));
    assert!(now(&mut ring) - began >= 6_000_000);
    assert_eq!(ring.cq_ready(), 0);
}

#[test]
fn an_absolute_limit_goes_with_a_minimum_time() {
    let Some(mut ring) = batching() else { return };
    let until = now(&mut ring) + 6_000_000;
    assert_eq!(ring.wait(&Wait::for_completions(8).batch(MS).until_ns(until)), Ok(0));
    assert!(now(&mut ring) >= until);
}

//! More of timers. Mirrors timeout and timeout-new of liburing.

use annulus_ring::{
    Kernel as _, Op as _,
    abi::{CancelFlags, Errno, TimeoutFlags, Timespec},
    op::{
        Cancel, CancelOutcome, LinkTimeoutNs, Nop, Timeout, TimeoutEnd, TimeoutNs, TimeoutRemove,
        TimeoutUpdate, TimeoutUpdateNs,
    },
};

use super::{
    decode,
    made::{LONG, SHORT, assert_silence, has_option, results, sorted},
    next, push, ring, run,
};
use crate::support::wait;

const EXPIRED: i32 = -libc::ETIME;
const CANCELED: i32 = -libc::ECANCELED;

fn timer(spec: &Timespec) -> Timeout {
    Timeout { spec, count: 0, flags: TimeoutFlags::EMPTY }
}

fn update(spec: &Timespec, user_data: u64) -> TimeoutUpdate {
    TimeoutUpdate { user_data, spec, flags: TimeoutFlags::EMPTY }
}

#[test]
fn timeouts_expire_in_the_order_of_their_times() {
    let mut ring = ring();
    let specs = [30, 10, 20].map(|ms| Timespec { sec: 0, nsec: ms * 1_000_000 });
    for (spec, user_data) in specs.iter().zip([30, 10, 20]) {
        push(&mut ring, &timer(spec), user_data);
    }
    assert_eq!(results(&mut ring, 3), [(10, EXPIRED), (20, EXPIRED), (30, EXPIRED)]);
}

#[test]
fn an_absolute_time_in_the_future_is_waited_for() {
    let mut ring = ring();
    let until_ns = ring.kernel().now() + 2_000_000;
    let until = Timespec {
        sec: (until_ns / 1_000_000_000) as i64,
        nsec: (until_ns % 1_000_000_000) as i64,
    };
    let op = Timeout { flags: TimeoutFlags::ABS, ..timer(&until) };
    assert_eq!(run(&mut ring, &op), Ok(TimeoutEnd::Expired));
    assert!(ring.kernel().now() >= until_ns);
}

#[test]
fn bad_times_and_bad_memory_are_errors() {
    let mut ring = ring();
    let negative = Timespec { sec: -1, nsec: 0 };
    assert_eq!(run(&mut ring, &timer(&negative)), Err(Errno(libc::EINVAL)));
    let nowhere = Timeout { spec: std::ptr::null(), count: 0, flags: TimeoutFlags::EMPTY };
    assert_eq!(run(&mut ring, &nowhere), Err(Errno(libc::EFAULT)));
}

#[test]
fn a_multishot_timeout_has_no_absolute_time() {
    let mut ring = ring();
    let flags = TimeoutFlags::MULTISHOT | TimeoutFlags::ABS;
    let op = Timeout { flags, ..timer(&LONG) };
    assert_eq!(run(&mut ring, &op), Err(Errno(libc::EINVAL)));
    assert_eq!(op.check().unwrap_err().why, "what goes on has no absolute time");
}

#[test]
fn a_timeout_that_was_put_off_does_not_expire_before() {
    let mut ring = ring();
    let soon = Timespec { sec: 0, nsec: 200_000_000 };
    push(&mut ring, &timer(&soon), 1);
    assert_eq!(run(&mut ring, &update(&LONG, 1)), Ok(()));
    let after = Timespec { sec: 0, nsec: 250_000_000 };
    push(&mut ring, &timer(&after), 2);
    assert_eq!(results(&mut ring, 1), [(2, EXPIRED)]);
    push(&mut ring, &TimeoutRemove { user_data: 1 }, 3);
    assert_eq!(sorted(&mut ring, 2), [(1, CANCELED), (3, 0)]);
}

#[test]
fn a_timeout_is_moved_to_an_absolute_time() {
    let mut ring = ring();
    push(&mut ring, &timer(&LONG), 1);
    let past = Timespec { sec: 0, nsec: 1 };
    push(&mut ring, &TimeoutUpdate { flags: TimeoutFlags::ABS, ..update(&past, 1) }, 2);
    assert_eq!(sorted(&mut ring, 2), [(1, EXPIRED), (2, 0)]);
}

#[test]
fn what_has_expired_or_never_was_is_neither_changed_nor_removed() {
    let mut ring = ring();
    assert_eq!(run(&mut ring, &timer(&SHORT)), Ok(TimeoutEnd::Expired));
    assert_eq!(run(&mut ring, &update(&LONG, 0xa10e)), Err(Errno(libc::ENOENT)));
    assert_eq!(run(&mut ring, &TimeoutRemove { user_data: 99 }), Err(Errno(libc::ENOENT)));
}

#[test]
fn an_update_keeps_the_clock_and_cannot_name_one() {
    let mut ring = ring();
    push(&mut ring, &timer(&LONG), 1);
    let op = TimeoutUpdate { flags: TimeoutFlags::BOOTTIME, ..update(&SHORT, 1) };
    assert_eq!(run(&mut ring, &op), Err(Errno(libc::EINVAL)));
    assert!(op.check().is_err());
    assert_silence(&mut ring);
}

#[test]
fn a_timeout_is_cancelled_as_any_request_is() {
    let mut ring = ring();
    push(&mut ring, &timer(&LONG), 1);
    let cancel = Cancel { user_data: 1, flags: CancelFlags::EMPTY };
    push(&mut ring, &cancel, 2);
    assert_eq!(sorted(&mut ring, 2), [(1, CANCELED), (2, 0)]);
    assert_eq!(run(&mut ring, &cancel), Ok(CancelOutcome::NotFound));
}

#[test]
fn a_multishot_timeout_without_a_number_goes_on_until_it_is_removed() {
    let mut ring = ring();
    let op = Timeout { flags: TimeoutFlags::MULTISHOT, ..timer(&SHORT) };
    push(&mut ring, &op, 1);
    for _ in 0..5 {
        let cqe = next(&mut ring);
        assert_eq!(decode::<Timeout>(&cqe), Ok(TimeoutEnd::Expired));
        assert!(cqe.more());
    }
    push(&mut ring, &TimeoutRemove { user_data: 1 }, 2);
    let mut last = None;
    let mut removed = None;
    while last.is_none() || removed.is_none() {
        let cqe = next(&mut ring);
        match (cqe.user_data, cqe.more()) {
            (1, true) => {}
            (1, false) => last = Some(cqe.res),
            _ => removed = Some(cqe.res),
        }
    }
    assert_eq!((last, removed), (Some(CANCELED), Some(0)));
}

#[test]
fn completions_that_were_there_before_do_not_count() {
    let mut ring = ring();
    push(&mut ring, &Nop, 1);
    assert_eq!(results(&mut ring, 1), [(1, 0)]);
    let op = Timeout { count: 1, ..timer(&LONG) };
    push(&mut ring, &op, 2);
    assert_silence(&mut ring);
    push(&mut ring, &Nop, 3);
    assert_eq!(sorted(&mut ring, 2), [(2, 0), (3, 0)]);
}

#[test]
fn timeouts_with_different_numbers_complete_in_the_order_of_these() {
    let mut ring = ring();
    for count in [3, 1, 2] {
        let op = Timeout { count, ..timer(&LONG) };
        push(&mut ring, &op, u64::from(count));
    }
    let mut ended = Vec::new();
    for nop in 10..16 {
        push(&mut ring, &Nop, nop);
        while let Some(cqe) = {
            wait(&mut ring, 0, None);
            ring.completions().next()
        } {
            if cqe.user_data < 10 {
                assert_eq!(cqe.res, 0);
                ended.push(cqe.user_data);
            }
        }
    }
    ended.dedup();
    assert_eq!(ended, [1, 2, 3]);
}

#[test]
fn a_time_in_the_entry_itself_is_as_good_as_one_in_memory() {
    let mut ring = ring();
    let op = TimeoutNs { timeout_ns: 1_000_000, count: 0, flags: TimeoutFlags::EMPTY };
    if !has_option(&mut ring, &op) {
        return;
    }
    assert_eq!(run(&mut ring, &op), Ok(TimeoutEnd::Expired));
    push(&mut ring, &timer(&LONG), 1);
    let update = TimeoutUpdateNs { user_data: 1, timeout_ns: 1, flags: TimeoutFlags::EMPTY };
    push(&mut ring, &update, 2);
    assert_eq!(sorted(&mut ring, 2), [(1, EXPIRED), (2, 0)]);
    let mut chain = ring.chain(2).unwrap();
    // SAFETY: a timeout is copied when the entry is taken.
    unsafe { chain.then(&timer(&LONG), 3) }.unwrap();
    let limit = LinkTimeoutNs { timeout_ns: 1, flags: TimeoutFlags::EMPTY };
    // SAFETY: nothing is pointed at.
    unsafe { chain.limit(&limit, 4) }.unwrap();
    chain.finish();
    assert_eq!(sorted(&mut ring, 2), [(3, CANCELED), (4, EXPIRED)]);
}

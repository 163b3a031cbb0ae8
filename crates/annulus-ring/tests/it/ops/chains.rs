//! Links, hard links, time limits and drained chains. Mirrors link, hardlink, link-timeout,
//! submit-link-fail, link_drain and fixed-reuse of liburing.

use std::{io::Write as _, os::fd::AsRawFd as _};

use annulus_ring::{
    Chain, Op, Ring, Target,
    abi::{CancelFlags, FsyncFlags, SqeFlags, TimeoutFlags, Timespec},
    op::{
        Cancel, CloseFixed, Fsync, LinkTimeout, LinkTimeoutEnd, Nop, Openat, Place, Read, Timeout,
        TimeoutUpdate,
    },
};

use super::{
    decode, link,
    made::{HERE, LONG, SHORT, assert_silence, fd, file, read, results, sorted, write},
    next, pipe, push, ring,
};

const CANCELED: i32 = -libc::ECANCELED;
const BAD: Target = Target::Fd(-1);

fn then<O: Op>(chain: &mut Chain<'_>, op: &O, user_data: u64) {
    // SAFETY: the tests keep what their operations point at until they saw the last completion.
    unsafe { chain.then(op, user_data) }.unwrap();
}

fn always<O: Op>(chain: &mut Chain<'_>, op: &O, user_data: u64) {
    // SAFETY: as in `then`.
    unsafe { chain.then_always(op, user_data) }.unwrap();
}

fn limit<O: Op<Output = LinkTimeoutEnd>>(chain: &mut Chain<'_>, op: &O, user_data: u64) {
    // SAFETY: as in `then`.
    unsafe { chain.limit(op, user_data) }.unwrap();
}

fn limit_of(spec: &Timespec) -> LinkTimeout {
    LinkTimeout { spec, flags: TimeoutFlags::EMPTY }
}

fn timer(flags: TimeoutFlags) -> Timeout {
    Timeout { spec: &SHORT, count: 0, flags }
}

#[test]
fn a_chain_runs_in_its_order_and_reports_in_it() {
    let mut ring = ring();
    let file = file(b"");
    let mut buffer = [0; 4];
    let mut chain = ring.chain(3).unwrap();
    then(&mut chain, &write(fd(&file), b"done", 0), 1);
    then(&mut chain, &Fsync { target: fd(&file), flags: FsyncFlags::DATASYNC }, 2);
    then(&mut chain, &read(fd(&file), &mut buffer, 0), 3);
    chain.finish();
    assert_eq!(results(&mut ring, 3), [(1, 4), (2, 0), (3, 4)]);
    assert_eq!(&buffer, b"done");
}

#[test]
fn a_failure_cancels_everything_behind_it_and_nothing_before_it() {
    let mut ring = ring();
    let mut buffer = [0; 4];
    let mut chain = ring.chain(4).unwrap();
    then(&mut chain, &Nop, 1);
    then(&mut chain, &read(BAD, &mut buffer, 0), 2);
    then(&mut chain, &Nop, 3);
    then(&mut chain, &Nop, 4);
    chain.finish();
    assert_eq!(sorted(&mut ring, 4), [(1, 0), (2, -libc::EBADF), (3, CANCELED), (4, CANCELED)]);
}

#[test]
fn a_short_read_breaks_a_chain_and_has_its_own_result() {
    let mut ring = ring();
    let file = file(b"ten  bytes");
    let mut buffer = [0; 20];
    let mut chain = ring.chain(2).unwrap();
    then(&mut chain, &read(fd(&file), &mut buffer, 0), 1);
    then(&mut chain, &Nop, 2);
    chain.finish();
    assert_eq!(sorted(&mut ring, 2), [(1, 10), (2, CANCELED)]);
}

#[test]
fn what_is_joined_by_a_hard_link_runs_after_a_failure_and_after_a_short_read() {
    let mut ring = ring();
    let file = file(b"ten  bytes");
    let mut buffer = [0; 20];
    let mut chain = ring.chain(3).unwrap();
    then(&mut chain, &read(BAD, &mut [0; 4], 0), 1);
    always(&mut chain, &read(fd(&file), &mut buffer, 0), 2);
    always(&mut chain, &Nop, 3);
    chain.finish();
    assert_eq!(results(&mut ring, 3), [(1, -libc::EBADF), (2, 10), (3, 0)]);
}

#[test]
fn a_hard_link_holds_for_one_join_only() {
    let mut ring = ring();
    let mut chain = ring.chain(4).unwrap();
    then(&mut chain, &read(BAD, &mut [0; 4], 0), 1);
    always(&mut chain, &read(BAD, &mut [0; 4], 0), 2);
    then(&mut chain, &Nop, 3);
    always(&mut chain, &Nop, 4);
    chain.finish();
    let bad = -libc::EBADF;
    assert_eq!(sorted(&mut ring, 4), [(1, bad), (2, bad), (3, CANCELED), (4, CANCELED)]);
}

#[test]
fn an_entry_that_is_refused_at_submission_ends_the_whole_chain() {
    let mut ring = ring();
    let clocks = timer(TimeoutFlags::BOOTTIME | TimeoutFlags::REALTIME);
    for hard in [false, true] {
        let mut chain = ring.chain(3).unwrap();
        then(&mut chain, &Nop, 1);
        then(&mut chain, &clocks, 2);
        if hard {
            always(&mut chain, &Nop, 3);
        } else {
            then(&mut chain, &Nop, 3);
        }
        chain.finish();
        assert_eq!(
            sorted(&mut ring, 3),
            [(1, CANCELED), (2, -libc::EINVAL), (3, CANCELED)],
            "hard: {hard}"
        );
    }
}

#[test]
fn a_chain_ends_with_its_submission() {
    let mut ring = ring();
    link(&mut ring, &read(BAD, &mut [0; 4], 0), 1, SqeFlags::IO_LINK);
    ring.submit().unwrap();
    push(&mut ring, &Nop, 2);
    assert_eq!(sorted(&mut ring, 2), [(1, -libc::EBADF), (2, 0)]);
}

#[test]
fn two_chains_in_one_submission_do_not_know_of_one_another() {
    let mut ring = ring();
    for first in [1, 3] {
        let mut chain = ring.chain(2).unwrap();
        if first == 1 {
            then(&mut chain, &read(BAD, &mut [0; 4], 0), 1);
        } else {
            then(&mut chain, &Nop, first);
        }
        then(&mut chain, &Nop, first + 1);
        chain.finish();
    }
    assert_eq!(sorted(&mut ring, 4), [(1, -libc::EBADF), (2, CANCELED), (3, 0), (4, 0)]);
}

#[test]
fn the_next_entry_waits_for_one_that_waits() {
    let mut ring = ring();
    let (reader, mut writer) = pipe();
    let mut buffer = [0; 2];
    let mut chain = ring.chain(2).unwrap();
    then(&mut chain, &read(fd(&reader), &mut buffer, HERE), 1);
    then(&mut chain, &Nop, 2);
    chain.finish();
    assert_silence(&mut ring);
    writer.write_all(b"go").unwrap();
    assert_eq!(results(&mut ring, 2), [(1, 2), (2, 0)]);
}

#[test]
fn a_chain_may_fill_the_whole_queue() {
    let mut ring = ring();
    let entries = ring.params().sq_entries;
    let mut chain = ring.chain(entries).unwrap();
    for user_data in 0..u64::from(entries) {
        then(&mut chain, &Nop, user_data);
    }
    assert_eq!(chain.finish(), entries);
    let expected: Vec<_> = (0..u64::from(entries)).map(|user_data| (user_data, 0)).collect();
    assert_eq!(results(&mut ring, entries as usize), expected);
}

#[test]
fn a_cancel_finds_the_entry_whose_turn_it_is_and_breaks_the_chain_there() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    let mut buffer = [0; 2];
    let mut chain = ring.chain(2).unwrap();
    then(&mut chain, &read(fd(&reader), &mut buffer, HERE), 1);
    then(&mut chain, &Nop, 2);
    chain.finish();
    push(&mut ring, &Cancel { user_data: 2, flags: CancelFlags::EMPTY }, 3);
    assert_eq!(results(&mut ring, 1), [(3, -libc::ENOENT)], "its turn has not come");
    push(&mut ring, &Cancel { user_data: 1, flags: CancelFlags::EMPTY }, 4);
    assert_eq!(sorted(&mut ring, 3), [(1, CANCELED), (2, CANCELED), (4, 0)]);
}

#[test]
fn an_expired_timeout_breaks_a_chain_unless_expiry_is_success() {
    let mut ring = ring();
    let mut chain = ring.chain(2).unwrap();
    then(&mut chain, &timer(TimeoutFlags::EMPTY), 1);
    then(&mut chain, &Nop, 2);
    chain.finish();
    assert_eq!(sorted(&mut ring, 2), [(1, -libc::ETIME), (2, CANCELED)]);
    let mut chain = ring.chain(2).unwrap();
    then(&mut chain, &timer(TimeoutFlags::ETIME_SUCCESS), 3);
    then(&mut chain, &Nop, 4);
    chain.finish();
    assert_eq!(sorted(&mut ring, 2), [(3, -libc::ETIME), (4, 0)]);
}

/// A chain of a read that waits, its limit, and a NOP.
fn limited(ring: &mut Ring, op: &Read, spec: &Timespec, hard: bool) {
    let mut chain = ring.chain(3).unwrap();
    then(&mut chain, op, 1);
    limit(&mut chain, &limit_of(spec), 2);
    if hard {
        always(&mut chain, &Nop, 3);
    } else {
        then(&mut chain, &Nop, 3);
    }
    assert_eq!(chain.finish(), 3);
}

#[test]
fn a_limit_in_a_chain_cancels_its_operation_and_what_follows() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    let mut buffer = [0; 2];
    limited(&mut ring, &read(fd(&reader), &mut buffer, HERE), &SHORT, false);
    assert_eq!(sorted(&mut ring, 3), [(1, CANCELED), (2, -libc::ETIME), (3, CANCELED)]);
}

#[test]
fn a_hard_link_goes_on_behind_an_operation_that_took_too_long() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    let mut buffer = [0; 2];
    limited(&mut ring, &read(fd(&reader), &mut buffer, HERE), &SHORT, true);
    assert_eq!(sorted(&mut ring, 3), [(1, CANCELED), (2, -libc::ETIME), (3, 0)]);
}

#[test]
fn a_limit_that_was_not_needed_is_cancelled_and_the_chain_goes_on() {
    let mut ring = ring();
    let (reader, mut writer) = pipe();
    let mut buffer = [0; 2];
    limited(&mut ring, &read(fd(&reader), &mut buffer, HERE), &LONG, false);
    assert_silence(&mut ring);
    writer.write_all(b"go").unwrap();
    assert_eq!(sorted(&mut ring, 3), [(1, 2), (2, CANCELED), (3, 0)]);
}

#[test]
fn a_limit_runs_from_the_start_of_its_operation_and_not_of_the_chain() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    let mut buffer = [0; 2];
    let mut chain = ring.chain(3).unwrap();
    then(&mut chain, &read(fd(&reader), &mut buffer, HERE), 1);
    then(&mut chain, &Nop, 2);
    limit(&mut chain, &limit_of(&SHORT), 3);
    chain.finish();
    // Longer than the limit, on the same clock.
    push(&mut ring, &Timeout { spec: &SHORT, count: 0, flags: TimeoutFlags::EMPTY }, 4);
    assert_eq!(results(&mut ring, 1), [(4, -libc::ETIME)]);
    assert_silence(&mut ring);
    push(&mut ring, &Cancel { user_data: 1, flags: CancelFlags::EMPTY }, 5);
    assert_eq!(sorted(&mut ring, 4), [(1, CANCELED), (2, CANCELED), (3, CANCELED), (5, 0)]);
}

#[test]
fn an_armed_limit_is_given_another_time() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    let mut buffer = [0; 2];
    limited(&mut ring, &read(fd(&reader), &mut buffer, HERE), &LONG, false);
    assert_silence(&mut ring);
    let update = TimeoutUpdate { user_data: 2, spec: &SHORT, flags: TimeoutFlags::EMPTY };
    push(&mut ring, &update, 4);
    assert_eq!(results(&mut ring, 1), [(4, -libc::ENOENT)], "a limit is no timeout");
    push(&mut ring, &TimeoutUpdate { flags: TimeoutFlags::LINK_UPDATE, ..update }, 5);
    assert_eq!(sorted(&mut ring, 4), [(1, CANCELED), (2, -libc::ETIME), (3, CANCELED), (5, 0)]);
}

#[test]
fn two_limits_for_one_operation_are_refused_by_the_kernel_too() {
    let mut ring = ring();
    link(&mut ring, &Nop, 1, SqeFlags::IO_LINK);
    link(&mut ring, &limit_of(&LONG), 2, SqeFlags::IO_LINK);
    link(&mut ring, &limit_of(&LONG), 3, SqeFlags::EMPTY);
    assert_eq!(sorted(&mut ring, 3), [(1, CANCELED), (2, CANCELED), (3, -libc::EINVAL)]);
}

#[test]
fn a_drained_chain_waits_for_all_before_and_holds_up_all_behind() {
    let mut ring = ring();
    let (reader, mut writer) = pipe();
    let mut buffer = [0; 2];
    push(&mut ring, &read(fd(&reader), &mut buffer, HERE), 1);
    let mut chain = ring.chain(2).unwrap();
    chain.drained();
    then(&mut chain, &Nop, 2);
    then(&mut chain, &Nop, 3);
    chain.finish();
    push(&mut ring, &Nop, 4);
    assert_silence(&mut ring);
    writer.write_all(b"go").unwrap();
    assert_eq!(results(&mut ring, 4), [(1, 2), (2, 0), (3, 0), (4, 0)]);
}

#[test]
fn a_drain_in_the_middle_of_a_chain_drains_all_of_it() {
    let mut ring = ring();
    let (reader, mut writer) = pipe();
    let mut buffer = [0; 2];
    push(&mut ring, &read(fd(&reader), &mut buffer, HERE), 1);
    let mut chain = ring.chain(2).unwrap();
    then(&mut chain, &Nop, 2);
    then(&mut chain, &Nop.flagged().drained(), 3);
    chain.finish();
    assert_silence(&mut ring);
    writer.write_all(b"go").unwrap();
    assert_eq!(results(&mut ring, 3), [(1, 2), (2, 0), (3, 0)]);
}

#[test]
fn a_slot_that_a_chain_fills_is_used_by_what_follows_in_it() {
    let mut ring = ring();
    ring.register_files_sparse(1).unwrap();
    let mut buffer = [0; 5];
    let open = Openat {
        dir: libc::AT_FDCWD,
        path: c"/proc/self/stat".as_ptr(),
        flags: libc::O_RDONLY,
        mode: 0,
        place: Place::Fixed(0),
    };
    let mut chain = ring.chain(3).unwrap();
    then(&mut chain, &open, 1);
    then(&mut chain, &read(Target::Fixed(0), &mut buffer, 0), 2);
    then(&mut chain, &CloseFixed { slot: 0 }, 3);
    chain.finish();
    assert_eq!(results(&mut ring, 3), [(1, 0), (2, 5), (3, 0)]);
    let mut chain = ring.chain(1).unwrap();
    then(&mut chain, &CloseFixed { slot: 0 }, 4);
    chain.finish();
    assert_eq!(results(&mut ring, 1), [(4, -libc::EBADF)], "the chain has closed it");
}

#[test]
fn a_close_in_a_chain_has_truly_closed_when_it_completes() {
    let mut ring = ring();
    ring.register_files_sparse(1).unwrap();
    for _ in 0..50 {
        let (reader, writer) = pipe();
        assert_eq!(ring.update_files(0, &[writer.as_raw_fd()]), Ok(1));
        drop(writer);
        let mut chain = ring.chain(2).unwrap();
        then(&mut chain, &write(Target::Fixed(0), b"last", HERE), 1);
        then(&mut chain, &CloseFixed { slot: 0 }, 2);
        chain.finish();
        assert_eq!(results(&mut ring, 2), [(1, 4), (2, 0)]);
        let mut buffers = [[0; 8]; 2];
        for (buffer, user_data) in buffers.iter_mut().zip(3..) {
            push(&mut ring, &read(fd(&reader), buffer, HERE), user_data);
        }
        assert_eq!(results(&mut ring, 2), [(3, 4), (4, 0)], "the bytes, then the end");
    }
}

#[test]
fn the_limit_of_an_operation_on_a_worker_expires_too() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    let mut buffer = [0; 2];
    let mut chain = ring.chain(2).unwrap();
    then(&mut chain, &read(fd(&reader), &mut buffer, HERE).flagged().on_worker(), 1);
    limit(&mut chain, &limit_of(&SHORT), 2);
    chain.finish();
    let (first, second) = (next(&mut ring), next(&mut ring));
    let (read, limit) = if first.user_data == 1 { (first, second) } else { (second, first) };
    assert!([CANCELED, -libc::EINTR].contains(&read.res), "{read:?}");
    assert_eq!(decode::<LinkTimeout>(&limit), Ok(LinkTimeoutEnd::Expired));
}

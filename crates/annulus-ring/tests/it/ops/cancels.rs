//! More of cancelling. Mirrors io-cancel, cancel-race, cancel-fd-userdata and poll-cancel-all of
//! liburing.

use std::{io::Write as _, os::fd::AsRawFd as _};

use annulus_ring::{
    Op, Ring, Target,
    abi::{CancelFlags, Errno, Opcode},
    op::{Cancel, CancelFd, CancelMatching, CancelOutcome, Nop},
};

use super::{
    decode,
    made::{HERE, assert_silence, fd, read, readable, recv, results, sorted, tcp},
    pipe, push, ring, run, supported,
};
use crate::support::wait;

const CANCELED: i32 = -libc::ECANCELED;

fn by_name(user_data: u64) -> Cancel {
    Cancel { user_data, flags: CancelFlags::EMPTY }
}

const ANYTHING: CancelMatching =
    CancelMatching { target: None, opcode: None, user_data: None, all: true };

#[test]
fn a_receive_that_waits_is_cancelled_and_leaves_what_comes_later() {
    let mut ring = ring();
    let (mut client, server) = tcp();
    let mut buffer = [0; 4];
    push(&mut ring, &recv(fd(&server), &mut buffer, 0), 1);
    push(&mut ring, &by_name(1), 2);
    assert_eq!(sorted(&mut ring, 2), [(1, CANCELED), (2, 0)]);
    client.write_all(b"late").unwrap();
    assert_eq!(run(&mut ring, &recv(fd(&server), &mut buffer, 0)), Ok(4));
}

#[test]
fn a_request_that_has_completed_is_not_found_and_its_result_stays() {
    let mut ring = ring();
    push(&mut ring, &Nop, 1);
    push(&mut ring, &by_name(1), 2);
    assert_eq!(results(&mut ring, 2), [(1, 0), (2, -libc::ENOENT)]);
}

#[test]
fn of_several_requests_with_one_name_one_is_cancelled() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    for _ in 0..3 {
        push(&mut ring, &readable(fd(&reader)), 7);
    }
    push(&mut ring, &by_name(7), 8);
    assert_eq!(sorted(&mut ring, 2), [(7, CANCELED), (8, 0)]);
    assert_silence(&mut ring);
    push(&mut ring, &Cancel { user_data: 7, flags: CancelFlags::ALL }, 9);
    assert_eq!(sorted(&mut ring, 3), [(7, CANCELED), (7, CANCELED), (9, 2)]);
}

#[test]
fn a_cancel_of_all_that_finds_nothing_says_zero() {
    let mut ring = ring();
    let all = Cancel { user_data: 7, flags: CancelFlags::ALL };
    assert_eq!(run(&mut ring, &all), Ok(CancelOutcome::Done(0)));
    assert_eq!(run(&mut ring, &by_name(7)), Ok(CancelOutcome::NotFound));
    assert_eq!(run(&mut ring, &ANYTHING), Ok(CancelOutcome::Done(0)));
}

#[test]
fn by_descriptor_one_request_is_cancelled_unless_all_are_meant() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    let (other, _other_writer) = pipe();
    push(&mut ring, &readable(fd(&reader)), 1);
    push(&mut ring, &readable(fd(&reader)), 2);
    push(&mut ring, &readable(fd(&other)), 3);
    let one = CancelFd { target: fd(&reader), flags: CancelFlags::EMPTY };
    push(&mut ring, &one, 4);
    let ended = sorted(&mut ring, 2);
    assert!([1, 2].contains(&ended[0].0), "{ended:?}");
    assert_eq!((ended[0].1, ended[1]), (CANCELED, (4, 0)));
    assert_silence(&mut ring);
    push(&mut ring, &CancelFd { flags: CancelFlags::ALL, ..one }, 5);
    assert_eq!(sorted(&mut ring, 2)[1], (5, 1));
    assert_silence(&mut ring);
}

// IORING_ASYNC_CANCEL_FD_FIXED is what tells the two apart.
#[test]
fn a_descriptor_does_not_match_the_slot_of_another_file_with_its_number() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    let (other, _other_writer) = pipe();
    let slot = reader.as_raw_fd() as u32;
    ring.register_files_sparse(slot + 1).unwrap();
    assert_eq!(ring.update_files(slot, &[other.as_raw_fd()]), Ok(1));
    push(&mut ring, &readable(Target::Fixed(slot)), 1);
    let by_fd = CancelFd { target: fd(&reader), flags: CancelFlags::EMPTY };
    assert_eq!(run(&mut ring, &by_fd), Ok(CancelOutcome::NotFound));
    push(&mut ring, &CancelFd { target: Target::Fixed(slot), ..by_fd }, 2);
    assert_eq!(sorted(&mut ring, 2), [(1, CANCELED), (2, 0)]);
}

// IORING_ASYNC_CANCEL_USERDATA, beside another key.
#[test]
fn descriptor_and_name_must_both_match() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::READ_MULTISHOT]) {
        return;
    }
    let pipes: Vec<_> = (0..3).map(|_| pipe()).collect();
    for (index, (reader, _)) in pipes.iter().enumerate() {
        push(&mut ring, &readable(fd(reader)), index as u64);
    }
    let cross = CancelMatching { target: Some(fd(&pipes[0].0)), user_data: Some(1), ..ANYTHING };
    assert_eq!(run(&mut ring, &cross), Ok(CancelOutcome::Done(0)));
    let match_one = CancelMatching { target: Some(fd(&pipes[1].0)), ..cross };
    push(&mut ring, &match_one, 9);
    assert_eq!(sorted(&mut ring, 2), [(1, CANCELED), (9, 1)]);
    assert_silence(&mut ring);
}

#[test]
fn by_opcode_only_requests_of_that_kind_are_cancelled() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::READ_MULTISHOT]) {
        return;
    }
    let (reader, _writer) = pipe();
    let mut buffer = [0; 1];
    push(&mut ring, &readable(fd(&reader)), 1);
    push(&mut ring, &read(fd(&reader), &mut buffer, HERE), 2);
    let reads = CancelMatching { opcode: Some(Opcode::READ), ..ANYTHING };
    push(&mut ring, &reads, 3);
    assert_eq!(sorted(&mut ring, 2), [(2, CANCELED), (3, 1)]);
    assert_silence(&mut ring);
    assert_eq!(run(&mut ring, &reads), Ok(CancelOutcome::Done(0)));
}

#[test]
fn everything_is_cancelled_whatever_it_is_and_counted() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    let (_client, server) = tcp();
    let mut buffers = [[0; 1]; 2];
    push(&mut ring, &readable(fd(&reader)), 1);
    push(&mut ring, &read(fd(&reader), &mut buffers[0], HERE), 2);
    push(&mut ring, &recv(fd(&server), &mut buffers[1], 0), 3);
    push(&mut ring, &ANYTHING, 4);
    assert_eq!(sorted(&mut ring, 4), [(1, CANCELED), (2, CANCELED), (3, CANCELED), (4, 3)]);
}

#[test]
fn a_read_is_either_cancelled_or_brings_the_bytes() {
    let mut ring = ring();
    let (reader, mut writer) = pipe();
    let mut cancelled = 0;
    for round in 0..300u32 {
        let mut buffer = [0; 4];
        let bytes = round.to_ne_bytes();
        push(&mut ring, &read(fd(&reader), &mut buffer, HERE), 1);
        if round % 2 == 0 {
            writer.write_all(&bytes).unwrap();
        }
        push(&mut ring, &by_name(1), 2);
        if round % 2 == 1 {
            writer.write_all(&bytes).unwrap();
        }
        let ended = sorted(&mut ring, 2);
        assert_eq!((ended[0].0, ended[1].0), (1, 2), "one completion each");
        match (ended[0].1, ended[1].1) {
            (4, _) => {}
            (CANCELED, 0) => {
                cancelled += 1;
                assert_eq!(run(&mut ring, &read(fd(&reader), &mut buffer, HERE)), Ok(4));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(buffer, bytes, "round {round}");
    }
    assert!(cancelled > 0, "no cancel came in time");
}

/// A worker that is told to stop before it has begun to wait may not hear of it (6.18), so it is
/// told again until the request has ended.
#[test]
fn a_request_on_a_worker_ends_exactly_once_when_it_is_cancelled() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    for _ in 0..50 {
        let mut buffer = [0; 4];
        push(&mut ring, &read(fd(&reader), &mut buffer, HERE).flagged().on_worker(), 1);
        let (mut ended, mut unanswered) = (None, 0);
        while ended.is_none() || unanswered > 0 {
            if ended.is_none() {
                push(&mut ring, &by_name(1), 2);
                unanswered += 1;
            }
            wait(&mut ring, 1, Some(10_000_000));
            let cqes: Vec<_> = ring.completions().collect();
            for cqe in cqes {
                if cqe.user_data == 1 {
                    assert_eq!(ended.replace(cqe.res), None, "it ended twice");
                } else {
                    decode::<Cancel>(&cqe).unwrap();
                    unanswered -= 1;
                }
            }
        }
        assert!([CANCELED, -libc::EINTR].contains(&ended.unwrap()), "{ended:?}");
        assert_silence(&mut ring);
    }
}

fn refused<O: Op>(ring: &mut Ring, op: &O) {
    assert!(op.check().is_err());
    assert_eq!(run(ring, op).map(drop), Err(Errno(libc::EINVAL)));
}

#[test]
fn keys_that_exclude_one_another_are_refused() {
    let mut ring = ring();
    refused(&mut ring, &Cancel { user_data: 0, flags: CancelFlags::ANY | CancelFlags::FD });
    refused(&mut ring, &Cancel { user_data: 0, flags: CancelFlags(1 << 20) });
    refused(&mut ring, &CancelFd { target: Target::Fd(0), flags: CancelFlags::ANY });
}

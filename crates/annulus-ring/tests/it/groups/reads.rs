//! Multishot and single reads into groups. Mirrors read-mshot, read-mshot-empty, read-mshot-stdin
//! and read-inc-file of liburing.

use std::{
    fs::File,
    io::{Seek as _, Write as _},
    os::fd::AsRawFd as _,
};

use annulus_ring::{
    Ring, Target,
    abi::{BufRegFlags, CancelFlags, CqeFlags, Opcode, Sqe, SqeFlags},
    op::{Cancel, ReadMulti},
};

use super::{BGID, Group};
use crate::{
    ops::{next, next_two, pipe, push, ring, supported},
    support::complete,
};

/// Arms a multishot read, or says that the kernel has none.
fn arm(ring: &mut Ring, file: &File) -> bool {
    if !supported(ring, &[Opcode::READ_MULTISHOT]) {
        return false;
    }
    push(ring, &ReadMulti { target: Target::Fd(file.as_raw_fd()), bgid: BGID }, 1);
    true
}

/// A single read into a buffer of the group.
fn read(file: &File, offset: u64) -> Sqe {
    Sqe {
        opcode: Opcode::READ,
        flags: SqeFlags::BUFFER_SELECT,
        fd: file.as_raw_fd(),
        off: offset,
        buf_index: BGID,
        ..Sqe::default()
    }
}

#[test]
fn one_request_reads_a_pipe_as_often_as_there_is_something() {
    let mut ring = ring();
    let mut group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 16).unwrap();
    let (reader, mut writer) = pipe();
    if !arm(&mut ring, &reader) {
        return;
    }
    for round in 0..20_u8 {
        writer.write_all(&[round; 9]).unwrap();
        let cqe = next(&mut ring);
        assert!(cqe.more());
        assert_eq!(group.of(&cqe), [round; 9]);
        group.give(cqe.buffer_id().unwrap());
    }
    drop(writer);
    let last = next(&mut ring);
    assert_eq!((last.res, last.more()), (0, false));
}

#[test]
fn a_pipe_is_drained_piece_by_piece_until_the_group_is_empty() {
    let mut ring = ring();
    let mut group = Group::full(&mut ring, BufRegFlags::EMPTY, 2, 8).unwrap();
    let (reader, mut writer) = pipe();
    writer.write_all(b"0123456789abcdefghij").unwrap();
    if !arm(&mut ring, &reader) {
        return;
    }
    for expected in [&b"01234567"[..], b"89abcdef"] {
        let cqe = next(&mut ring);
        assert_eq!(group.of(&cqe), expected);
    }
    let dry = next(&mut ring);
    assert_eq!((dry.res, dry.more(), dry.buffer_id()), (-libc::ENOBUFS, false, None));
    group.give(0);
    arm(&mut ring, &reader);
    assert_eq!(group.of(&next(&mut ring)), b"ghij");
}

#[test]
fn a_multishot_read_needs_a_buffer_before_there_is_anything_to_read() {
    let mut ring = ring();
    let mut group = Group::new(&mut ring, BufRegFlags::EMPTY, 2, 8).unwrap();
    let (reader, mut writer) = pipe();
    if !arm(&mut ring, &reader) {
        return;
    }
    let cqe = next(&mut ring);
    assert_eq!((cqe.res, cqe.more()), (-libc::ENOBUFS, false));
    writer.write_all(b"x").unwrap();
    group.give(1);
    arm(&mut ring, &reader);
    assert_eq!(group.of(&next(&mut ring)), b"x");
}

#[test]
fn a_file_that_cannot_be_polled_is_not_read_more_than_once() {
    let mut ring = ring();
    let _group = Group::full(&mut ring, BufRegFlags::EMPTY, 2, 8).unwrap();
    let file = tempfile::tempfile().unwrap();
    if !arm(&mut ring, &file) {
        return;
    }
    let cqe = next(&mut ring);
    assert_eq!((cqe.res, cqe.more()), (-libc::EBADFD, false));
}

#[test]
fn a_cancelled_read_ends_and_the_pipe_keeps_what_comes_later() {
    let mut ring = ring();
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 2, 8).unwrap();
    let (reader, mut writer) = pipe();
    if !arm(&mut ring, &reader) {
        return;
    }
    push(&mut ring, &Cancel { user_data: 1, flags: CancelFlags::EMPTY }, 2);
    let [ended, _] = next_two(&mut ring);
    assert_eq!((ended.res, ended.more()), (-libc::ECANCELED, false));
    writer.write_all(b"later").unwrap();
    let cqe = complete(&mut ring, &read(&reader, u64::MAX));
    assert_eq!(group.of(&cqe), b"later");
}

#[test]
fn a_read_of_a_file_uses_as_much_of_an_incremental_buffer_as_it_asked_for() {
    let mut ring = ring();
    let Some(group) = Group::full(&mut ring, BufRegFlags::INC, 1, 64) else { return };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"0123456789abcdefghij").unwrap();
    file.rewind().unwrap();
    for (at, expected) in [(0_u64, 8), (8, 8), (16, 4), (0, 8)] {
        let piece = Sqe { len: 8, ..read(&file, at) };
        let cqe = complete(&mut ring, &piece);
        assert_eq!((cqe.res, cqe.buffer_id()), (expected, Some(0)));
        assert!(cqe.flags.contains(CqeFlags::BUF_MORE));
    }
    // The third brought half of what it asked for, and the fourth began behind all of that.
    assert_eq!(&group.memory[..20], b"0123456789abcdefghij");
    assert_eq!(&group.memory[24..32], b"01234567");
}

#[test]
fn a_read_of_a_file_that_asks_for_a_whole_incremental_buffer_uses_it_up() {
    let mut ring = ring();
    let Some(group) = Group::full(&mut ring, BufRegFlags::INC, 2, 64) else { return };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"short").unwrap();
    for bid in 0..2 {
        let cqe = complete(&mut ring, &read(&file, 0));
        assert_eq!((cqe.res, cqe.buffer_id()), (5, Some(bid)));
        assert!(!cqe.flags.contains(CqeFlags::BUF_MORE));
        assert_eq!(group.of(&cqe), b"short");
    }
    assert_eq!(complete(&mut ring, &read(&file, 0)).res, -libc::ENOBUFS);
}

#[test]
fn a_read_at_the_end_of_a_file_says_whether_its_buffer_is_still_the_kernels() {
    let mut ring = ring();
    let Some(group) = Group::full(&mut ring, BufRegFlags::INC, 1, 64) else { return };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"short").unwrap();
    let end = complete(&mut ring, &Sqe { len: 8, ..read(&file, 5) });
    assert_eq!(end.res, 0);
    let kept = end.buffer_id().is_none() || end.flags.contains(CqeFlags::BUF_MORE);
    let again = complete(&mut ring, &Sqe { len: 8, ..read(&file, 0) });
    if kept {
        assert_eq!((again.res, again.buffer_id()), (5, Some(0)));
        let begins = group.memory.windows(5).position(|window| window == b"short");
        assert!(matches!(begins, Some(0 | 8)), "{begins:?}");
    } else {
        assert_eq!(again.res, -libc::ENOBUFS);
    }
}

#[test]
fn a_pipe_is_read_piece_by_piece_into_an_incremental_buffer() {
    let mut ring = ring();
    let Some(group) = Group::full(&mut ring, BufRegFlags::INC, 2, 16) else { return };
    let (reader, mut writer) = pipe();
    if !arm(&mut ring, &reader) {
        return;
    }
    let mut at = 0;
    for piece in [&b"0123"[..], b"456789", b"abcdef", b"ghij"] {
        writer.write_all(piece).unwrap();
        let cqe = next(&mut ring);
        assert_eq!((cqe.res as usize, cqe.more()), (piece.len(), true));
        assert_eq!(usize::from(cqe.buffer_id().unwrap()), at / 16);
        assert_eq!(group.memory[at..at + piece.len()], *piece);
        at += piece.len();
        assert_eq!(cqe.flags.contains(CqeFlags::BUF_MORE), at % 16 != 0);
    }
    drop(writer);
    let end = next(&mut ring);
    assert_eq!((end.res, end.more()), (0, false));
}

#[test]
fn a_device_without_end_fills_every_buffer() {
    let mut ring = ring();
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 32).unwrap();
    let zero = File::open("/dev/zero").unwrap();
    for bid in 0..4 {
        let cqe = complete(&mut ring, &read(&zero, 0));
        assert_eq!((cqe.res, cqe.buffer_id()), (32, Some(bid)));
        assert_eq!(group.of(&cqe), [0; 32]);
    }
    assert_eq!(complete(&mut ring, &read(&zero, 0)).res, -libc::ENOBUFS);
}

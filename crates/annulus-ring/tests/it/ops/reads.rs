//! More of reading and writing. Mirrors read-write, short-read, fpos, rw_merge_test and
//! read-before-exit of liburing.

use std::{
    fs::{File, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
};

use annulus_ring::{
    Op as _, Target,
    abi::{AttrPi, Errno, Features, FsyncFlags, SqeFlags},
    op::{FsyncRange, Read, ReadFixed, ReadSelect, Readv, RwWith, Write, Writev},
};

use super::{
    Group, decode, link,
    made::{HERE, assert_silence, fd, file, read, results, write},
    next, pipe, push, ring, run,
};

fn position(mut file: &File) -> u64 {
    file.stream_position().unwrap()
}

#[test]
fn a_read_at_or_behind_the_end_brings_nothing_and_one_across_it_less() {
    let mut ring = ring();
    let file = file(b"0123456789");
    let mut buffer = [0; 8];
    for (offset, expected) in [(0, 8), (2, 8), (6, 4), (10, 0), (1 << 40, 0)] {
        let got = run(&mut ring, &read(fd(&file), &mut buffer, offset));
        assert_eq!(got, Ok(expected), "at {offset}");
    }
}

#[test]
fn the_position_moves_with_reads_that_have_no_offset_and_with_no_others() {
    let mut ring = ring();
    let mut file = file(b"0123456789");
    file.seek(SeekFrom::Start(2)).unwrap();
    let mut buffer = [0; 3];
    assert_eq!(run(&mut ring, &read(fd(&file), &mut buffer, 7)), Ok(3));
    assert_eq!(position(&file), 2);
    assert_eq!(run(&mut ring, &read(fd(&file), &mut buffer, HERE)), Ok(3));
    assert_eq!((&buffer, position(&file)), (b"234", 5));
    assert_eq!(run(&mut ring, &write(fd(&file), b"xyz", HERE)), Ok(3));
    assert_eq!(position(&file), 8);
    assert_eq!(run(&mut ring, &read(fd(&file), &mut buffer, HERE)), Ok(2));
    assert_eq!(run(&mut ring, &read(fd(&file), &mut buffer, HERE)), Ok(0));
    assert_eq!(position(&file), 10);
}

#[test]
fn linked_reads_without_an_offset_follow_one_another() {
    let mut ring = ring();
    let mut file = file(b"abcdefghi");
    file.rewind().unwrap();
    let mut buffers = [[0; 3]; 3];
    let reads = buffers.each_mut().map(|buffer| read(fd(&file), buffer, HERE));
    let mut chain = ring.chain(3).unwrap();
    for (read, user_data) in reads.iter().zip(1..) {
        // SAFETY: the buffers outlive the completions.
        unsafe { chain.then(read, user_data) }.unwrap();
    }
    chain.finish();
    assert_eq!(results(&mut ring, 3), [(1, 3), (2, 3), (3, 3)]);
    assert_eq!(&buffers, &[*b"abc", *b"def", *b"ghi"]);
}

#[test]
fn a_write_behind_the_end_leaves_zeroes_between() {
    let mut ring = ring();
    let file = file(b"ab");
    assert_eq!(run(&mut ring, &write(fd(&file), b"cd", 4)), Ok(2));
    let mut buffer = [7; 6];
    assert_eq!(run(&mut ring, &read(fd(&file), &mut buffer, 0)), Ok(6));
    assert_eq!(&buffer, b"ab\0\0cd");
}

#[test]
fn files_are_read_and_written_only_as_they_were_opened() {
    let mut ring = ring();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let writer = File::create(&path).unwrap();
    let reader = File::open(&path).unwrap();
    let bad = Err(Errno(libc::EBADF));
    assert_eq!(run(&mut ring, &read(fd(&writer), &mut [0; 1], 0)), bad);
    assert_eq!(run(&mut ring, &write(fd(&reader), b"x", 0)), bad);
    let dir = File::open(dir.path()).unwrap();
    assert_eq!(run(&mut ring, &read(fd(&dir), &mut [0; 1], 0)), Err(Errno(libc::EISDIR)));
}

#[test]
fn memory_that_is_not_there_is_an_error() {
    let mut ring = ring();
    let file = file(b"0123456789");
    let nowhere =
        Read { addr: std::ptr::without_provenance_mut(0x1000), ..read(fd(&file), &mut [0; 1], 0) };
    assert_eq!(run(&mut ring, &nowhere), Err(Errno(libc::EFAULT)));
    let unregistered =
        ReadFixed { target: fd(&file), buf_index: 3, addr: nowhere.addr, len: 1, offset: 0 };
    assert_eq!(run(&mut ring, &unregistered), Err(Errno(libc::EFAULT)));
}

#[test]
fn a_write_to_a_pipe_that_nobody_reads_is_an_error() {
    let mut ring = ring();
    let (reader, writer) = pipe();
    drop(reader);
    assert_eq!(run(&mut ring, &write(fd(&writer), b"x", HERE)), Err(Errno(libc::EPIPE)));
}

#[test]
fn a_write_to_a_full_pipe_waits_until_it_is_read() {
    let mut ring = ring();
    let (reader, writer) = pipe();
    let bytes = vec![7; 1 << 16];
    assert_eq!(run(&mut ring, &write(fd(&writer), &bytes, HERE)), Ok(1 << 16));
    push(&mut ring, &write(fd(&writer), b"more", HERE), 1);
    assert_silence(&mut ring);
    let mut buffer = vec![0; 1 << 16];
    push(&mut ring, &read(fd(&reader), &mut buffer, HERE), 2);
    let mut ended = results(&mut ring, 2);
    ended.sort_unstable();
    assert_eq!(ended, [(1, 4), (2, 1 << 16)]);
}

#[test]
fn with_nowait_what_would_wait_fails() {
    let mut ring = ring();
    let (reader, mut writer) = pipe();
    let mut buffer = [0; 4];
    let nowait =
        RwWith { flags: libc::RWF_NOWAIT, ..RwWith::of(read(fd(&reader), &mut buffer, HERE)) };
    assert_eq!(run(&mut ring, &nowait), Err(Errno(libc::EAGAIN)));
    writer.write_all(b"now").unwrap();
    assert_eq!(run(&mut ring, &nowait), Ok(3));
}

#[test]
fn with_append_a_write_goes_to_the_end_wherever_it_was_meant_for() {
    let mut ring = ring();
    let file = file(b"head ");
    let append = RwWith { flags: libc::RWF_APPEND, ..RwWith::of(write(fd(&file), b"tail", 0)) };
    assert_eq!(run(&mut ring, &append), Ok(4));
    let mut buffer = [0; 9];
    assert_eq!(run(&mut ring, &read(fd(&file), &mut buffer, 0)), Ok(9));
    assert_eq!(&buffer, b"head tail");
}

#[test]
fn flags_and_priorities_that_there_are_not_are_refused() {
    const IDLE: u16 = 3 << 13;
    let mut ring = ring();
    let file = file(b"0123456789");
    let mut buffer = [0; 4];
    let plain = RwWith::of(read(fd(&file), &mut buffer, 0));
    assert_eq!(run(&mut ring, &RwWith { ioprio: IDLE, ..plain }), Ok(4));
    let class = run(&mut ring, &RwWith { ioprio: 5 << 13, ..plain });
    assert_eq!(class, Err(Errno(libc::EINVAL)));
    let flag = run(&mut ring, &RwWith { flags: 1 << 30, ..plain });
    assert_eq!(flag, Err(Errno(libc::EOPNOTSUPP)));
}

#[test]
fn protection_information_is_for_files_that_have_it() {
    let mut ring = ring();
    let file = file(b"0123456789");
    let mut buffer = [0; 4];
    let attr = AttrPi::default();
    let op = RwWith { attr: &raw const attr, ..RwWith::of(read(fd(&file), &mut buffer, 0)) };
    let refused = run(&mut ring, &op).unwrap_err();
    assert!([libc::EINVAL, libc::EOPNOTSUPP].contains(&refused.0), "{refused}");
    assert_eq!(op.features(), Features::RW_ATTR);
}

#[test]
fn a_read_chooses_its_buffer_when_the_bytes_are_there() {
    const GROUP: u16 = 4;
    let mut ring = ring();
    let (reader, mut writer) = pipe();
    let op = ReadSelect { target: fd(&reader), bgid: GROUP, len: 0, offset: HERE };
    let group = Group::new(&mut ring, GROUP, 1, 8);
    push(&mut ring, &op, 1);
    push(&mut ring, &op, 2);
    assert_silence(&mut ring);
    writer.write_all(b"first").unwrap();
    let cqe = next(&mut ring);
    let got = decode::<ReadSelect>(&cqe).unwrap();
    assert_eq!(got.buffer, Some(0), "one buffer served two reads so far");
    assert_eq!(group.bytes(got.buffer, got.bytes), b"first");
    writer.write_all(b"second").unwrap();
    let other = 3 - cqe.user_data;
    assert_eq!(results(&mut ring, 1), [(other, -libc::ENOBUFS)]);
    group.finish(&mut ring);
}

#[test]
fn a_file_is_read_into_a_provided_buffer_up_to_a_limit() {
    const GROUP: u16 = 4;
    let mut ring = ring();
    let file = file(b"0123456789");
    let group = Group::new(&mut ring, GROUP, 2, 8);
    for (len, expected) in [(3, &b"456"[..]), (0, b"456789")] {
        let op = ReadSelect { target: fd(&file), bgid: GROUP, len, offset: 4 };
        let got = run(&mut ring, &op).unwrap();
        assert_eq!(group.bytes(got.buffer, got.bytes), expected);
    }
    group.finish(&mut ring);
}

fn pieces<const N: usize>(buffers: &mut [[u8; 2]; N]) -> [libc::iovec; N] {
    buffers
        .each_mut()
        .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: 2 })
}

#[test]
fn pieces_are_filled_in_order_and_the_last_ones_stay_empty_at_the_end() {
    let mut ring = ring();
    let file = file(b"01234");
    let mut buffers = [*b"--"; 4];
    let iovecs = pieces(&mut buffers);
    let op = Readv { target: fd(&file), iovecs: iovecs.as_ptr(), count: 4, offset: 0, flags: 0 };
    assert_eq!(run(&mut ring, &op), Ok(5));
    assert_eq!(buffers, [*b"01", *b"23", *b"4-", *b"--"]);
    assert_eq!(run(&mut ring, &Readv { count: 0, ..op }), Ok(0));
    assert_eq!(run(&mut ring, &Readv { count: 1025, ..op }), Err(Errno(libc::EINVAL)));
}

#[test]
fn pieces_without_an_offset_go_where_the_file_stands() {
    let mut ring = ring();
    let file = file(b"head");
    let mut buffers = [*b" t", *b"ai", *b"l!"];
    let iovecs = pieces(&mut buffers);
    let op =
        Writev { target: fd(&file), iovecs: iovecs.as_ptr(), count: 3, offset: HERE, flags: 0 };
    assert_eq!(run(&mut ring, &op), Ok(6));
    assert_eq!(position(&file), 10);
}

#[test]
fn a_range_is_flushed_and_one_that_is_none_is_refused() {
    let mut ring = ring();
    let file = file(b"0123456789");
    let op = FsyncRange { target: fd(&file), offset: 0, len: 5, flags: FsyncFlags::EMPTY };
    assert_eq!(run(&mut ring, &op), Ok(()));
    let data = FsyncRange { flags: FsyncFlags::DATASYNC, offset: 4, ..op };
    assert_eq!(run(&mut ring, &data), Ok(()));
    let unknown = FsyncRange { flags: FsyncFlags(1 << 9), ..op };
    assert_eq!(run(&mut ring, &unknown), Err(Errno(libc::EINVAL)));
}

#[test]
fn reads_of_the_same_file_in_one_submission_do_not_mix() {
    let mut ring = ring();
    let content: Vec<u8> = (0..32 * 64).map(|byte| (byte / 64) as u8).collect();
    let file = file(&content);
    let mut buffers = [[0xff; 64]; 32];
    for (buffer, number) in buffers.iter_mut().zip(0..) {
        let read = read(fd(&file), buffer, number * 64);
        link(&mut ring, &read, number, SqeFlags::EMPTY);
    }
    let mut ended = results(&mut ring, 32);
    ended.sort_unstable();
    let expected: Vec<_> = (0..32).map(|number| (number, 64)).collect();
    assert_eq!(ended, expected);
    for (buffer, number) in buffers.iter().zip(0..) {
        assert_eq!(*buffer, [number; 64]);
    }
}

#[test]
fn what_has_no_room_left_is_an_error() {
    let mut ring = ring();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(run(&mut ring, &write(fd(&full), b"x", 0)), Err(Errno(libc::ENOSPC)));
    let nobody: Write = write(Target::Fd(-1), b"x", 0);
    assert_eq!(run(&mut ring, &nobody), Err(Errno(libc::EBADF)));
}

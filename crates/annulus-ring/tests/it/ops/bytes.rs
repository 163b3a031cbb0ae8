//! Reading, writing and moving bytes. Mirrors read-write, short-read, fpos, read-mshot, splice and
//! vec-regbuf of liburing.

use std::{
    io::{Read as _, Write as _},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use annulus_ring::{
    Kernel as _, Ring, Target,
    abi::{Errno, Opcode, RegisterOp},
    op::{
        Pipe, Place, Read, ReadFixed, ReadMulti, Readv, ReadvFixed, Splice, Tee, Write, WriteFixed,
        Writev, WritevFixed,
    },
};

use super::{Group, decode, next, pipe, push, ring, run, supported};

fn iovec(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}

#[test]
fn what_is_written_at_an_offset_is_read_there_and_shorter_at_the_end() {
    let mut ring = ring();
    let file = tempfile::tempfile().unwrap();
    let target = Target::Fd(file.as_raw_fd());
    let write = Write { target, addr: b"ring".as_ptr(), len: 4, offset: 10 };
    assert_eq!(run(&mut ring, &write), Ok(4));

    let mut buffer = [0xff; 8];
    let read = Read { target, addr: buffer.as_mut_ptr(), len: 8, offset: 8 };
    assert_eq!(run(&mut ring, &read), Ok(6));
    assert_eq!(&buffer, b"\0\0ring\xff\xff");
    let behind = Read { offset: 14, ..read };
    assert_eq!(run(&mut ring, &behind), Ok(0));
}

#[test]
fn the_largest_offset_means_the_current_position_which_moves() {
    let mut ring = ring();
    let file = tempfile::tempfile().unwrap();
    let target = Target::Fd(file.as_raw_fd());
    for bytes in [b"one", b"two"] {
        let write = Write { target, addr: bytes.as_ptr(), len: 3, offset: u64::MAX };
        assert_eq!(run(&mut ring, &write), Ok(3));
    }
    assert_eq!(file.metadata().unwrap().len(), 6);
}

#[test]
fn a_slot_is_read_as_its_file_is() {
    let mut ring = ring();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"slot").unwrap();
    ring.register_files_sparse(4).unwrap();
    assert_eq!(ring.update_files(2, &[file.as_raw_fd()]), Ok(1));
    let mut buffer = [0; 4];
    let read = Read { target: Target::Fixed(2), addr: buffer.as_mut_ptr(), len: 4, offset: 0 };
    assert_eq!(run(&mut ring, &read), Ok(4));
    assert_eq!(&buffer, b"slot");
    let empty = Read { target: Target::Fixed(3), ..read };
    assert_eq!(run(&mut ring, &empty), Err(Errno(libc::EBADF)));
}

#[test]
fn pieces_are_written_and_read_in_order() {
    let mut ring = ring();
    let file = tempfile::tempfile().unwrap();
    let target = Target::Fd(file.as_raw_fd());
    let (mut first, mut second) = (*b"pie", *b"ces");
    let out = [iovec(&mut first), iovec(&mut second)];
    let writev =
        Writev { target, iovecs: out.as_ptr(), count: 2, offset: 0, flags: libc::RWF_DSYNC };
    assert_eq!(run(&mut ring, &writev), Ok(6));

    let (mut head, mut tail) = ([0; 1], [0; 9]);
    let into = [iovec(&mut head), iovec(&mut tail)];
    let readv = Readv { target, iovecs: into.as_ptr(), count: 2, offset: 0, flags: 0 };
    assert_eq!(run(&mut ring, &readv), Ok(6));
    assert_eq!((&head, &tail), (b"p", b"ieces\0\0\0\0"));
}

/// Registers one buffer, as number 0.
fn register(ring: &mut Ring, buffer: &mut [u8]) {
    const BUFFERS: RegisterOp = RegisterOp(0);
    let mut pieces = [iovec(buffer)];
    let arg = pieces.as_mut_ptr();
    // SAFETY: one piece, read during the call; its memory outlives the ring in every test here.
    unsafe { ring.kernel().register(BUFFERS, arg.cast(), 1) }.unwrap();
}

#[test]
fn a_registered_buffer_is_written_from_and_read_into() {
    let mut buffer = vec![0; 8192];
    buffer[..5].copy_from_slice(b"fixed");
    let mut ring = ring();
    register(&mut ring, &mut buffer);
    let file = tempfile::tempfile().unwrap();
    let target = Target::Fd(file.as_raw_fd());
    let base = buffer.as_mut_ptr();
    let write = WriteFixed { target, buf_index: 0, addr: base, len: 5, offset: 0 };
    assert_eq!(run(&mut ring, &write), Ok(5));
    let read =
        ReadFixed { target, buf_index: 0, addr: base.wrapping_add(4096), len: 100, offset: 0 };
    assert_eq!(run(&mut ring, &read), Ok(5));
    let outside = ReadFixed { addr: base.wrapping_add(8190), ..read };
    assert_eq!(run(&mut ring, &outside), Err(Errno(libc::EFAULT)));
    assert_eq!(&buffer[4096..4101], b"fixed");
}

#[test]
fn pieces_of_a_registered_buffer_are_written_from_and_read_into() {
    let mut buffer = vec![0; 64];
    buffer[..4].copy_from_slice(b"abcd");
    let mut ring = ring();
    if !supported(&ring, &[Opcode::READV_FIXED, Opcode::WRITEV_FIXED]) {
        return;
    }
    register(&mut ring, &mut buffer);
    let file = tempfile::tempfile().unwrap();
    let target = Target::Fd(file.as_raw_fd());
    let (from, into) = buffer.split_at_mut(32);
    let (from_low, from_high) = from.split_at_mut(2);
    let out = [iovec(&mut from_high[..2]), iovec(from_low)];
    let write =
        WritevFixed { target, buf_index: 0, iovecs: out.as_ptr(), count: 2, offset: 0, flags: 0 };
    assert_eq!(run(&mut ring, &write), Ok(4));
    let pieces = [iovec(&mut into[..4])];
    let read =
        ReadvFixed { target, buf_index: 0, iovecs: pieces.as_ptr(), count: 1, offset: 0, flags: 0 };
    assert_eq!(run(&mut ring, &read), Ok(4));
    assert_eq!(&buffer[32..36], b"cdab");
}

#[test]
fn a_pipe_is_read_again_and_again_until_it_ends() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::READ_MULTISHOT]) {
        return;
    }
    let mut group = Group::new(&mut ring, 1, 2, 64);
    let (reader, mut writer) = pipe();
    let read = ReadMulti { target: Target::Fd(reader.as_raw_fd()), bgid: 1 };
    push(&mut ring, &read, 5);
    for bytes in [&b"first"[..], b"second", b"third"] {
        writer.write_all(bytes).unwrap();
        let cqe = next(&mut ring);
        assert!(cqe.more());
        let got = decode::<ReadMulti>(&cqe).unwrap();
        assert_eq!(group.bytes(got.buffer, got.bytes), bytes);
        group.give(got.buffer.unwrap());
    }
    drop(writer);
    let end = next(&mut ring);
    assert!(!end.more());
    assert_eq!(decode::<ReadMulti>(&end).unwrap().bytes, 0);
    group.finish(&mut ring);
}

#[test]
fn a_file_that_cannot_be_polled_is_not_read_again_and_again() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::READ_MULTISHOT]) {
        return;
    }
    let group = Group::new(&mut ring, 1, 1, 64);
    let file = tempfile::tempfile().unwrap();
    let read = ReadMulti { target: Target::Fd(file.as_raw_fd()), bgid: 1 };
    assert_eq!(run(&mut ring, &read).unwrap_err(), Errno(libc::EBADFD));
    group.finish(&mut ring);
}

#[test]
fn bytes_are_spliced_from_a_file_into_a_pipe_and_teed_into_another() {
    let mut ring = ring();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"a pipe dream").unwrap();
    ring.register_files_sparse(1).unwrap();
    assert_eq!(ring.update_files(0, &[file.as_raw_fd()]), Ok(1));
    let (mut first_reader, first_writer) = pipe();
    let (mut second_reader, second_writer) = pipe();
    let splice = Splice {
        from: Target::Fixed(0),
        from_offset: 2,
        to: Target::Fd(first_writer.as_raw_fd()),
        to_offset: u64::MAX,
        len: 4,
        flags: 0,
    };
    assert_eq!(run(&mut ring, &splice), Ok(4));
    let tee = Tee {
        from: Target::Fd(first_reader.as_raw_fd()),
        to: Target::Fd(second_writer.as_raw_fd()),
        len: 4,
        flags: 0,
    };
    assert_eq!(run(&mut ring, &tee), Ok(4));
    for reader in [&mut first_reader, &mut second_reader] {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"pipe");
    }
}

#[test]
fn a_pipe_is_made_with_both_its_ends() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::PIPE]) {
        return;
    }
    let mut ends: [RawFd; 2] = [-1; 2];
    let op = Pipe { ends: &mut ends, flags: libc::O_CLOEXEC, place: Place::Fd };
    assert_eq!(run(&mut ring, &op), Ok(()));
    let [reader, writer] = ends.map(|fd| {
        // SAFETY: the completion gave both descriptors to this test.
        std::fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) })
    });
    (&writer).write_all(b"x").unwrap();
    drop(writer);
    let mut bytes = Vec::new();
    (&reader).read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"x");
}

//! Open files: flushing, sizes, advice, closing. Mirrors fsync, fallocate, truncate, fadvise,
//! madvise and open-close of liburing.

use std::{
    io::Read as _,
    os::fd::{AsRawFd, IntoRawFd},
};

use annulus_ring::{
    Target,
    abi::{Errno, FsyncFlags, Opcode},
    op::{Close, CloseFixed, Fadvise, Fallocate, Fsync, Ftruncate, Madvise, Nop, SyncFileRange},
};

use super::{pipe, ring, run, supported};

#[test]
fn nothing_completes() {
    assert_eq!(run(&mut ring(), &Nop), Ok(()));
}

#[test]
fn a_file_is_flushed_and_a_pipe_is_not() {
    let mut ring = ring();
    let file = tempfile::tempfile().unwrap();
    for flags in [FsyncFlags::EMPTY, FsyncFlags::DATASYNC] {
        let fsync = Fsync { target: Target::Fd(file.as_raw_fd()), flags };
        assert_eq!(run(&mut ring, &fsync), Ok(()));
    }
    let (reader, _writer) = pipe();
    let pipe = Fsync { target: Target::Fd(reader.as_raw_fd()), flags: FsyncFlags::EMPTY };
    assert_eq!(run(&mut ring, &pipe), Err(Errno(libc::EINVAL)));
}

#[test]
fn a_range_is_written_back_and_not_of_a_pipe() {
    let mut ring = ring();
    let file = tempfile::tempfile().unwrap();
    let sync = SyncFileRange {
        target: Target::Fd(file.as_raw_fd()),
        offset: 0,
        len: 0,
        flags: libc::SYNC_FILE_RANGE_WRITE,
    };
    assert_eq!(run(&mut ring, &sync), Ok(()));
    let (reader, _writer) = pipe();
    let pipe = SyncFileRange { target: Target::Fd(reader.as_raw_fd()), ..sync };
    assert_eq!(run(&mut ring, &pipe), Err(Errno(libc::ESPIPE)));
}

#[test]
fn space_is_allocated_and_the_length_set() {
    let mut ring = ring();
    let file = tempfile::tempfile().unwrap();
    let target = Target::Fd(file.as_raw_fd());
    let allocate = Fallocate { target, mode: 0, offset: 4096, len: 4096 };
    assert_eq!(run(&mut ring, &allocate), Ok(()));
    assert_eq!(file.metadata().unwrap().len(), 8192);
    if !supported(&ring, &[Opcode::FTRUNCATE]) {
        return;
    }
    let truncate = Ftruncate { target, len: 5000 };
    assert_eq!(run(&mut ring, &truncate), Ok(()));
    assert_eq!(file.metadata().unwrap().len(), 5000);
}

#[test]
fn advice_about_a_file_is_taken_and_about_a_pipe_is_not() {
    let mut ring = ring();
    let file = tempfile::tempfile().unwrap();
    for advice in [libc::POSIX_FADV_SEQUENTIAL, libc::POSIX_FADV_DONTNEED] {
        let fadvise =
            Fadvise { target: Target::Fd(file.as_raw_fd()), offset: 0, len: 4096, advice };
        assert_eq!(run(&mut ring, &fadvise), Ok(()));
    }
    let (reader, _writer) = pipe();
    let pipe = Fadvise {
        target: Target::Fd(reader.as_raw_fd()),
        offset: 0,
        len: 0,
        advice: libc::POSIX_FADV_NORMAL,
    };
    assert_eq!(run(&mut ring, &pipe), Err(Errno(libc::ESPIPE)));
}

#[test]
fn memory_that_is_not_needed_becomes_zero() {
    const PAGE: usize = 65536;
    let mut ring = ring();
    let mut memory = vec![7_u8; 3 * PAGE];
    let start = memory.as_ptr().align_offset(PAGE);
    let madvise = Madvise {
        addr: memory[start..].as_mut_ptr(),
        len: PAGE as u64,
        advice: libc::MADV_DONTNEED,
    };
    assert_eq!(run(&mut ring, &madvise), Ok(()));
    assert!(memory[start..start + PAGE].iter().all(|&byte| byte == 0));
    assert_eq!(memory[start + PAGE], 7);
}

#[test]
fn a_closed_pipe_ends_for_its_reader() {
    let mut ring = ring();
    let (mut reader, writer) = pipe();
    let close = Close { fd: writer.into_raw_fd() };
    assert_eq!(run(&mut ring, &close), Ok(()));
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    assert_eq!(run(&mut ring, &Close { fd: -1 }), Err(Errno(libc::EBADF)));
}

#[test]
fn a_slot_is_closed_once() {
    let mut ring = ring();
    let file = tempfile::tempfile().unwrap();
    ring.register_files_sparse(2).unwrap();
    assert_eq!(ring.update_files(1, &[file.as_raw_fd()]), Ok(1));
    let close = CloseFixed { slot: 1 };
    assert_eq!(run(&mut ring, &close), Ok(()));
    assert_eq!(run(&mut ring, &close), Err(Errno(libc::EBADF)));
    let behind = CloseFixed { slot: 2 };
    assert_eq!(run(&mut ring, &behind), Err(Errno(libc::EINVAL)));
}

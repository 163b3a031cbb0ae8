//! What the feature bits of a ring promise, each shown by what it changes.
//!
//! A kernel that does not have the feature is skipped, and said so on standard error. Mirrors
//! submit-reuse, read-write, fpos, direct-open-link and io-wq's workers of liburing.

use std::{
    ffi::CString,
    fs,
    io::Write as _,
    os::{fd::AsRawFd as _, unix::ffi::OsStringExt as _},
    ptr,
    time::{Duration, Instant},
};

use annulus_ring::{
    Ring, Target,
    abi::{Features, MMAP_SQ_RING, SqeFlags},
    op::{Nop, Openat, Place, Read, Readv},
};

use crate::{
    ops::{link, next, next_two, pipe, push, ring},
    support::{skip, wait},
};

fn has(ring: &Ring, feature: Features) -> bool {
    let has = ring.capabilities().has(feature);
    if !has {
        skip(&format!("this kernel does not have {feature:?}"));
    }
    has
}

/// Whether a worker of this thread's rings exists: its name has the thread's number.
fn has_worker() -> bool {
    // SAFETY: no arguments, and no way to fail.
    let thread = unsafe { libc::gettid() };
    let name = format!("iou-wrk-{thread}");
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let mut names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.any(|comm| comm.trim_end() == name)
}

#[test]
fn what_an_entry_points_at_may_change_once_it_was_submitted() {
    let mut ring = ring();
    if !has(&ring, Features::SUBMIT_STABLE) {
        return;
    }
    let (reader, mut writer) = pipe();
    let mut buffer = [0; 4];
    let piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: 4 };
    let mut iovecs = Box::new([piece]);
    let (target, offset) = (Target::Fd(reader.as_raw_fd()), u64::MAX);
    push(&mut ring, &Readv { target, iovecs: iovecs.as_ptr(), count: 1, offset, flags: 0 }, 1);
    iovecs[0] = libc::iovec { iov_base: ptr::null_mut(), iov_len: 1 };
    drop(iovecs);
    writer.write_all(b"data").unwrap();
    assert_eq!(next(&mut ring).result(), Ok(4));
    assert_eq!(&buffer, b"data");
}

#[test]
fn reads_at_the_position_go_on_where_the_last_one_ended() {
    let mut ring = ring();
    if !has(&ring, Features::RW_CUR_POS) {
        return;
    }
    let path = tempfile::NamedTempFile::new().unwrap();
    fs::write(path.path(), b"onetwo").unwrap();
    let file = fs::File::open(path.path()).unwrap();
    let target = Target::Fd(file.as_raw_fd());
    for expected in [b"one", b"two"] {
        let mut buffer = [0; 3];
        push(&mut ring, &Read { target, addr: buffer.as_mut_ptr(), len: 3, offset: u64::MAX }, 1);
        assert_eq!(next(&mut ring).result(), Ok(3));
        assert_eq!(&buffer, expected);
    }
}

#[test]
fn a_read_that_waits_for_a_pipe_has_no_worker_unless_it_is_told_to() {
    let mut ring = ring();
    if !has(&ring, Features::FAST_POLL | Features::NATIVE_WORKERS) {
        return;
    }
    let (reader, mut writer) = pipe();
    let mut buffer = [0; 2];
    let target = Target::Fd(reader.as_raw_fd());
    let read = Read { target, addr: buffer.as_mut_ptr(), len: 1, offset: u64::MAX };
    push(&mut ring, &read, 1);
    assert_eq!(ring.submit_and_wait(1, Some(1_000_000)), Ok(0));
    assert!(!has_worker(), "the request is polled");
    writer.write_all(b"a").unwrap();
    assert_eq!(next(&mut ring).result(), Ok(1));

    link(&mut ring, &read, 2, SqeFlags::ASYNC);
    ring.submit().unwrap();
    let start = Instant::now();
    while !has_worker() {
        assert!(start.elapsed() < Duration::from_secs(20), "a worker waits in read(2)");
        std::thread::yield_now();
    }
    writer.write_all(b"b").unwrap();
    assert_eq!(next(&mut ring).result(), Ok(1));
    assert_eq!(buffer[0], b'b');
}

#[test]
fn a_link_uses_the_slot_that_the_one_before_it_filled() {
    let mut ring = ring();
    if !has(&ring, Features::LINKED_FILE) {
        return;
    }
    ring.register_files_sparse(1).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), b"slot").unwrap();
    let path = CString::new(file.path().as_os_str().to_owned().into_vec()).unwrap();
    let (dir, place) = (libc::AT_FDCWD, Place::Fixed(0));
    let open = Openat { dir, path: path.as_ptr(), flags: libc::O_RDONLY, mode: 0, place };
    let mut buffer = [0; 4];
    let target = Target::Fixed(0);
    let read = Read { target, addr: buffer.as_mut_ptr(), len: 4, offset: 0 };
    link(&mut ring, &open, 1, SqeFlags::IO_LINK);
    link(&mut ring, &read, 2, SqeFlags::EMPTY);
    let [opened, bytes] = next_two(&mut ring).map(|cqe| cqe.result());
    assert_eq!((opened, bytes), (Ok(0), Ok(4)));
    assert_eq!(&buffer, b"slot");
}

#[test]
fn a_submission_thread_takes_ordinary_descriptors() {
    let mut ring = Ring::builder().entries(8).sqpoll(Duration::from_millis(50)).build().unwrap();
    if !has(&ring, Features::SQPOLL_NONFIXED) {
        return;
    }
    let (reader, mut writer) = pipe();
    let mut buffer = [0; 4];
    let target = Target::Fd(reader.as_raw_fd());
    push(&mut ring, &Read { target, addr: buffer.as_mut_ptr(), len: 4, offset: u64::MAX }, 1);
    writer.write_all(b"free").unwrap();
    while ring.cq_ready() == 0 {
        wait(&mut ring, 1, None);
    }
    assert_eq!(next(&mut ring).result(), Ok(4));
    assert_eq!(&buffer, b"free");
}

/// The queues of `ring` as one mapping, and how many bytes that is.
fn mapped(ring: &Ring, offset: u64) -> (*const u8, usize) {
    let params = ring.params();
    let bytes = (params.cq_off.cqes + params.cq_entries * 16) as usize;
    let (access, sharing) = (libc::PROT_READ, libc::MAP_SHARED);
    let at = ptr::null_mut();
    // SAFETY: a new mapping, somewhere.
    let start = unsafe { libc::mmap(at, bytes, access, sharing, ring.fd(), offset as i64) };
    assert_ne!(start, libc::MAP_FAILED);
    (start.cast(), bytes)
}

#[test]
fn one_mapping_holds_both_queues() {
    let mut ring = ring();
    if !has(&ring, Features::SINGLE_MMAP) {
        return;
    }
    let (start, bytes) = mapped(&ring, MMAP_SQ_RING);
    let tail = |ring: &Ring, of_sq: bool| {
        let params = ring.params();
        let offset = if of_sq { params.sq_off.tail } else { params.cq_off.tail };
        // SAFETY: the offset of an index that the mapping holds.
        let word = unsafe { start.add(offset as usize) }.cast::<u32>();
        // SAFETY: the kernel writes it only within the calls of this thread.
        unsafe { word.read_volatile() }
    };
    let before = [true, false].map(|of_sq| tail(&ring, of_sq));
    for _ in 0..3 {
        push(&mut ring, &Nop, 1);
        assert_eq!(next(&mut ring).result(), Ok(0));
    }
    let after = [true, false].map(|of_sq| tail(&ring, of_sq));
    assert_eq!(after, before.map(|index| index + 3));
    // SAFETY: the mapping made above, which nobody uses any more.
    assert_eq!(unsafe { libc::munmap(start.cast_mut().cast(), bytes) }, 0);
}

//! Registered buffers shared between rings. Mirrors regbuf-clone of liburing.

use std::{
    fs::File,
    io::{Seek as _, Write as _},
    os::fd::AsRawFd as _,
};

use annulus_ring::{BufferRange, Ring, RingFds, Target, abi::Errno, op::ReadFixed};

use super::{errno, granted, iovecs};
use crate::ops::{ring, run};

const ALL: BufferRange = BufferRange { source: 0, target: 0, count: 0, replace: false };
const PIECE: usize = 4096;

/// A ring with four buffers of a page each, and the memory that they are.
fn source() -> (Ring, Vec<u8>) {
    let mut memory = vec![0; 4 * PIECE];
    let mut ring = ring();
    let pieces: Vec<_> = memory.chunks_mut(PIECE).map(|piece| iovecs([piece])[0]).collect();
    ring.register_buffers(&pieces, &[]).unwrap();
    (ring, memory)
}

/// Clones, or says that the kernel cannot.
fn cloned(from: &Ring, to: &mut Ring, which: BufferRange) -> Option<Result<(), Errno>> {
    granted(to.clone_buffers(from.fd(), which))
}

/// Whether `ring` has piece `piece` of `memory` as its buffer `index`.
fn has(ring: &mut Ring, index: u16, memory: &mut [u8], piece: usize) -> bool {
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(&[0x77; 8]).unwrap();
    file.rewind().unwrap();
    let addr = memory[piece * PIECE..].as_mut_ptr();
    let target = Target::Fd(file.as_raw_fd());
    let read = ReadFixed { target, buf_index: index, addr, len: 8, offset: 0 };
    match run(ring, &read) {
        Ok(8) => memory[piece * PIECE..][..8] == [0x77; 8],
        other => {
            assert_eq!(other, Err(Errno(libc::EFAULT)));
            false
        }
    }
}

#[test]
fn a_ring_without_buffers_takes_all_of_another() {
    let (source, mut memory) = source();
    let mut target = ring();
    let Some(done) = cloned(&source, &mut target, ALL) else { return };
    assert_eq!(done, Ok(()));
    for index in 0..4 {
        assert!(has(&mut target, index, &mut memory, index.into()));
    }
    assert!(!has(&mut target, 4, &mut memory, 0));
}

#[test]
fn cloned_buffers_outlive_the_ring_that_they_came_from() {
    let (source, mut memory) = source();
    let mut target = ring();
    let Some(done) = cloned(&source, &mut target, ALL) else { return };
    assert_eq!(done, Ok(()));
    drop(source);
    assert!(has(&mut target, 3, &mut memory, 3));
    target.unregister_buffers().unwrap();
    assert!(!has(&mut target, 3, &mut memory, 3));
}

#[test]
fn a_ring_without_buffers_has_none_to_give() {
    let mut target = ring();
    let Some(done) = cloned(&ring(), &mut target, ALL) else { return };
    assert_eq!(done, Err(Errno(libc::ENXIO)));
    assert_eq!(errno(target.unregister_buffers()), libc::ENXIO);
}

// IORING_REGISTER_DST_REPLACE
#[test]
fn a_ring_with_buffers_takes_none_unless_they_may_be_replaced() {
    let (first, mut memory) = source();
    let (second, mut others) = source();
    let mut target = ring();
    let Some(done) = cloned(&first, &mut target, ALL) else { return };
    assert_eq!(done, Ok(()));
    assert_eq!(errno(target.clone_buffers(second.fd(), ALL)), libc::EBUSY);
    assert!(has(&mut target, 0, &mut memory, 0), "it has what it had");
    let replace = BufferRange { source: 1, target: 2, count: 1, replace: true };
    target.clone_buffers(second.fd(), replace).unwrap();
    assert!(has(&mut target, 2, &mut others, 1));
    assert!(!has(&mut target, 2, &mut memory, 2));
    assert!(has(&mut target, 3, &mut memory, 3), "the others are as they were");
}

#[test]
fn a_range_goes_where_it_is_told_and_the_slots_before_it_are_empty() {
    let (source, mut memory) = source();
    let mut target = ring();
    let some = BufferRange { source: 2, target: 5, count: 2, replace: false };
    let Some(done) = cloned(&source, &mut target, some) else { return };
    assert_eq!(done, Ok(()));
    assert!(has(&mut target, 5, &mut memory, 2) && has(&mut target, 6, &mut memory, 3));
    assert!(!has(&mut target, 0, &mut memory, 0) && !has(&mut target, 7, &mut memory, 0));
}

#[test]
fn all_of_them_are_cloned_from_the_first_to_the_first_only() {
    let (source, mut memory) = source();
    let mut target = ring();
    let rest = BufferRange { source: 3, ..ALL };
    let Some(done) = cloned(&source, &mut target, rest) else { return };
    assert_eq!(done, Err(Errno(libc::EINVAL)), "a range has a count");
    assert_eq!(
        errno(target.clone_buffers(source.fd(), BufferRange { target: 1, ..ALL })),
        libc::EINVAL
    );
    target.clone_buffers(source.fd(), BufferRange { count: 1, ..rest }).unwrap();
    assert!(has(&mut target, 0, &mut memory, 3));
    assert!(!has(&mut target, 1, &mut memory, 0));
}

#[test]
fn a_range_beyond_the_source_is_refused_and_nothing_is_cloned() {
    let (source, _memory) = source();
    let mut target = ring();
    let beyond = BufferRange { source: 3, count: 2, ..ALL };
    let Some(done) = cloned(&source, &mut target, beyond) else { return };
    assert!(matches!(done, Err(Errno(libc::EOVERFLOW | libc::EINVAL))), "{done:?}");
    let outside = BufferRange { source: 4, count: 1, ..ALL };
    let number = errno(target.clone_buffers(source.fd(), outside));
    assert!(matches!(number, libc::EOVERFLOW | libc::EINVAL), "{number}");
    assert_eq!(errno(target.unregister_buffers()), libc::ENXIO);
}

#[test]
fn a_failed_replacement_leaves_the_buffers_as_they_were() {
    let (source, mut memory) = source();
    let mut target = ring();
    let Some(done) = cloned(&source, &mut target, ALL) else { return };
    assert_eq!(done, Ok(()));
    let beyond = BufferRange { source: 2, target: 0, count: 3, replace: true };
    assert!(target.clone_buffers(source.fd(), beyond).is_err());
    let none = BufferRange { replace: true, ..ALL };
    assert_eq!(errno(target.clone_buffers(ring().fd(), none)), libc::ENXIO);
    for index in 0..4 {
        assert!(has(&mut target, index, &mut memory, index.into()));
    }
}

#[test]
fn a_source_that_is_no_ring_is_refused() {
    let mut target = ring();
    let null = File::open("/dev/null").unwrap();
    let Some(done) = granted(target.clone_buffers(null.as_raw_fd(), ALL)) else { return };
    assert!(matches!(done, Err(Errno(libc::EOPNOTSUPP | libc::EBADFD))), "{done:?}");
    assert_eq!(errno(target.clone_buffers(-1, ALL)), libc::EBADF);
    let (closed, _memory) = source();
    let fd = closed.fd();
    drop(closed);
    let number = errno(target.clone_buffers(fd, ALL));
    assert!(matches!(number, libc::EBADF | libc::EOPNOTSUPP | libc::ENXIO), "{number}");
}

#[test]
fn a_source_may_be_named_by_its_index() {
    let (source, mut memory) = source();
    let mut target = ring();
    let Some(done) = cloned(&source, &mut target, ALL) else { return };
    assert_eq!(done, Ok(()));
    target.unregister_buffers().unwrap();
    let fds = RingFds::register(&[source.fd()]).unwrap();
    let index = fds.indices()[0];
    drop(source);
    target.clone_buffers_registered(index, ALL).unwrap();
    assert!(has(&mut target, 2, &mut memory, 2), "its descriptor is closed, its place is not");
    target.unregister_buffers().unwrap();
    drop(fds);
    assert_eq!(errno(target.clone_buffers_registered(index, ALL)), libc::EBADF);
    assert_eq!(errno(target.clone_buffers_registered(16, ALL)), libc::EINVAL, "beyond the table");
}

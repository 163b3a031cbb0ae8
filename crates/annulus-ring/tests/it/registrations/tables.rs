//! The fixed-file table: given at once, updated, and the range that the kernel chooses from.
//! Mirrors file-register, file-alloc-range-hint and fixed-reuse of liburing.

use std::{fs::File, io::Write as _, os::fd::AsRawFd as _};

use annulus_ring::{
    Refusal, Ring, SAME_SLOT, Target,
    abi::{Errno, SqeFlags},
    op::{CloseFixed, Openat, Place, Read},
};

use super::errno;
use crate::ops::{decode, link, next_two, pipe, push, ring, run};

/// Opens `/dev/null` as a direct descriptor.
fn open(ring: &mut Ring, place: Place) -> Result<i32, Errno> {
    let path = c"/dev/null".as_ptr();
    let open = Openat { dir: libc::AT_FDCWD, path, flags: libc::O_RDONLY, mode: 0, place };
    run(ring, &open)
}

fn read(target: Target, byte: &mut [u8]) -> Read {
    Read { target, addr: byte.as_mut_ptr(), len: byte.len() as u32, offset: u64::MAX }
}

#[test]
fn a_table_given_at_once_serves_each_slot() {
    let mut ring = ring();
    let ((a, mut to_a), (b, mut to_b)) = (pipe(), pipe());
    ring.register_files(&[a.as_raw_fd(), -1, b.as_raw_fd()], &[]).unwrap();
    drop((a, b));
    to_a.write_all(b"a").unwrap();
    to_b.write_all(b"b").unwrap();
    let mut byte = [0];
    for (slot, expected) in [(2, b'b'), (0, b'a')] {
        assert_eq!(run(&mut ring, &read(Target::Fixed(slot), &mut byte)), Ok(1));
        assert_eq!(byte, [expected]);
    }
    for slot in [1, 3, u32::MAX] {
        let read = read(Target::Fixed(slot), &mut byte);
        assert_eq!(run(&mut ring, &read), Err(Errno(libc::EBADF)), "slot {slot}");
    }
}

#[test]
fn a_table_with_a_bad_descriptor_is_not_registered_at_all() {
    let mut ring = ring();
    let null = File::open("/dev/null").unwrap();
    let fds = [null.as_raw_fd(), i32::MAX];
    assert_eq!(errno(ring.register_files(&fds, &[])), libc::EBADF);
    assert_eq!(ring.unregister_files(), Err(Errno(libc::ENXIO)));
    ring.register_files(&fds[..1], &[]).unwrap();
}

#[test]
fn a_table_without_slots_is_refused() {
    assert_eq!(errno(ring().register_files(&[], &[])), libc::EINVAL);
}

#[test]
fn an_update_stops_at_a_bad_descriptor_and_says_how_far_it_came() {
    let mut ring = ring();
    ring.register_files_sparse(4).unwrap();
    let (reader, mut writer) = pipe();
    let fds = [reader.as_raw_fd(), SAME_SLOT, i32::MAX, reader.as_raw_fd()];
    assert_eq!(ring.update_files(0, &fds), Ok(2));
    writer.write_all(b"xy").unwrap();
    let mut byte = [0];
    assert_eq!(run(&mut ring, &read(Target::Fixed(0), &mut byte)), Ok(1));
    assert_eq!(run(&mut ring, &read(Target::Fixed(3), &mut byte)), Err(Errno(libc::EBADF)));
}

#[test]
fn a_ring_may_not_be_in_a_table_of_files() {
    let mut ring = ring();
    ring.register_files_sparse(1).unwrap();
    let own = ring.fd();
    assert_eq!(ring.update_files(0, &[own]), Err(Errno(libc::EBADF)));
}

#[test]
fn the_kernel_chooses_slots_within_its_range_only() {
    let mut ring = ring();
    ring.register_files_sparse(8).unwrap();
    ring.set_file_alloc_range(5..7).unwrap();
    let mut chosen = [(); 2].map(|()| open(&mut ring, Place::FixedAny).unwrap());
    chosen.sort_unstable();
    assert_eq!(chosen, [5, 6]);
    assert_eq!(open(&mut ring, Place::FixedAny), Err(Errno(libc::ENFILE)));
    assert_eq!(open(&mut ring, Place::Fixed(0)), Ok(0), "others are for who names them");
}

#[test]
fn a_slot_that_was_freed_in_the_range_is_chosen_again() {
    let mut ring = ring();
    ring.register_files_sparse(8).unwrap();
    ring.set_file_alloc_range(2..4).unwrap();
    for _ in 0..2 {
        open(&mut ring, Place::FixedAny).unwrap();
    }
    for slot in [3, 2, 3] {
        assert_eq!(run(&mut ring, &CloseFixed { slot }), Ok(()));
        assert_eq!(open(&mut ring, Place::FixedAny), Ok(slot as i32));
    }
}

#[test]
fn a_new_range_is_searched_from_its_own_beginning() {
    let mut ring = ring();
    ring.register_files_sparse(16).unwrap();
    ring.set_file_alloc_range(8..12).unwrap();
    assert_eq!(open(&mut ring, Place::FixedAny), Ok(8));
    ring.set_file_alloc_range(1..3).unwrap();
    assert_eq!(open(&mut ring, Place::FixedAny), Ok(1));
    assert_eq!(open(&mut ring, Place::FixedAny), Ok(2));
    assert_eq!(open(&mut ring, Place::FixedAny), Err(Errno(libc::ENFILE)));
}

#[test]
fn a_range_beyond_the_table_is_refused() {
    let mut ring = ring();
    assert_eq!(errno(ring.set_file_alloc_range(0..1)), libc::EINVAL, "there is no table");
    ring.register_files_sparse(4).unwrap();
    assert_eq!(errno(ring.set_file_alloc_range(3..5)), libc::EINVAL);
    assert_eq!(errno(ring.set_file_alloc_range(1..u32::MAX)), libc::EINVAL);
    ring.set_file_alloc_range(3..4).unwrap();
    assert_eq!(open(&mut ring, Place::FixedAny), Ok(3));
}

#[test]
fn a_linked_request_uses_the_file_that_the_one_before_put_into_its_slot() {
    let mut ring = ring();
    let (full, mut writer) = pipe();
    writer.write_all(b"old").unwrap();
    ring.register_files(&[full.as_raw_fd()], &[]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().join("new");
    std::fs::write(&name, b"new").unwrap();
    let path = std::ffi::CString::new(name.to_str().unwrap()).unwrap();
    let place = Place::Fixed(0);
    let open = Openat { dir: libc::AT_FDCWD, path: path.as_ptr(), flags: 0, mode: 0, place };
    let mut bytes = [0; 3];
    link(&mut ring, &open, 1, SqeFlags::IO_LINK);
    let read = Read { offset: 0, ..read(Target::Fixed(0), &mut bytes) };
    push(&mut ring, &read, 2);
    let [opened, done] = next_two(&mut ring);
    assert_eq!(decode::<Openat>(&opened), Ok(0));
    assert_eq!(decode::<Read>(&done), Ok(3));
    assert_eq!(&bytes, b"new");
}

#[test]
fn a_number_of_tags_that_does_not_fit_is_refused_before_the_kernel_is_asked() {
    let mut ring = ring();
    let refused = ring.register_files(&[0, 0], &[1]).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Tags(1));
    let refused = ring.update_files_tagged(0, &[0], &[1, 2]).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Tags(2));
    assert!(refused.to_string().contains("one for each resource"), "{refused}");
}

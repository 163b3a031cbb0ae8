//! Files in slots, and out of them again. Mirrors fd-install, fixed-reuse, open-direct-link and
//! file-update of liburing.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    os::fd::{AsRawFd as _, RawFd},
};

use annulus_ring::{
    Ring, Target,
    abi::{Errno, FILE_INDEX_ALLOC, Opcode},
    op::{CloseFixed, FilesUpdate, FixedFdInstall, Openat, Place},
};

use super::{
    made::{HERE, file, owned, read, write},
    pipe, ring, run, supported,
};

fn with_slots(slots: u32) -> Ring {
    let mut ring = ring();
    ring.register_files_sparse(slots).unwrap();
    ring
}

fn open(place: Place) -> Openat {
    let path = c"/proc/self/stat".as_ptr();
    Openat { dir: libc::AT_FDCWD, path, flags: libc::O_RDONLY, mode: 0, place }
}

#[test]
fn an_installed_descriptor_outlives_its_slot() {
    let mut ring = with_slots(1);
    if !supported(&ring, &[Opcode::FIXED_FD_INSTALL]) {
        return;
    }
    let original = file(b"lives on");
    assert_eq!(ring.update_files(0, &[original.as_raw_fd()]), Ok(1));
    drop(original);
    let install = FixedFdInstall { slot: 0, inherit: false };
    let mut installed = File::from(owned(run(&mut ring, &install).unwrap()));
    assert_eq!(run(&mut ring, &CloseFixed { slot: 0 }), Ok(()));
    installed.rewind().unwrap();
    let mut text = String::new();
    installed.read_to_string(&mut text).unwrap();
    assert_eq!(text, "lives on");
}

#[test]
fn what_is_not_in_a_slot_is_not_installed() {
    let mut ring = with_slots(1);
    if !supported(&ring, &[Opcode::FIXED_FD_INSTALL]) {
        return;
    }
    for slot in [0, 1, 1000] {
        let install = FixedFdInstall { slot, inherit: false };
        assert_eq!(run(&mut ring, &install), Err(Errno(libc::EBADF)), "slot {slot}");
    }
}

#[test]
fn free_slots_are_given_out_until_there_is_none() {
    let mut ring = with_slots(3);
    let mut slots: Vec<RawFd> =
        (0..3).map(|_| run(&mut ring, &open(Place::FixedAny)).unwrap()).collect();
    slots.sort_unstable();
    assert_eq!(slots, [0, 1, 2]);
    assert_eq!(run(&mut ring, &open(Place::FixedAny)), Err(Errno(libc::ENFILE)));
    assert_eq!(run(&mut ring, &CloseFixed { slot: 1 }), Ok(()));
    assert_eq!(run(&mut ring, &open(Place::FixedAny)), Ok(1));
}

#[test]
fn a_slot_that_is_opened_again_holds_the_second_file() {
    let mut ring = with_slots(1);
    let (reader, writer) = pipe();
    assert_eq!(ring.update_files(0, &[writer.as_raw_fd()]), Ok(1));
    drop(writer);
    assert_eq!(run(&mut ring, &open(Place::Fixed(0))), Ok(0));
    let mut buffer = [0; 4];
    assert_eq!(run(&mut ring, &read(Target::Fixed(0), &mut buffer, 0)), Ok(4));
    let end = read(Target::Fd(reader.as_raw_fd()), &mut buffer, HERE);
    assert_eq!(run(&mut ring, &end), Ok(0), "the first file was closed");
}

#[test]
fn a_slot_behind_the_table_and_a_table_that_is_not_there_are_errors() {
    let mut bare = ring();
    assert_eq!(run(&mut bare, &open(Place::Fixed(0))), Err(Errno(libc::ENXIO)));
    assert_eq!(run(&mut bare, &CloseFixed { slot: 0 }), Err(Errno(libc::ENXIO)));
    let mut ring = with_slots(1);
    assert_eq!(run(&mut ring, &open(Place::Fixed(1))), Err(Errno(libc::EINVAL)));
    assert_eq!(run(&mut ring, &CloseFixed { slot: 1 }), Err(Errno(libc::EINVAL)));
    assert_eq!(run(&mut ring, &CloseFixed { slot: 0 }), Err(Errno(libc::EBADF)));
}

#[test]
fn slots_are_emptied_by_an_update_and_files_go_on_elsewhere() {
    let mut ring = with_slots(2);
    let file = file(b"");
    let mut fds = [file.as_raw_fd(); 2];
    let update = FilesUpdate { fds: fds.as_mut_ptr(), count: 2, first: 0 };
    assert_eq!(run(&mut ring, &update), Ok(2));
    assert_eq!(run(&mut ring, &write(Target::Fixed(1), b"x", 0)), Ok(1));
    let mut none = [-1; 2];
    assert_eq!(run(&mut ring, &FilesUpdate { fds: none.as_mut_ptr(), ..update }), Ok(2));
    assert_eq!(run(&mut ring, &write(Target::Fixed(1), b"x", 0)), Err(Errno(libc::EBADF)));
    assert_eq!(file.metadata().unwrap().len(), 1);
}

#[test]
fn an_update_that_fails_in_the_middle_says_how_far_it_came() {
    let mut ring = with_slots(3);
    let file = file(b"");
    let mut fds = [file.as_raw_fd(), 9999, file.as_raw_fd()];
    let update = FilesUpdate { fds: fds.as_mut_ptr(), count: 3, first: 0 };
    assert_eq!(run(&mut ring, &update), Ok(1));
    assert_eq!(run(&mut ring, &write(Target::Fixed(0), b"x", 0)), Ok(1));
    assert_eq!(run(&mut ring, &write(Target::Fixed(2), b"x", 0)), Err(Errno(libc::EBADF)));
    let mut bad = [9999];
    let first = FilesUpdate { fds: bad.as_mut_ptr(), count: 1, first: 0 };
    assert_eq!(run(&mut ring, &first), Err(Errno(libc::EBADF)));
}

#[test]
fn an_update_into_free_slots_ends_when_there_is_none() {
    let mut ring = with_slots(1);
    let file = file(b"");
    let mut fds = [file.as_raw_fd(); 2];
    let update = FilesUpdate { fds: fds.as_mut_ptr(), count: 2, first: FILE_INDEX_ALLOC };
    assert_eq!(run(&mut ring, &update), Ok(1));
    assert_eq!(fds[0], 0);
    let mut more = [file.as_raw_fd()];
    let full = FilesUpdate { fds: more.as_mut_ptr(), count: 1, ..update };
    assert_eq!(run(&mut ring, &full), Err(Errno(libc::ENFILE)));
}

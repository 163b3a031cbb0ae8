//! Rings for several threads: in two halves, shared, and behind a proactor.

mod cells;
mod counting;
mod limits;
mod proactor;
mod shared;
mod split;
mod sqpoll;

use std::{
    fs::File,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use annulus_ring::abi::{Opcode, Sqe};

/// Both ends of a pipe, the one to read from first.
fn pipe() -> (File, File) {
    let mut ends = [-1; 2];
    // SAFETY: room for the two descriptors that the call writes.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    let [reader, writer] = ends.map(|fd| {
        // SAFETY: the call gave both descriptors to this test.
        File::from(unsafe { OwnedFd::from_raw_fd(fd) })
    });
    (reader, writer)
}

/// A read of one byte, into memory that is never freed, because these tests end rings early.
fn read_a_byte(file: &File, user_data: u64) -> Sqe {
    let byte: &'static mut [u8; 1] = Box::leak(Box::new([0]));
    Sqe { user_data, ..crate::support::read(file.as_raw_fd(), byte) }
}

fn nop(user_data: u64) -> Sqe {
    Sqe { user_data, ..Sqe::new(Opcode::NOP) }
}

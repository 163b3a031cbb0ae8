//! Rings without a descriptor. Mirrors reg-fd-only and reg-reg-ring of liburing.

use std::thread;

use annulus_ring::{
    Cause, Conflict, Mask, Pages, ResizeError, Ring,
    abi::{Errno, Features, SetupFlags},
};

use super::{goes_round, refusal, small, works};
use crate::support::skip;

/// A ring that is an index in this thread's table and nothing else.
fn without_descriptor() -> Ring {
    let pages = Pages::anonymous(64 << 10).unwrap();
    small().memory(pages).registered_fd_only().build().unwrap()
}

/// Runs on a thread of its own, whose table is empty.
fn alone(test: fn()) {
    thread::spawn(test).join().unwrap();
}

// IORING_REGISTER_USE_REGISTERED_RING: the files are registered by the index of the ring.
#[test]
fn a_ring_goes_on_when_its_descriptor_is_closed() {
    let mut ring = small().build().unwrap();
    if !ring.capabilities().has(Features::REG_REG_RING) {
        assert_eq!(ring.close_fd(), Err(Errno(libc::EINVAL)));
        return skip("this kernel registers nothing by the index of a ring");
    }
    ring.close_fd().unwrap();
    assert_eq!(ring.fd(), -1);
    goes_round(&mut ring);
    ring.register_files_sparse(4).unwrap();
    assert_eq!(ring.register_files_sparse(4), Err(Errno(libc::EBUSY)));
    assert_eq!(ring.close_fd(), Err(Errno(libc::EBADF)), "once is enough");
}

#[test]
fn a_ring_that_is_not_registered_keeps_its_descriptor() {
    let mut ring = small().mask(Mask::none().registered_ring()).build().unwrap();
    assert_eq!(ring.close_fd(), Err(Errno(libc::EINVAL)));
    assert!(ring.fd() >= 0);
    works(&mut ring);
}

#[test]
fn a_ring_without_a_descriptor_submits_waits_and_registers() {
    alone(|| {
        let mut ring = without_descriptor();
        assert_eq!(ring.fd(), -1);
        let setup = ring.capabilities().setup();
        assert!(setup.contains(SetupFlags::REGISTERED_FD_ONLY | SetupFlags::NO_MMAP));
        assert!(ring.capabilities().registered_ring());
        goes_round(&mut ring);
        ring.register_files_sparse(4).unwrap();
        assert_eq!(ring.submit_and_wait(1, Some(1_000_000)), Ok(0));
    });
}

#[test]
fn a_ring_without_a_descriptor_gives_its_place_in_the_table_back() {
    alone(|| {
        for _ in 0..3 {
            let mut all: Vec<_> = (0..16).map(|_| without_descriptor()).collect();
            all.iter_mut().for_each(works);
        }
    });
}

#[test]
fn a_ring_for_which_the_table_has_no_place_is_refused() {
    alone(|| {
        let all: Vec<_> = (0..16).map(|_| without_descriptor()).collect();
        let pages = Pages::anonymous(64 << 10).unwrap();
        let refusal = refusal(small().memory(pages).registered_fd_only().build());
        assert_eq!(refusal.errno(), Errno(libc::EBUSY), "{refusal}");
        drop(all);
        works(&mut without_descriptor());
    });
}

#[test]
fn a_ring_without_a_descriptor_needs_memory_of_the_caller() {
    let refusal = refusal(small().registered_fd_only().build());
    let needs = Conflict::Needs(SetupFlags::REGISTERED_FD_ONLY, SetupFlags::NO_MMAP);
    assert_eq!(refusal.cause(), Cause::Conflict(needs));
    assert!(refusal.to_string().contains("REGISTERED_FD_ONLY needs NO_MMAP"), "{refusal}");
}

#[test]
fn a_closed_descriptor_cannot_be_mapped_through_again() {
    let mut ring = small().build().unwrap();
    ring.close_fd().unwrap();
    assert_eq!(ring.resize(64, 64), Err(ResizeError::NoDescriptor));
    works(&mut ring);
}

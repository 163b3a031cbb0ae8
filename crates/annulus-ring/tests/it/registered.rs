//! The registered descriptor of a ring.

use std::thread;

use annulus_ring::{Mask, Ring, What, Why, abi::Errno};

use crate::support::exercise;

/// The kernel's table has so many places for each thread.
const PLACES: usize = 16;

fn small() -> Ring {
    Ring::builder().entries(4).build().unwrap()
}

/// Runs on a thread of its own, whose table is empty.
fn alone(test: fn()) {
    thread::spawn(test).join().unwrap();
}

#[test]
fn a_full_table_is_reported_and_the_ring_works_without() {
    alone(|| {
        let first: Vec<_> = (0..PLACES).map(|_| small()).collect();
        assert!(first.iter().all(|ring| ring.capabilities().registered_ring()));
        let mut late = small();
        assert!(!late.capabilities().registered_ring());
        let missing =
            late.capabilities().missing().find(|missing| missing.what == What::RegisteredRing);
        assert_eq!(missing.unwrap().why, Why::Refused(Errno(libc::EBUSY)));
        exercise(&mut late);
    });
}

// IORING_ENTER_REGISTERED_RING, with each call of a ring that has a place.
#[test]
fn a_dropped_ring_gives_its_place_back() {
    alone(|| {
        for _ in 0..3 {
            let rings: Vec<_> = (0..PLACES).map(|_| small()).collect();
            assert!(rings.iter().all(|ring| ring.capabilities().registered_ring()));
        }
    });
}

#[test]
fn a_masked_one_is_not_used() {
    let mask = Mask::none().registered_ring();
    let mut ring = Ring::builder().entries(4).mask(mask).build().unwrap();
    assert!(!ring.capabilities().registered_ring());
    exercise(&mut ring);
    ring.register_files_sparse(1).unwrap();
    assert_eq!(ring.register_files_sparse(1), Err(Errno(libc::EBUSY)));
}

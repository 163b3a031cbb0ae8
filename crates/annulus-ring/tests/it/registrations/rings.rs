//! Descriptors of rings in a thread's table, and messages without a ring of one's own. Mirrors
//! ring-reg, reg-reg-ring and msg-ring (its sending by registration) of liburing.

use std::{fs::File, os::fd::AsRawFd as _, thread};

use annulus_ring::{
    Refusal, Ring, RingFds, Target,
    abi::{CqeFlags, Errno, MsgRingFlags},
    op::{MsgRing, Nop},
    ringless,
};

use super::{errno, granted};
use crate::ops::{next, ring, run};
use crate::support::wait;

/// The kernel's table has so many places for each thread.
const PLACES: usize = 16;

/// Runs on a thread of its own, whose table is empty.
fn alone(test: fn()) {
    thread::spawn(test).join().unwrap();
}

/// A ring that has no place in the table.
fn unregistered() -> Ring {
    let mut ring = Ring::builder().entries(4).build().unwrap();
    ring.unregister_ring_fd();
    ring
}

#[test]
fn several_rings_are_registered_in_one_call_each_with_an_index_of_its_own() {
    alone(|| {
        let rings: Vec<_> = (0..5).map(|_| unregistered()).collect();
        let numbers: Vec<_> = rings.iter().map(Ring::fd).collect();
        let fds = RingFds::register(&numbers).unwrap();
        let mut indices = fds.indices().to_vec();
        indices.dedup();
        assert_eq!(indices.len(), 5, "{indices:?}");
        assert!(indices.iter().all(|&index| (index as usize) < PLACES));
    });
}

#[test]
fn places_are_given_back_even_if_the_rings_are_closed_before() {
    alone(|| {
        for _ in 0..3 {
            let rings: Vec<_> = (0..PLACES).map(|_| unregistered()).collect();
            let numbers: Vec<_> = rings.iter().map(Ring::fd).collect();
            let fds = RingFds::register(&numbers).unwrap();
            drop(rings);
            assert_eq!(fds.indices().len(), PLACES);
        }
    });
}

#[test]
fn more_rings_than_there_are_places_get_none_at_all() {
    alone(|| {
        let rings: Vec<_> = (0..=PLACES).map(|_| unregistered()).collect();
        let numbers: Vec<_> = rings.iter().map(Ring::fd).collect();
        assert_eq!(errno(RingFds::register(&numbers)), libc::EINVAL, "no call takes so many");
        let ten = RingFds::register(&numbers[..10]).unwrap();
        assert_eq!(errno(RingFds::register(&numbers[..7])), libc::EBUSY);
        assert_eq!(RingFds::register(&numbers[..6]).unwrap().indices().len(), 6);
        drop(ten);
        assert_eq!(RingFds::register(&numbers[1..]).unwrap().indices().len(), PLACES);
    });
}

#[test]
fn what_is_no_ring_gets_no_place_and_neither_do_those_before_it() {
    alone(|| {
        let ring = unregistered();
        let null = File::open("/dev/null").unwrap();
        let refused = errno(RingFds::register(&[ring.fd(), null.as_raw_fd()]));
        assert!(matches!(refused, libc::EOPNOTSUPP | libc::EBADFD), "{refused}");
        assert_eq!(errno(RingFds::register(&[ring.fd(), i32::MAX])), libc::EBADF);
        assert_eq!(RingFds::register(&[ring.fd(); PLACES]).unwrap().indices().len(), PLACES);
        assert_eq!(RingFds::register(&[]).unwrap().indices(), []);
    });
}

#[test]
fn a_ring_works_with_and_without_its_place_and_may_take_it_again() {
    alone(|| {
        let mut ring = ring();
        assert!(ring.capabilities().registered_ring());
        for _ in 0..3 {
            ring.unregister_ring_fd();
            assert!(!ring.capabilities().registered_ring());
            assert_eq!(run(&mut ring, &Nop), Ok(()));
            ring.register_ring_fd().unwrap();
            assert!(ring.capabilities().registered_ring());
            assert_eq!(run(&mut ring, &Nop), Ok(()));
        }
    });
}

#[test]
fn a_ring_that_finds_no_place_says_so_and_works_on() {
    alone(|| {
        let mut late = unregistered();
        let full = RingFds::register(&[late.fd(); PLACES]).unwrap();
        assert_eq!(errno(late.register_ring_fd()), libc::EBUSY);
        assert_eq!(run(&mut late, &Nop), Ok(()));
        drop(full);
        late.register_ring_fd().unwrap();
        assert_eq!(run(&mut late, &Nop), Ok(()));
    });
}

fn message(ring: &Ring) -> MsgRing {
    let target = Target::Fd(ring.fd());
    MsgRing { target, user_data: 77, res: 5, cqe_flags: None, flags: MsgRingFlags::EMPTY }
}

#[test]
fn a_thread_without_a_ring_posts_a_completion_on_another_ones() {
    let mut ring = ring();
    let plain = message(&ring);
    let flagged = MsgRing { cqe_flags: Some(CqeFlags(0x0042_0000)), ..message(&ring) };
    let send = move || thread::spawn(move || ringless::send_msg_ring(&plain)).join().unwrap();
    let Some(sent) = granted(send()) else { return };
    assert_eq!(sent, Ok(()));
    let cqe = next(&mut ring);
    assert_eq!((cqe.user_data, cqe.res, cqe.flags), (77, 5, CqeFlags::EMPTY));
    ringless::send_msg_ring(&flagged).unwrap();
    assert_eq!(next(&mut ring).flags, CqeFlags(0x0042_0000));
}

#[test]
fn a_message_ends_the_wait_of_its_target() {
    let mut ring = ring();
    let plain = message(&ring);
    let Some(_) = granted(ringless::send_msg_ring(&plain)) else { return };
    assert_eq!(next(&mut ring).user_data, 77);
    let sender = thread::spawn(move || ringless::send_msg_ring(&plain));
    wait(&mut ring, 1, None);
    assert_eq!(ring.completions().next().unwrap().user_data, 77);
    sender.join().unwrap().unwrap();
}

#[test]
fn a_message_to_a_disabled_ring_or_to_no_ring_is_refused() {
    let disabled = Ring::builder().entries(4).disabled(true).build().unwrap();
    let Some(sent) = granted(ringless::send_msg_ring(&message(&disabled))) else { return };
    assert_eq!(sent, Err(Errno(libc::EBADFD)));
    let null = File::open("/dev/null").unwrap();
    let to_null = MsgRing { target: Target::Fd(null.as_raw_fd()), ..message(&disabled) };
    let refused = ringless::send_msg_ring(&to_null).unwrap_err();
    assert_eq!(refused.errno(), Errno(libc::EBADFD));
    assert!(refused.to_string().contains("no ring"), "{refused}");
    let closed = MsgRing { target: Target::Fd(i32::MAX), ..message(&disabled) };
    assert_eq!(errno(ringless::send_msg_ring(&closed)), libc::EBADF);
}

#[test]
fn a_message_without_a_ring_knows_no_slots() {
    let mut ring = ring();
    ring.register_files_sparse(1).unwrap();
    let slot = MsgRing { target: Target::Fixed(0), ..message(&ring) };
    let refused = ringless::send_msg_ring(&slot).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Kernel(Errno(libc::EINVAL)));
}

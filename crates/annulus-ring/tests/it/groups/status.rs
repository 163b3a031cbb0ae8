//! Where the kernel is in a group. Mirrors ringbuf-status of liburing.

use std::{io::Write as _, os::fd::AsRawFd as _};

use annulus_ring::{
    Ring,
    abi::{BufRegFlags, Errno, RecvSendFlags},
};

use super::{Group, arm, receive};
use crate::{
    ops::ring,
    support::{pair, skip},
};

/// How many buffers the kernel has taken, or none, said aloud, if it does not say.
fn head(ring: &mut Ring, group: &Group) -> Option<u16> {
    match ring.buf_ring_head(&group.buffers) {
        Ok(head) => Some(head),
        Err(refused) => {
            assert_eq!(refused.errno(), Errno(libc::EINVAL));
            skip("this kernel does not tell the head of a group");
            None
        }
    }
}

#[test]
fn the_head_of_a_new_group_is_its_tail() {
    let mut ring = ring();
    let group = Group::new(&mut ring, BufRegFlags::EMPTY, 8, 16).unwrap();
    let Some(head) = head(&mut ring, &group) else { return };
    assert_eq!((head, group.buffers.tail()), (0, 0));
    group.finish(&mut ring);
}

#[test]
fn the_head_moves_by_one_with_each_buffer_that_is_taken() {
    let mut ring = ring();
    let mut group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 16).unwrap();
    let (receiver, mut sender) = pair();
    arm(&mut ring, receiver.as_raw_fd(), RecvSendFlags::EMPTY, 1);
    for round in 0..20_u16 {
        sender.write_all(b"x").unwrap();
        let (received, more) = receive(&mut ring);
        let bid = received.unwrap().buffer.unwrap();
        assert!(more);
        let Some(head) = head(&mut ring, &group) else { return };
        assert_eq!(head, round + 1);
        assert_eq!(group.buffers.tail().wrapping_sub(head), 3);
        group.give(bid);
    }
}

#[test]
fn what_is_pushed_and_not_published_is_not_to_be_had() {
    let mut ring = ring();
    let mut group = Group::new(&mut ring, BufRegFlags::EMPTY, 4, 16).unwrap();
    let (receiver, mut sender) = pair();
    sender.write_all(b"x").unwrap();
    group.push(2);
    arm(&mut ring, receiver.as_raw_fd(), RecvSendFlags::EMPTY, 1);
    assert_eq!(receive(&mut ring), (Err(Errno(libc::ENOBUFS)), false));
    let Some(before) = head(&mut ring, &group) else { return };
    assert_eq!((before, group.buffers.tail()), (0, 1));
    group.buffers.publish();
    arm(&mut ring, receiver.as_raw_fd(), RecvSendFlags::EMPTY, 2);
    let (received, _) = receive(&mut ring);
    assert_eq!(received.unwrap().buffer, Some(2));
    assert_eq!(head(&mut ring, &group), Some(1));
}

#[test]
fn an_incremental_buffer_counts_when_it_is_used_up() {
    let mut ring = ring();
    let Some(group) = Group::full(&mut ring, BufRegFlags::INC, 2, 4) else { return };
    let (receiver, mut sender) = pair();
    arm(&mut ring, receiver.as_raw_fd(), RecvSendFlags::EMPTY, 1);
    for (piece, expected) in [(b"ab", 0), (b"cd", 1), (b"ef", 1), (b"gh", 2)] {
        sender.write_all(piece).unwrap();
        assert!(receive(&mut ring).0.is_ok());
        let Some(head) = head(&mut ring, &group) else { return };
        assert_eq!(head, expected);
    }
}

#[test]
fn a_group_that_the_ring_does_not_have_has_no_head() {
    let mut with = ring();
    let mut without = ring();
    let group = Group::new(&mut with, BufRegFlags::EMPTY, 2, 16).unwrap();
    if head(&mut with, &group).is_none() {
        return;
    }
    let refused = without.buf_ring_head(&group.buffers).unwrap_err();
    assert_eq!(refused.errno(), Errno(libc::ENOENT));
    assert!(refused.to_string().contains("no such group"), "{refused}");
    group.finish(&mut with);
}

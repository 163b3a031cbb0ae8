//! Multishot RECVMSG. Mirrors recv-multishot (its messages) and recvmsg-inc-tail of liburing.

use std::{mem, net::UdpSocket, os::fd::AsRawFd as _};

use annulus_ring::{
    BufRingSpec, Ring, Target,
    abi::{BufRegFlags, CqeFlags, Errno, RecvSendFlags},
    op::{MessageParts, RecvMsgMulti},
};

use super::{BGID, Group, udp};
use crate::{
    ops::{next, push, ring},
    support::skip,
};

const NAME_BYTES: usize = size_of::<libc::sockaddr_in>();

/// What a multishot request reads of a header: how much room name and control data have.
fn header(control_bytes: usize) -> libc::msghdr {
    // SAFETY: lengths and pointers, for which zero and null are values.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_namelen = NAME_BYTES as u32;
    header.msg_controllen = control_bytes as _;
    header
}

fn arm(ring: &mut Ring, socket: &UdpSocket, msg: &libc::msghdr) {
    let target = Target::Fd(socket.as_raw_fd());
    let ioprio = RecvSendFlags::EMPTY;
    push(ring, &RecvMsgMulti { target, msg, flags: 0, bgid: BGID, ioprio }, 1);
}

/// The port that a name of IPv4 says.
fn port(name: &[u8]) -> u16 {
    u16::from_be_bytes([name[2], name[3]])
}

#[test]
fn each_message_brings_its_senders_name_and_its_payload() {
    let mut ring = ring();
    let mut group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 128).unwrap();
    let (sender, receiver) = udp();
    let header = header(0);
    arm(&mut ring, &receiver, &header);
    for text in ["one", "two two", "three three three", "four", "five"] {
        sender.send(text.as_bytes()).unwrap();
        let cqe = next(&mut ring);
        assert!(cqe.more());
        let parts = MessageParts::parse(group.of(&cqe), NAME_BYTES, 0).unwrap();
        assert_eq!(parts.payload, text.as_bytes());
        assert_eq!(port(parts.name), sender.local_addr().unwrap().port());
        assert_eq!(parts.flags, 0);
        group.give(cqe.buffer_id().unwrap());
    }
}

#[test]
fn a_payload_that_does_not_fit_is_cut_and_says_so() {
    let mut ring = ring();
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 16 + NAME_BYTES + 4).unwrap();
    let (sender, receiver) = udp();
    let header = header(0);
    arm(&mut ring, &receiver, &header);
    sender.send(b"longer than four").unwrap();
    let cqe = next(&mut ring);
    let parts = MessageParts::parse(group.of(&cqe), NAME_BYTES, 0).unwrap();
    assert_eq!(parts.payload, b"long");
    assert_ne!(parts.flags & libc::MSG_TRUNC as u32, 0);
    sender.send(b"fits").unwrap();
    let cqe = next(&mut ring);
    let parts = MessageParts::parse(group.of(&cqe), NAME_BYTES, 0).unwrap();
    assert_eq!((parts.payload, parts.flags), (&b"fits"[..], 0));
}

#[test]
fn a_buffer_without_room_for_the_header_is_refused() {
    let mut ring = ring();
    let _group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 16).unwrap();
    let (sender, receiver) = udp();
    let header = header(0);
    arm(&mut ring, &receiver, &header);
    sender.send(b"x").unwrap();
    let cqe = next(&mut ring);
    assert_eq!((cqe.res, cqe.more()), (-libc::EFAULT, false));
}

#[test]
fn an_empty_group_ends_the_request_and_the_message_stays() {
    let mut ring = ring();
    let mut group = Group::new(&mut ring, BufRegFlags::EMPTY, 2, 64).unwrap();
    let (sender, receiver) = udp();
    let header = header(0);
    sender.send(b"patient").unwrap();
    arm(&mut ring, &receiver, &header);
    let cqe = next(&mut ring);
    assert_eq!((cqe.res, cqe.more()), (-libc::ENOBUFS, false));
    group.give(0);
    arm(&mut ring, &receiver, &header);
    let cqe = next(&mut ring);
    let parts = MessageParts::parse(group.of(&cqe), NAME_BYTES, 0).unwrap();
    assert_eq!(parts.payload, b"patient");
}

/// Sends messages through a group of incremental buffers with this `min_left`, until one fails
/// or all came; `None`, said aloud, where the kernel knows no such thing.
fn incremental(min_left: u32) -> Option<Result<(), Errno>> {
    const BYTES: usize = 256;
    const COUNT: u16 = 4;
    let mut ring = ring();
    if !ring.capabilities().inc_buffers() {
        skip("this kernel has no incremental buffers");
        return None;
    }
    let flags = BufRegFlags::INC;
    let entries = u32::from(COUNT);
    let spec = BufRingSpec { bgid: BGID, entries, flags, min_left, memory: None };
    // SAFETY: the group leaks it.
    let buffers = match unsafe { ring.register_buf_ring_with(&spec) } {
        Ok(buffers) => buffers,
        Err(refused) => {
            assert_eq!(refused.errno(), Errno(libc::EINVAL));
            skip("this kernel has no least rest of a buffer");
            return None;
        }
    };
    let mut group = Group::of_ring(buffers, COUNT.into(), BYTES);
    (0..COUNT).for_each(|bid| group.give(bid));
    let (sender, receiver) = udp();
    let header = header(0);
    arm(&mut ring, &receiver, &header);
    let mut used = [0; COUNT as usize];
    for round in 0..40_u8 {
        sender.send(&[round; 17]).unwrap();
        let cqe = next(&mut ring);
        let count = match cqe.result() {
            Ok(count) => count as usize,
            Err(errno) => return Some(Err(errno)),
        };
        let bid = cqe.buffer_id().unwrap();
        let at = usize::from(bid) * BYTES + used[usize::from(bid)];
        let parts = MessageParts::parse(&group.memory[at..at + count], NAME_BYTES, 0).unwrap();
        let whole = parts.flags & libc::MSG_TRUNC as u32 == 0;
        if min_left > 0 {
            assert!(whole, "round {round}");
            assert_eq!(parts.payload, [round; 17], "round {round}");
        }
        used[usize::from(bid)] += count;
        if !cqe.flags.contains(CqeFlags::BUF_MORE) {
            used[usize::from(bid)] = 0;
            group.give(bid);
        }
    }
    Some(Ok(()))
}

#[test]
fn the_rest_of_a_buffer_may_be_too_small_for_a_header() {
    let Some(done) = incremental(0) else { return };
    assert_eq!(done, Err(Errno(libc::EFAULT)));
}

#[test]
fn a_least_rest_makes_the_kernel_go_on_with_the_next_buffer() {
    let Some(done) = incremental(64) else { return };
    assert_eq!(done, Ok(()));
}

//! Several buffers in one completion. Mirrors recvsend_bundle, recvsend_bundle-inc,
//! recv-bundle-short-ooo and recv-bundle-buf-len of liburing.

use std::{
    io::{Read as _, Write as _},
    os::fd::AsRawFd as _,
    thread,
};

use annulus_ring::{
    Ring,
    abi::{BufRegFlags, CancelFlags, Cqe, CqeFlags, Opcode, RecvSendFlags, Sqe, SqeFlags},
    op::Cancel,
};

use super::{BGID, Group, arm, tcp, udp};
use crate::{
    ops::{next, next_two, push, ring},
    support::{complete, push as push_sqe, skip},
};

const BUNDLE: RecvSendFlags = RecvSendFlags::BUNDLE;

/// A ring whose kernel has bundles, or none, said aloud.
fn bundling() -> Option<Ring> {
    let ring = ring();
    if !ring.capabilities().bundle() {
        skip("this kernel has no bundles");
        return None;
    }
    Some(ring)
}

/// A single request on buffers of the group.
fn single(opcode: Opcode, fd: i32, len: u32) -> Sqe {
    Sqe {
        opcode,
        flags: SqeFlags::BUFFER_SELECT,
        ioprio: BUNDLE.bits(),
        fd,
        len,
        buf_index: BGID,
        ..Sqe::default()
    }
}

impl Group {
    /// The bytes of a bundle in a group whose buffers are in the order of their ids, and which
    /// buffers it took.
    fn bundle(&self, cqe: &Cqe) -> (Vec<u8>, Vec<u16>) {
        let mut left = cqe.result().unwrap() as usize;
        let mut bid = cqe.buffer_id().unwrap();
        let (mut bytes, mut bids) = (Vec::new(), Vec::new());
        while left > 0 {
            let count = left.min(self.bytes);
            bytes.extend_from_slice(self.bytes(bid, count as u32));
            bids.push(bid);
            left -= count;
            bid = (bid + 1) % self.buffers.entries();
        }
        (bytes, bids)
    }
}

#[test]
fn a_bundle_fills_buffer_after_buffer_and_names_the_first() {
    let Some(mut ring) = bundling() else { return };
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 8, 64).unwrap();
    let (receiver, mut sender) = tcp();
    let sent: Vec<u8> = (0..192).collect();
    sender.write_all(&sent).unwrap();
    let cqe = complete(&mut ring, &single(Opcode::RECV, receiver.as_raw_fd(), 0));
    let (bytes, bids) = group.bundle(&cqe);
    assert_eq!((bytes, bids), (sent, vec![0, 1, 2]));
}

/// Receives exactly `sent`, in as many bundles as the kernel makes of it, each from `first` on, and
/// returns the buffer after the last one. `again` asks for the next bundle.
fn in_bundles(group: &Group, sent: &[u8], mut first: u16, mut again: impl FnMut() -> Cqe) -> u16 {
    let mut seen = Vec::new();
    while seen.len() < sent.len() {
        let (bytes, bids) = group.bundle(&again());
        assert_eq!(bids[0], first, "a bundle begins with a new buffer");
        first += bids.len() as u16;
        seen.extend(bytes);
    }
    assert_eq!(seen, sent);
    first
}

#[test]
fn the_next_bundle_begins_with_a_new_buffer() {
    let Some(mut ring) = bundling() else { return };
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 16, 64).unwrap();
    let (receiver, mut sender) = tcp();
    arm(&mut ring, receiver.as_raw_fd(), BUNDLE, 1);
    let mut first = 0;
    for bytes in [100_usize, 10, 65, 1] {
        let sent: Vec<u8> = (0..bytes).map(|at| at as u8).collect();
        sender.write_all(&sent).unwrap();
        first = in_bundles(&group, &sent, first, || next(&mut ring));
    }
    assert!((6..=8).contains(&first), "{first}");
}

/// Receives a stream of `total` bytes in bundles, gives every buffer back at once, and checks the
/// order of the bytes.
fn stream_in_bundles(total: usize, pieces: &'static [usize]) {
    let Some(mut ring) = bundling() else { return };
    let mut group = Group::full(&mut ring, BufRegFlags::EMPTY, 16, 256).unwrap();
    let (receiver, mut sender) = tcp();
    let writer = thread::spawn(move || {
        let bytes: Vec<u8> = (0..total).map(|at| (at % 253) as u8).collect();
        let (mut rest, mut turn) = (&bytes[..], 0);
        while !rest.is_empty() {
            let count = pieces[turn % pieces.len()].min(rest.len());
            sender.write_all(&rest[..count]).unwrap();
            rest = &rest[count..];
            turn += 1;
        }
    });
    let mut seen = 0;
    arm(&mut ring, receiver.as_raw_fd(), BUNDLE, 1);
    while seen < total {
        let cqe = next(&mut ring);
        if cqe.res > 0 {
            let (bytes, bids) = group.bundle(&cqe);
            for byte in bytes {
                assert_eq!(byte, (seen % 253) as u8, "at {seen}");
                seen += 1;
            }
            bids.into_iter().for_each(|bid| group.push(bid));
            group.buffers.publish();
        } else {
            assert_eq!(cqe.res, -libc::ENOBUFS);
        }
        if !cqe.more() {
            arm(&mut ring, receiver.as_raw_fd(), BUNDLE, 1);
        }
    }
    writer.join().unwrap();
}

#[test]
fn a_stream_in_bundles_is_in_order() {
    stream_in_bundles(500_000, &[4096, 1, 300, 256, 10_000]);
}

#[test]
fn a_stream_of_short_bundles_is_in_order() {
    stream_in_bundles(60_000, &[17, 255, 257, 3]);
}

#[test]
fn a_length_bounds_a_bundle() {
    let Some(mut ring) = bundling() else { return };
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 16, 64).unwrap();
    let (receiver, mut sender) = tcp();
    let sent: Vec<u8> = (0..200).collect();
    sender.write_all(&sent).unwrap();
    // A kernel may stop at the last whole buffer within the bound.
    in_bundles(&group, &sent, 0, || {
        let cqe = complete(&mut ring, &single(Opcode::RECV, receiver.as_raw_fd(), 100));
        assert!((1..=100).contains(&cqe.res), "{cqe:?}");
        cqe
    });
}

#[test]
fn a_bounded_receive_that_found_nothing_leaves_its_buffer_as_long_as_it_was() {
    let Some(mut ring) = bundling() else { return };
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 64).unwrap();
    let (receiver, mut sender) = tcp();
    let mut bounded = single(Opcode::RECV, receiver.as_raw_fd(), 16);
    bounded.user_data = 1;
    push_sqe(&mut ring, &bounded).unwrap();
    ring.submit().unwrap();
    push(&mut ring, &Cancel { user_data: 1, flags: CancelFlags::EMPTY }, 2);
    let [ended, _] = next_two(&mut ring);
    assert_eq!(ended.res, -libc::ECANCELED);
    sender.write_all(&[9; 64]).unwrap();
    let cqe = complete(&mut ring, &single(Opcode::RECV, receiver.as_raw_fd(), 0));
    assert_eq!(group.bundle(&cqe), (vec![9; 64], vec![0]), "all of the first buffer");
}

#[test]
fn a_bundle_at_the_end_of_the_stream_takes_no_buffer() {
    let Some(mut ring) = bundling() else { return };
    let _group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 64).unwrap();
    let (receiver, sender) = tcp();
    arm(&mut ring, receiver.as_raw_fd(), BUNDLE, 1);
    drop(sender);
    let cqe = next(&mut ring);
    assert_eq!((cqe.res, cqe.more(), cqe.buffer_id()), (0, false, None));
}

#[test]
fn a_group_is_sent_as_one_bundle_in_its_order() {
    let Some(mut ring) = bundling() else { return };
    let mut group = Group::new(&mut ring, BufRegFlags::EMPTY, 4, 8).unwrap();
    group.memory.copy_from_slice(b"aaaaaaaabbbbbbbbccccccccdddddddd");
    for bid in [2, 0, 3] {
        group.push(bid);
    }
    group.buffers.publish();
    let (sender, mut receiver) = tcp();
    let cqe = complete(&mut ring, &single(Opcode::SEND, sender.as_raw_fd(), 0));
    assert_eq!((cqe.res, cqe.buffer_id()), (24, Some(2)));
    let mut received = [0; 24];
    receiver.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"ccccccccaaaaaaaadddddddd");
    let empty = complete(&mut ring, &single(Opcode::SEND, sender.as_raw_fd(), 0));
    assert_eq!(empty.res, -libc::ENOBUFS);
}

#[test]
fn a_bundle_of_datagrams_sends_one_datagram() {
    let Some(mut ring) = bundling() else { return };
    let mut group = Group::new(&mut ring, BufRegFlags::EMPTY, 2, 4).unwrap();
    group.memory.copy_from_slice(b"headtail");
    group.push(0);
    group.push(1);
    group.buffers.publish();
    let (sender, receiver) = udp();
    let cqe = complete(&mut ring, &single(Opcode::SEND, sender.as_raw_fd(), 0));
    assert_eq!(cqe.res, 8);
    let mut received = [0; 16];
    assert_eq!(receiver.recv(&mut received).unwrap(), 8);
    assert_eq!(&received[..8], b"headtail");
}

#[test]
fn an_incremental_bundle_goes_on_within_a_buffer() {
    let Some(mut ring) = bundling() else { return };
    let Some(group) = Group::full(&mut ring, BufRegFlags::INC, 4, 64) else { return };
    let (receiver, mut sender) = tcp();
    arm(&mut ring, receiver.as_raw_fd(), BUNDLE, 1);
    let sent: Vec<u8> = (0..250).collect();
    let mut at = 0;
    for bytes in [10, 100, 18, 122] {
        sender.write_all(&sent[at..at + bytes]).unwrap();
        let mut left = bytes;
        while left > 0 {
            let cqe = next(&mut ring);
            let count = cqe.result().unwrap() as usize;
            // The group is one piece of memory, consumed from its beginning to its end.
            assert_eq!(usize::from(cqe.buffer_id().unwrap()), at / 64);
            assert_eq!(group.memory[at..at + count], sent[at..at + count]);
            at += count;
            left -= count;
            assert_eq!(cqe.flags.contains(CqeFlags::BUF_MORE), at % 64 != 0, "at {at}");
        }
    }
}

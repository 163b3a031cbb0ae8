//! Buffers that are consumed in pieces. Mirrors recv-inc-ooo and the incremental cases of
//! recv-multishot of liburing.

use std::{io::Write as _, os::fd::AsRawFd as _, thread};

use annulus_ring::{
    Ring,
    abi::{BufRegFlags, CqeFlags, RecvSendFlags},
};

use super::{Group, arm, tcp, udp};
use crate::ops::{next, ring};

/// Where the application is in an incremental group: the kernel consumes the buffers in the order
/// in which they were given.
struct Walk {
    group: Group,
    /// How much of each buffer has been consumed.
    used: Vec<usize>,
}

impl Walk {
    fn new(ring: &mut Ring, count: u16, bytes: usize) -> Option<Self> {
        let group = Group::full(ring, BufRegFlags::INC, count, bytes)?;
        Some(Self { group, used: vec![0; count.into()] })
    }

    /// Receives the next piece; a buffer that is used up is given back behind it.
    fn piece(&mut self, ring: &mut Ring, fd: i32, flags: RecvSendFlags) -> Vec<u8> {
        let cqe = next(ring);
        if !cqe.more() {
            arm(ring, fd, flags, 1);
        }
        if cqe.res == -libc::ENOBUFS {
            return Vec::new();
        }
        let (bid, count) = (cqe.buffer_id().unwrap(), cqe.result().unwrap() as usize);
        let used = &mut self.used[usize::from(bid)];
        let start = usize::from(bid) * self.group.bytes + *used;
        let piece = self.group.memory[start..start + count].to_vec();
        *used += count;
        if !cqe.flags.contains(CqeFlags::BUF_MORE) {
            *used = 0;
            self.group.give(bid);
        }
        piece
    }
}

#[test]
fn pieces_lie_one_after_the_other_until_the_buffer_is_full() {
    let mut ring = ring();
    let Some(mut walk) = Walk::new(&mut ring, 2, 32) else { return };
    let (receiver, mut sender) = tcp();
    let fd = receiver.as_raw_fd();
    arm(&mut ring, fd, RecvSendFlags::EMPTY, 1);
    for round in 0..50_u8 {
        sender.write_all(&[round; 8]).unwrap();
        assert_eq!(walk.piece(&mut ring, fd, RecvSendFlags::EMPTY), [round; 8]);
    }
}

#[test]
fn a_piece_that_does_not_fit_is_split_between_two_buffers() {
    let mut ring = ring();
    let Some(mut walk) = Walk::new(&mut ring, 2, 16) else { return };
    let (receiver, mut sender) = tcp();
    let fd = receiver.as_raw_fd();
    arm(&mut ring, fd, RecvSendFlags::EMPTY, 1);
    sender.write_all(b"0123456789").unwrap();
    assert_eq!(walk.piece(&mut ring, fd, RecvSendFlags::EMPTY), b"0123456789");
    sender.write_all(b"abcdefghij").unwrap();
    let mut both = walk.piece(&mut ring, fd, RecvSendFlags::EMPTY);
    assert_eq!(both, b"abcdef", "as much as there was room for");
    both.extend(walk.piece(&mut ring, fd, RecvSendFlags::EMPTY));
    assert_eq!(both, b"abcdefghij");
}

#[test]
fn a_stream_through_incremental_buffers_is_in_order() {
    const TOTAL: usize = 200_000;
    let mut ring = ring();
    let Some(mut walk) = Walk::new(&mut ring, 4, 1000) else { return };
    let (receiver, mut sender) = tcp();
    let fd = receiver.as_raw_fd();
    let writer = thread::spawn(move || {
        let bytes: Vec<u8> = (0..TOTAL).map(|at| (at % 249) as u8).collect();
        for piece in bytes.chunks(777) {
            sender.write_all(piece).unwrap();
        }
    });
    arm(&mut ring, fd, RecvSendFlags::EMPTY, 1);
    let mut seen = 0;
    while seen < TOTAL {
        for byte in walk.piece(&mut ring, fd, RecvSendFlags::EMPTY) {
            assert_eq!(byte, (seen % 249) as u8, "at {seen}");
            seen += 1;
        }
    }
    writer.join().unwrap();
}

#[test]
fn the_kernel_moves_the_entry_of_a_buffer_as_it_consumes_it() {
    let mut ring = ring();
    let Some(walk) = Walk::new(&mut ring, 1, 64) else { return };
    let (receiver, mut sender) = tcp();
    arm(&mut ring, receiver.as_raw_fd(), RecvSendFlags::EMPTY, 1);
    for (piece, used) in [(&b"12345"[..], 5), (b"678", 8)] {
        sender.write_all(piece).unwrap();
        let cqe = next(&mut ring);
        assert!(cqe.flags.contains(CqeFlags::BUF_MORE));
        assert_eq!(walk.group.bytes(0, used)[used as usize - piece.len()..], *piece);
    }
}

#[test]
fn the_end_of_the_stream_leaves_a_begun_buffer_with_the_kernel() {
    let mut ring = ring();
    let Some(mut walk) = Walk::new(&mut ring, 1, 32) else { return };
    let (receiver, mut sender) = tcp();
    arm(&mut ring, receiver.as_raw_fd(), RecvSendFlags::EMPTY, 1);
    sender.write_all(b"begun").unwrap();
    assert_eq!(walk.piece(&mut ring, -1, RecvSendFlags::EMPTY), b"begun");
    drop(sender);
    let last = next(&mut ring);
    assert_eq!((last.res, last.more()), (0, false));
    let (receiver, mut sender) = tcp();
    arm(&mut ring, receiver.as_raw_fd(), RecvSendFlags::EMPTY, 1);
    sender.write_all(b"goes on").unwrap();
    let cqe = next(&mut ring);
    assert_eq!((cqe.res, cqe.buffer_id()), (7, Some(0)));
    assert_eq!(&walk.group.memory[5..12], b"goes on", "another stream, the same buffer");
}

#[test]
fn datagrams_share_a_buffer_until_one_finds_too_little_room() {
    let mut ring = ring();
    let Some(mut walk) = Walk::new(&mut ring, 2, 16) else { return };
    let (sender, receiver) = udp();
    let fd = receiver.as_raw_fd();
    arm(&mut ring, fd, RecvSendFlags::EMPTY, 1);
    for datagram in [&b"12345678"[..], b"abcd"] {
        sender.send(datagram).unwrap();
        assert_eq!(walk.piece(&mut ring, fd, RecvSendFlags::EMPTY), datagram);
    }
    sender.send(b"too large").unwrap();
    assert_eq!(walk.piece(&mut ring, fd, RecvSendFlags::EMPTY), b"too ", "cut where it ends");
    sender.send(b"fresh").unwrap();
    assert_eq!(walk.piece(&mut ring, fd, RecvSendFlags::EMPTY), b"fresh");
}

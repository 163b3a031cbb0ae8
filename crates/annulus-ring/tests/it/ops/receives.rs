//! More of sending and receiving. Mirrors recv-msgall, recv-msgall-stream, recvsend_bundle,
//! recv-mshot-fair, mshot-shutdown-race and send_recv of liburing.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, UdpSocket},
};

use annulus_ring::{
    Op as _, Ring, Target,
    abi::{CqeFlags, Errno, Features, RecvSendFlags},
    op::{
        MessageParts, Recv, RecvFixed, RecvMsgMulti, RecvMsgSelect, RecvMulti, RecvMultiWith,
        RecvSelect, RecvZc, Send, SendFixed, SendSelect, Sendv,
    },
};

use super::{
    Group, decode,
    made::{assert_silence, fd, has_option, packets, recv, results, send, tcp},
    next, push, ring, run,
};

const GROUP: u16 = 3;

fn select(target: Target) -> RecvSelect {
    RecvSelect { target, bgid: GROUP, len: 0, flags: 0, ioprio: RecvSendFlags::EMPTY }
}

fn multi_with(target: Target) -> RecvMultiWith {
    let ioprio = RecvSendFlags::EMPTY;
    RecvMultiWith { target, bgid: GROUP, flags: 0, ioprio, len_each: 0, cap_bytes: 0 }
}

fn can_bundle(ring: &Ring) -> bool {
    let can = ring.capabilities().has(Features::RECVSEND_BUNDLE);
    if !can {
        super::said("no bundles", Recv::OPCODE);
    }
    can
}

#[test]
fn a_receive_of_all_waits_until_it_is_full() {
    let mut ring = ring();
    let (mut client, server) = tcp();
    let mut buffer = [0; 8];
    push(&mut ring, &recv(fd(&server), &mut buffer, libc::MSG_WAITALL), 1);
    client.write_all(b"half").unwrap();
    assert_silence(&mut ring);
    client.write_all(b"full").unwrap();
    assert_eq!(results(&mut ring, 1), [(1, 8)]);
    assert_eq!(&buffer, b"halffull");
}

#[test]
fn a_receive_of_all_ends_with_the_stream() {
    let mut ring = ring();
    let (mut client, server) = tcp();
    let mut buffer = [0; 8];
    push(&mut ring, &recv(fd(&server), &mut buffer, libc::MSG_WAITALL), 1);
    client.write_all(b"half").unwrap();
    drop(client);
    assert_eq!(results(&mut ring, 1), [(1, 4)]);
    assert_eq!(run(&mut ring, &recv(fd(&server), &mut buffer, 0)), Ok(0));
}

#[test]
fn a_receive_of_all_takes_one_datagram() {
    let mut ring = ring();
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for message in [b"one", b"two"] {
        sender.send_to(message, receiver.local_addr().unwrap()).unwrap();
    }
    let mut buffer = [0; 8];
    let op = recv(fd(&receiver), &mut buffer, libc::MSG_WAITALL);
    assert_eq!(run(&mut ring, &op), Ok(3));
    assert_eq!(&buffer[..3], b"one");
}

#[test]
fn a_datagram_that_does_not_fit_is_cut_off_and_its_length_told_if_asked() {
    let mut ring = ring();
    let (left, right) = packets();
    for _ in 0..2 {
        assert_eq!(run(&mut ring, &send(fd(&left), b"0123456789")), Ok(10));
    }
    let mut buffer = [0; 4];
    assert_eq!(run(&mut ring, &recv(fd(&right), &mut buffer, 0)), Ok(4));
    assert_eq!(run(&mut ring, &recv(fd(&right), &mut buffer, libc::MSG_TRUNC)), Ok(10));
    assert_eq!(&buffer, b"0123");
}

#[test]
fn what_is_peeked_at_stays() {
    let mut ring = ring();
    let (mut client, server) = tcp();
    client.write_all(b"stay").unwrap();
    for flags in [libc::MSG_PEEK, libc::MSG_PEEK, 0] {
        let mut buffer = [0; 4];
        assert_eq!(run(&mut ring, &recv(fd(&server), &mut buffer, flags)), Ok(4));
        assert_eq!(&buffer, b"stay");
    }
}

#[test]
fn a_receive_that_polls_first_gets_what_was_there_before() {
    let mut ring = ring();
    let (mut client, server) = tcp();
    client.write_all(b"here").unwrap();
    let mut buffer = [0; 4];
    let op = Recv { ioprio: RecvSendFlags::POLL_FIRST, ..recv(fd(&server), &mut buffer, 0) };
    assert_eq!(run(&mut ring, &op), Ok(4));
    let op = Send { ioprio: RecvSendFlags::POLL_FIRST, ..send(fd(&server), &buffer) };
    assert_eq!(run(&mut ring, &op), Ok(4));
}

#[test]
fn a_single_receive_takes_one_provided_buffer_and_fails_without() {
    let mut ring = ring();
    let (mut client, server) = tcp();
    let group = Group::new(&mut ring, GROUP, 1, 8);
    client.write_all(b"0123456789").unwrap();
    let got = run(&mut ring, &select(fd(&server))).unwrap();
    assert_eq!((got.bytes, got.buffer), (8, Some(0)));
    assert_eq!(group.bytes(got.buffer, got.bytes), b"01234567");
    assert_eq!(run(&mut ring, &select(fd(&server))), Err(Errno(libc::ENOBUFS)));
    assert_eq!(run(&mut ring, &recv(fd(&server), &mut [0; 8], 0)), Ok(2), "nothing is lost");
    group.finish(&mut ring);
}

#[test]
fn a_limit_holds_in_a_provided_buffer_too() {
    let mut ring = ring();
    let (mut client, server) = tcp();
    let group = Group::new(&mut ring, GROUP, 2, 8);
    client.write_all(b"0123456789").unwrap();
    for expected in [b"012", b"345"] {
        let got = run(&mut ring, &RecvSelect { len: 3, ..select(fd(&server)) }).unwrap();
        assert_eq!(group.bytes(got.buffer, got.bytes), expected);
    }
    group.finish(&mut ring);
}

#[test]
fn a_bundle_is_received_into_buffers_that_follow_one_another() {
    let mut ring = ring();
    if !can_bundle(&ring) {
        return;
    }
    let (mut client, server) = tcp();
    let group = Group::new(&mut ring, GROUP, 4, 4);
    client.write_all(b"0123456789").unwrap();
    let op = RecvSelect { ioprio: RecvSendFlags::BUNDLE, ..select(fd(&server)) };
    let mut bytes = Vec::new();
    let mut bids = Vec::new();
    while bytes.len() < 10 {
        let got = run(&mut ring, &op).unwrap();
        bids.push(got.buffer.unwrap());
        let first = bytes.len();
        for bid in got.buffer.unwrap().. {
            let left = got.bytes - (bytes.len() - first) as u32;
            bytes.extend_from_slice(group.bytes(Some(bid), left.min(4)));
            if left <= 4 {
                break;
            }
        }
    }
    assert_eq!(bytes, b"0123456789");
    assert!(bids.len() < 3, "no completion is of more than one buffer: {bids:?}");
    group.finish(&mut ring);
}

#[test]
fn a_bundle_is_sent_from_all_buffers_of_its_group_in_their_order() {
    let mut ring = ring();
    if !can_bundle(&ring) {
        return;
    }
    let (mut client, server) = tcp();
    let mut group = Group::new(&mut ring, GROUP, 0, 4);
    group.memory = vec![b"0123".to_vec(), b"4567".to_vec(), b"89ab".to_vec()];
    for bid in [2, 0, 1] {
        group.give(bid);
    }
    let op = SendSelect {
        target: fd(&server),
        bgid: GROUP,
        len: 0,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::BUNDLE,
    };
    let sent = run(&mut ring, &op).unwrap();
    assert_eq!((sent.bytes, sent.buffer), (12, Some(2)));
    let mut bytes = [0; 12];
    client.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"89ab01234567");
    assert_eq!(run(&mut ring, &op), Err(Errno(libc::ENOBUFS)));
    group.finish(&mut ring);
}

#[test]
fn without_a_bundle_one_buffer_is_sent_at_a_time() {
    let mut ring = ring();
    if !can_bundle(&ring) {
        return;
    }
    let (mut client, server) = tcp();
    let mut group = Group::new(&mut ring, GROUP, 0, 4);
    group.memory = vec![b"0123".to_vec(), b"4567".to_vec()];
    let op = SendSelect {
        target: fd(&server),
        bgid: GROUP,
        len: 0,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::EMPTY,
    };
    for bid in [1, 0] {
        group.give(bid);
    }
    for bid in [1, 0] {
        let sent = run(&mut ring, &op).unwrap();
        assert_eq!((sent.bytes, sent.buffer), (4, Some(bid)));
    }
    let mut bytes = [0; 8];
    client.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"45670123");
    group.finish(&mut ring);
}

#[test]
fn data_and_then_the_end_are_both_seen_when_a_peer_writes_and_leaves() {
    let mut ring = ring();
    for _ in 0..20 {
        let (mut client, server) = tcp();
        let group = Group::new(&mut ring, GROUP, 4, 64);
        let ioprio = RecvSendFlags::EMPTY;
        let op = RecvMulti { target: fd(&server), bgid: GROUP, ioprio, cap_bytes: 0 };
        push(&mut ring, &op, 1);
        client.write_all(b"bye").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut bytes = Vec::new();
        loop {
            let cqe = next(&mut ring);
            let got = decode::<RecvMulti>(&cqe).unwrap();
            if got.bytes == 0 {
                assert_eq!((got.buffer, cqe.more()), (None, false));
                break;
            }
            bytes.extend_from_slice(group.bytes(got.buffer, got.bytes));
            if !cqe.more() {
                push(&mut ring, &op, 1);
            }
        }
        assert_eq!(bytes, b"bye");
        group.finish(&mut ring);
    }
}

#[test]
fn receiving_ends_after_the_bytes_that_it_was_capped_at() {
    let mut ring = ring();
    let (mut client, server) = tcp();
    let group = Group::new(&mut ring, GROUP, 8, 8);
    client.write_all(&[7; 40]).unwrap();
    let op = RecvMultiWith { cap_bytes: 16, ..multi_with(fd(&server)) };
    push(&mut ring, &op, 1);
    let first = next(&mut ring);
    if first.res == -libc::EINVAL {
        super::said("no cap before Linux 6.17", Recv::OPCODE);
        return;
    }
    let mut all = vec![first];
    while all.last().unwrap().more() {
        all.push(next(&mut ring));
    }
    let bytes: i32 = all.iter().map(|cqe| cqe.res).sum();
    assert_eq!(bytes, 16, "{all:?}");
    assert_silence(&mut ring);
    group.finish(&mut ring);
}

#[test]
fn each_receive_is_capped_by_itself_and_the_request_goes_on() {
    let mut ring = ring();
    let (mut client, server) = tcp();
    let group = Group::new(&mut ring, GROUP, 8, 8);
    client.write_all(&[7; 12]).unwrap();
    let op = RecvMultiWith { len_each: 4, ..multi_with(fd(&server)) };
    push(&mut ring, &op, 1);
    let first = next(&mut ring);
    if first.res == -libc::EINVAL {
        super::said("no cap before Linux 6.17", Recv::OPCODE);
        return;
    }
    let second = next(&mut ring);
    let third = next(&mut ring);
    for cqe in [first, second, third] {
        let got = decode::<RecvMultiWith>(&cqe).unwrap();
        assert_eq!((got.bytes, cqe.more()), (4, true));
        assert_eq!(group.bytes(got.buffer, 4), [7; 4]);
    }
    drop(client);
    assert_eq!(next(&mut ring).res, 0);
    group.finish(&mut ring);
}

#[test]
fn what_goes_on_does_not_wait_for_all() {
    let mut ring = ring();
    let (_client, server) = tcp();
    let group = Group::new(&mut ring, GROUP, 1, 8);
    let op = RecvMultiWith { flags: libc::MSG_WAITALL, ..multi_with(fd(&server)) };
    assert_eq!(op.check().unwrap_err().why, "what goes on does not wait for all");
    assert_eq!(run(&mut ring, &op), Err(Errno(libc::EINVAL)));
    group.finish(&mut ring);
}

#[test]
fn receiving_that_may_not_wait_ends_when_nothing_is_left() {
    let mut ring = ring();
    let (mut client, server) = tcp();
    let group = Group::new(&mut ring, GROUP, 4, 8);
    client.write_all(b"some").unwrap();
    let op = RecvMultiWith { flags: libc::MSG_DONTWAIT, ..multi_with(fd(&server)) };
    push(&mut ring, &op, 1);
    let cqe = next(&mut ring);
    assert_eq!((cqe.res, cqe.more()), (4, true));
    let last = next(&mut ring);
    assert_eq!((last.res, last.more()), (-libc::EAGAIN, false));
    group.finish(&mut ring);
}

/// A message of one piece.
fn message(piece: &mut libc::iovec) -> libc::msghdr {
    // SAFETY: integers and pointers, for which zero is a value.
    let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = piece;
    msg.msg_iovlen = 1;
    msg
}

#[test]
fn a_message_lands_in_a_provided_buffer() {
    let mut ring = ring();
    let (left, right) = packets();
    let group = Group::new(&mut ring, GROUP, 1, 8);
    assert_eq!(run(&mut ring, &send(fd(&left), b"message")), Ok(7));
    let mut piece = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 8 };
    let mut msg = message(&mut piece);
    let op = RecvMsgSelect {
        target: fd(&right),
        msg: &raw mut msg,
        bgid: GROUP,
        flags: 0,
        ioprio: RecvSendFlags::EMPTY,
    };
    let got = run(&mut ring, &op).unwrap();
    assert_eq!(group.bytes(got.buffer, got.bytes), b"message");
    assert_eq!(run(&mut ring, &op), Err(Errno(libc::ENOBUFS)));
    group.finish(&mut ring);
}

#[test]
fn a_message_that_does_not_fit_its_buffer_says_that_it_was_cut_off() {
    let mut ring = ring();
    let (left, right) = packets();
    let group = Group::new(&mut ring, GROUP, 1, 16 + 4);
    // SAFETY: integers and pointers, for which zero is a value.
    let msg: libc::msghdr = unsafe { std::mem::zeroed() };
    let op = RecvMsgMulti {
        target: fd(&right),
        msg: &raw const msg,
        flags: libc::MSG_TRUNC,
        bgid: GROUP,
        ioprio: RecvSendFlags::EMPTY,
    };
    push(&mut ring, &op, 1);
    assert_silence(&mut ring);
    push(&mut ring, &send(fd(&left), b"0123456789"), 2);
    let [got, sent] = super::next_two(&mut ring);
    assert_eq!(sent.res, 10);
    let got = decode::<RecvMsgMulti>(&got).unwrap();
    let parts = MessageParts::parse(group.bytes(got.buffer, 20), 0, 0).unwrap();
    assert_eq!((parts.payload, parts.flags & libc::MSG_TRUNC as u32 != 0), (&b"0123"[..], true));
    drop(left);
    assert!(!next(&mut ring).more());
    group.finish(&mut ring);
}

#[test]
fn pieces_are_sent_without_a_message_around_them() {
    let mut ring = ring();
    let (mut client, server) = tcp();
    let pieces = [&b"one "[..], b"two ", b"three"];
    let iovecs = pieces.map(|piece| libc::iovec {
        iov_base: piece.as_ptr().cast_mut().cast(),
        iov_len: piece.len(),
    });
    let op = Sendv {
        target: fd(&server),
        iovecs: iovecs.as_ptr(),
        count: 3,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::EMPTY,
    };
    match run(&mut ring, &op) {
        Err(Errno(libc::EINVAL)) => return super::said("no pieces before 6.17", Send::OPCODE),
        sent => assert_eq!(sent, Ok(13)),
    }
    let mut bytes = [0; 13];
    client.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"one two three");
}

#[test]
fn registered_buffers_of_plain_sends_and_receives_are_for_newer_kernels() {
    let mut ring = ring();
    let (client, server) = tcp();
    let mut buffer = [7; 8];
    let ioprio = RecvSendFlags::EMPTY;
    let send = SendFixed {
        target: fd(&client),
        buf_index: 0,
        addr: buffer.as_ptr(),
        len: 8,
        flags: libc::MSG_NOSIGNAL,
        ioprio,
    };
    if !has_option(&mut ring, &send) {
        return;
    }
    assert_eq!(run(&mut ring, &send), Err(Errno(libc::EFAULT)), "no buffer is registered");
    let recv = RecvFixed {
        target: fd(&server),
        buf_index: 0,
        addr: buffer.as_mut_ptr(),
        len: 8,
        flags: 0,
        ioprio,
    };
    assert_eq!(run(&mut ring, &recv), Err(Errno(libc::EFAULT)));
}

#[test]
fn receiving_without_copies_needs_a_queue_of_a_network_card() {
    let mut ring = ring();
    let (_client, server) = tcp();
    let op = RecvZc { target: fd(&server), queue: 0, cap_bytes: 0, ioprio: RecvSendFlags::EMPTY };
    assert_eq!(run(&mut ring, &op), Err(Errno(libc::EINVAL)));
}

#[test]
fn the_end_of_a_stream_has_no_buffer() {
    let mut ring = ring();
    let (client, server) = tcp();
    let group = Group::new(&mut ring, GROUP, 1, 8);
    drop(client);
    push(&mut ring, &select(fd(&server)), 1);
    let cqe = next(&mut ring);
    let end = decode::<RecvSelect>(&cqe).unwrap();
    assert_eq!((end.bytes, end.buffer), (0, None));
    assert!(!cqe.flags.contains(CqeFlags::BUFFER));
    assert!(!end.buffer_more);
    group.finish(&mut ring);
}

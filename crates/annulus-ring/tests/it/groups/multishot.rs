//! Multishot receives. Mirrors recv-multishot, recv-mshot-drain, recv-mshot-fair,
//! mshot-shutdown-race, buf-ring-mshot and poll-race-mshot of liburing.

use std::{collections::BTreeMap, io::Write as _, net::Shutdown, os::fd::AsRawFd as _, thread};

use annulus_ring::{
    Ring, Target,
    abi::{BufRegFlags, CancelFlags, CqeFlags, Errno, Opcode, RecvSendFlags},
    op::{Cancel, CancelOutcome, Nop, RecvMulti},
};

use super::{BGID, Group, arm, receive, tcp, udp};
use crate::{
    ops::{decode, next, next_two, push, ring, run, supported},
    support::{pair, skip},
};

const PLAIN: RecvSendFlags = RecvSendFlags::EMPTY;

#[test]
fn one_request_receives_message_after_message() {
    let mut ring = ring();
    let mut group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 32).unwrap();
    let (receiver, mut sender) = tcp();
    arm(&mut ring, receiver.as_raw_fd(), PLAIN, 7);
    for round in 0..40_u8 {
        sender.write_all(&[round; 10]).unwrap();
        let cqe = next(&mut ring);
        assert!(cqe.more() && cqe.user_data == 7);
        assert_eq!(group.of(&cqe), [round; 10]);
        group.give(cqe.buffer_id().unwrap());
    }
}

#[test]
fn the_end_of_the_stream_ends_the_request_and_takes_no_buffer() {
    let mut ring = ring();
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 32).unwrap();
    let (receiver, mut sender) = tcp();
    arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
    sender.write_all(b"last").unwrap();
    let cqe = next(&mut ring);
    assert_eq!(group.of(&cqe), b"last");
    drop(sender);
    let cqe = next(&mut ring);
    assert_eq!((cqe.res, cqe.more(), cqe.buffer_id()), (0, false, None));
}

#[test]
fn a_group_that_is_empty_ends_the_request_and_loses_nothing() {
    let mut ring = ring();
    let mut group = Group::full(&mut ring, BufRegFlags::EMPTY, 2, 8).unwrap();
    let (receiver, mut sender) = tcp();
    sender.write_all(b"0123456789abcdefghijklmn").unwrap();
    let mut all = Vec::new();
    arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
    while all.len() < 24 {
        let cqe = next(&mut ring);
        if cqe.res == -libc::ENOBUFS {
            assert!(!cqe.more() && cqe.buffer_id().is_none());
            group.give(0);
            group.give(1);
            arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
        } else {
            all.extend_from_slice(group.of(&cqe));
        }
    }
    assert_eq!(all, b"0123456789abcdefghijklmn");
}

#[test]
fn a_stream_is_whole_however_often_the_buffers_run_out() {
    const TOTAL: usize = 300_000;
    let mut ring = ring();
    let mut group = Group::full(&mut ring, BufRegFlags::EMPTY, 8, 512).unwrap();
    let (receiver, mut sender) = tcp();
    let writer = thread::spawn(move || {
        let bytes: Vec<u8> = (0..TOTAL).map(|at| (at % 251) as u8).collect();
        sender.write_all(&bytes).unwrap();
    });
    let (mut seen, mut dry) = (0, 0);
    let mut out = Vec::new();
    arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
    while seen < TOTAL {
        let cqe = next(&mut ring);
        if cqe.res == -libc::ENOBUFS {
            dry += 1;
            out.drain(..).for_each(|bid| group.push(bid));
            group.buffers.publish();
        } else {
            for &byte in group.of(&cqe) {
                assert_eq!(byte, (seen % 251) as u8, "at {seen}");
                seen += 1;
            }
            out.push(cqe.buffer_id().unwrap());
        }
        if !cqe.more() {
            arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
        }
    }
    writer.join().unwrap();
    assert!(dry > 0, "buffers are given back only when there are none");
}

#[test]
fn what_came_before_the_end_is_seen_before_the_end() {
    let mut ring = ring();
    let mut group = Group::full(&mut ring, BufRegFlags::EMPTY, 8, 64).unwrap();
    for round in 0..200_u32 {
        let (receiver, mut sender) = pair();
        arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
        let peer = thread::spawn(move || {
            sender.write_all(b"data").unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
            sender
        });
        let first = next(&mut ring);
        assert_eq!(group.of(&first), b"data", "round {round}");
        assert!(first.more(), "round {round}");
        let last = next(&mut ring);
        assert_eq!((last.res, last.more()), (0, false), "round {round}");
        group.give(first.buffer_id().unwrap());
        drop(peer.join().unwrap());
    }
}

#[test]
fn a_request_whose_socket_is_shut_down_on_this_side_ends() {
    let mut ring = ring();
    let _group = Group::full(&mut ring, BufRegFlags::EMPTY, 2, 16).unwrap();
    let (receiver, _sender) = tcp();
    arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
    assert_eq!(run(&mut ring, &Nop), Ok(()));
    receiver.shutdown(Shutdown::Read).unwrap();
    let cqe = next(&mut ring);
    assert_eq!((cqe.user_data, cqe.res, cqe.more()), (1, 0, false));
}

#[test]
fn a_cancelled_request_ends_and_leaves_its_buffers_in_the_group() {
    let mut ring = ring();
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 16).unwrap();
    let (receiver, mut sender) = tcp();
    arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
    sender.write_all(b"x").unwrap();
    assert!(next(&mut ring).more());
    push(&mut ring, &Cancel { user_data: 1, flags: CancelFlags::EMPTY }, 2);
    let [ended, cancel] = next_two(&mut ring);
    assert_eq!((ended.res, ended.more()), (-libc::ECANCELED, false));
    assert_eq!(decode::<Cancel>(&cancel), Ok(CancelOutcome::Done(0)));
    let Ok(head) = ring.buf_ring_head(&group.buffers) else {
        return skip("this kernel does not tell the head of a group");
    };
    assert_eq!(head, 1);
}

#[test]
fn polls_that_race_with_data_leak_no_buffer() {
    let mut ring = ring();
    let mut group = Group::full(&mut ring, BufRegFlags::EMPTY, 8, 64).unwrap();
    if ring.buf_ring_head(&group.buffers).is_err() {
        return skip("this kernel does not tell the head of a group");
    }
    let mut taken = 0_u16;
    for round in 0..300_u32 {
        let (receiver, mut sender) = pair();
        let writer = thread::spawn(move || {
            sender.write_all(b"race").unwrap();
            sender
        });
        arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
        if round % 3 == 0 {
            push(&mut ring, &Cancel { user_data: 1, flags: CancelFlags::EMPTY }, 2);
        }
        let mut wanted = 1 + usize::from(round % 3 == 0);
        let mut ended = false;
        let writer = writer.join().unwrap();
        drop(writer);
        while !ended || wanted > 1 {
            let cqe = next(&mut ring);
            if cqe.user_data == 2 {
                wanted -= 1;
                continue;
            }
            if let Some(bid) = cqe.buffer_id() {
                taken = taken.wrapping_add(1);
                group.give(bid);
            }
            ended |= !cqe.more();
        }
        assert_eq!(ring.buf_ring_head(&group.buffers), Ok(taken), "round {round}");
    }
}

#[test]
fn two_requests_share_a_group_and_take_different_buffers() {
    let mut ring = ring();
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 16).unwrap();
    let ((a, mut to_a), (b, mut to_b)) = (tcp(), tcp());
    arm(&mut ring, a.as_raw_fd(), PLAIN, 1);
    arm(&mut ring, b.as_raw_fd(), PLAIN, 2);
    to_a.write_all(b"for a").unwrap();
    to_b.write_all(b"for b").unwrap();
    let [first, second] = next_two(&mut ring);
    assert_eq!((group.of(&first), group.of(&second)), (&b"for a"[..], &b"for b"[..]));
    assert_ne!(first.buffer_id(), second.buffer_id());
}

#[test]
fn each_datagram_has_a_buffer_of_its_own_and_an_empty_one_is_no_end() {
    let mut ring = ring();
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 16).unwrap();
    let (sender, receiver) = udp();
    arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
    for datagram in [&b"one"[..], b"", b"three"] {
        sender.send(datagram).unwrap();
        let cqe = next(&mut ring);
        assert_eq!(cqe.res as usize, datagram.len());
        if !datagram.is_empty() {
            assert!(cqe.more());
            assert_eq!(group.of(&cqe), datagram);
        } else if !cqe.more() {
            arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
        }
    }
}

#[test]
fn a_datagram_that_is_larger_than_its_buffer_is_cut() {
    let mut ring = ring();
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 4, 8).unwrap();
    let (sender, receiver) = udp();
    arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
    sender.send(b"larger than it").unwrap();
    sender.send(b"small").unwrap();
    let cut = next(&mut ring);
    assert_eq!(group.of(&cut), b"larger t");
    let whole = next(&mut ring);
    assert_eq!(group.of(&whole), b"small", "the rest of the first is gone");
}

/// Arms a receive that ends after so many bytes, or says that the kernel knows no such bound.
fn arm_capped(ring: &mut Ring, fd: i32, cap_bytes: u32, user_data: u64) -> bool {
    // No probe tells of the bound; this opcode came with the kernel before it.
    if !supported(ring, &[Opcode::PIPE]) {
        return false;
    }
    let target = Target::Fd(fd);
    push(ring, &RecvMulti { target, bgid: BGID, ioprio: PLAIN, cap_bytes }, user_data);
    true
}

#[test]
fn a_bound_of_bytes_ends_the_request_when_so_much_has_come() {
    let mut ring = ring();
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 8, 16).unwrap();
    let (receiver, mut sender) = tcp();
    sender.write_all(&[7; 64]).unwrap();
    if !arm_capped(&mut ring, receiver.as_raw_fd(), 24, 1) {
        return;
    }
    let first = next(&mut ring);
    if first.res == -libc::EINVAL {
        return skip("this kernel bounds no multishot receive");
    }
    assert_eq!((group.of(&first).len(), first.more()), (16, true));
    let second = next(&mut ring);
    assert!(!second.more(), "24 bytes have come");
    // A kernel may fill the buffer in which the bound lies.
    assert!(matches!(group.of(&second).len(), 8 | 16));
    arm(&mut ring, receiver.as_raw_fd(), PLAIN, 2);
    let rest = 64 - 16 - group.of(&second).len();
    let mut seen = 0;
    while seen < rest {
        seen += group.of(&next(&mut ring)).len();
    }
    assert_eq!(seen, rest, "nothing was lost");
}

#[test]
fn streams_with_a_bound_take_turns_in_the_group() {
    let mut ring = ring();
    let mut group = Group::full(&mut ring, BufRegFlags::EMPTY, 16, 16).unwrap();
    let ((a, mut to_a), (b, mut to_b)) = (tcp(), tcp());
    to_a.write_all(&[1; 16 * 40]).unwrap();
    to_b.write_all(&[2; 16 * 40]).unwrap();
    let fds = BTreeMap::from([(1, a.as_raw_fd()), (2, b.as_raw_fd())]);
    let mut bytes = BTreeMap::from([(1, 0), (2, 0)]);
    for (&user_data, &fd) in &fds {
        if !arm_capped(&mut ring, fd, 32, user_data) {
            return;
        }
    }
    while bytes.values().sum::<usize>() < 2 * 16 * 40 {
        let cqe = next(&mut ring);
        if cqe.res == -libc::EINVAL {
            return skip("this kernel bounds no multishot receive");
        }
        let content = group.of(&cqe);
        assert!(content.iter().all(|&byte| u64::from(byte) == cqe.user_data));
        *bytes.get_mut(&cqe.user_data).unwrap() += content.len();
        group.give(cqe.buffer_id().unwrap());
        if !cqe.more() {
            arm_capped(&mut ring, fds[&cqe.user_data], 32, cqe.user_data);
            // Neither is more than the bound, and one buffer, ahead of the other.
            let apart = bytes[&1].abs_diff(bytes[&2]);
            let done = bytes.values().any(|&count| count == 16 * 40);
            assert!(apart <= 32 + 16 || done, "{bytes:?}");
        }
    }
}

#[test]
fn a_completion_says_whether_more_is_there() {
    let mut ring = ring();
    let _group = Group::full(&mut ring, BufRegFlags::EMPTY, 8, 8).unwrap();
    let (receiver, mut sender) = tcp();
    sender.write_all(b"0123456789").unwrap();
    arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
    let first = next(&mut ring);
    assert!(first.flags.contains(CqeFlags::SOCK_NONEMPTY));
    let second = next(&mut ring);
    assert!(!second.flags.contains(CqeFlags::SOCK_NONEMPTY));
}

#[test]
fn a_multishot_receive_cannot_wait_for_all() {
    let mut ring = ring();
    let _group = Group::full(&mut ring, BufRegFlags::EMPTY, 2, 8).unwrap();
    let (receiver, _sender) = tcp();
    let mut sqe = annulus_ring::abi::Sqe::default();
    let target = Target::Fd(receiver.as_raw_fd());
    let recv = RecvMulti { target, bgid: BGID, ioprio: PLAIN, cap_bytes: 0 };
    annulus_ring::Op::encode(&recv, &mut sqe);
    sqe.op_flags = libc::MSG_WAITALL as u32;
    assert_eq!(crate::support::complete(&mut ring, &sqe).res, -libc::EINVAL);
}

#[test]
fn a_receive_from_a_group_that_is_not_there_ends_for_want_of_buffers() {
    let mut ring = ring();
    let (receiver, mut sender) = tcp();
    sender.write_all(b"x").unwrap();
    arm(&mut ring, receiver.as_raw_fd(), PLAIN, 1);
    assert_eq!(receive(&mut ring), (Err(Errno(libc::ENOBUFS)), false));
}

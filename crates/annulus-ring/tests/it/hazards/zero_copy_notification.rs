//! Memory of a send without copying is used again before the kernel has let go of it.
//!
//! *Evidence*: liburing#1462; netty#15599, #17238.
//!
//! *Answer*: a second completion, the notification, follows if and only if the first carries
//! `F_MORE`, whatever its result; the memory is the kernel's until then.
//!
//! *Also proven*: `ops::messages`, for what both completions say; sends of the runtime, in
//! `annulus` (`hazards::zero_copy_notification`).

use std::{
    collections::HashMap,
    io::Read as _,
    net::{Shutdown, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
};

use annulus_ring::{
    Ring, Target,
    abi::{Cqe, CqeFlags, Opcode, RecvSendFlags},
    op::{Cancel, Nop, SendZc},
};

use crate::ops::{next, push, ring, run, supported};

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn send(stream: &TcpStream, bytes: &[u8], flags: i32) -> SendZc {
    SendZc {
        target: Target::Fd(stream.as_raw_fd()),
        addr: bytes.as_ptr(),
        len: bytes.len() as u32,
        flags: flags | libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::EMPTY,
        buf_index: 0,
        dest: std::ptr::null(),
        dest_len: 0,
    }
}

fn is_notification(cqe: &Cqe) -> bool {
    cqe.flags.contains(CqeFlags::NOTIF)
}

/// Reaps all completions of one send, and checks their order. Gives its result.
fn settle(ring: &mut Ring, user_data: u64) -> i32 {
    let first = next(ring);
    assert_eq!(first.user_data, user_data);
    assert!(!is_notification(&first), "the result comes first");
    if first.more() {
        let second = next(ring);
        assert_eq!(second.user_data, user_data);
        assert!(is_notification(&second) && !second.more(), "and one notification ends it");
    }
    assert_eq!(run(ring, &Nop), Ok(()), "nothing else comes");
    first.res
}

#[test]
fn memory_that_was_let_go_may_change_before_the_peer_reads() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SEND_ZC]) {
        return;
    }
    let (client, mut server) = tcp();
    let mut bytes = vec![7; 32 * 1024];
    for round in 0..8 {
        bytes.fill(round);
        push(&mut ring, &send(&client, &bytes, 0), 1);
        let sent = settle(&mut ring, 1);
        assert!(sent > 0, "{sent}");
        bytes.fill(0xff); // after the notification it is ours
        let mut got = vec![0; sent as usize];
        server.read_exact(&mut got).unwrap();
        assert!(got.iter().all(|&byte| byte == round), "round {round}");
    }
}

#[test]
fn a_send_that_fails_notifies_if_and_only_if_it_said_so() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SEND_ZC]) {
        return;
    }
    let (client, server) = tcp();
    client.shutdown(Shutdown::Write).unwrap();
    let bytes = [1; 100];
    push(&mut ring, &send(&client, &bytes, 0), 2);
    assert_eq!(settle(&mut ring, 2), -libc::EPIPE);
    // A descriptor that is none, and a socket that is reset.
    push(&mut ring, &SendZc { target: Target::Fd(-1), ..send(&client, &bytes, 0) }, 3);
    assert_eq!(settle(&mut ring, 3), -libc::EBADF);
    drop(server);
    let unconnected = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = Target::Fd(unconnected.as_raw_fd());
    push(&mut ring, &SendZc { target, ..send(&client, &bytes, 0) }, 4);
    assert_eq!(settle(&mut ring, 4), -libc::EDESTADDRREQ);
}

#[test]
fn a_cancelled_send_lets_go_of_its_memory_exactly_once() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SEND_ZC]) {
        return;
    }
    let (client, mut server) = tcp();
    // More than both sockets take: it waits in the middle.
    let bytes: Vec<u8> = (0..16 << 20).map(|at: u32| (at >> 9) as u8).collect();
    push(&mut ring, &send(&client, &bytes, libc::MSG_WAITALL), 1);
    ring.submit().unwrap();
    let cancel = Cancel { user_data: 1, flags: annulus_ring::abi::CancelFlags::EMPTY };
    push(&mut ring, &cancel, 2);
    // The peer has to take what was sent before the memory comes free.
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        server.read_to_end(&mut all).unwrap();
        all
    });
    let (mut result, mut let_go, mut cancelled) = (None, false, false);
    while !(cancelled && result.is_some() && let_go) {
        let cqe = next(&mut ring);
        match cqe.user_data {
            2 => cancelled = true,
            _ if is_notification(&cqe) => {
                assert!(result.is_some() && !let_go && !cqe.more());
                let_go = true;
                client.shutdown(Shutdown::Write).unwrap();
            }
            _ => {
                assert!(result.is_none());
                result = Some(cqe.res);
                if !cqe.more() {
                    let_go = true;
                    client.shutdown(Shutdown::Write).unwrap();
                }
            }
        }
    }
    assert_eq!(run(&mut ring, &Nop), Ok(()), "nothing else comes");
    let all = reader.join().unwrap();
    let sent = result.unwrap().max(0) as usize;
    assert_eq!(all.len(), sent, "what the result says is what was sent");
    assert!(bytes.starts_with(&all));
}

#[test]
fn many_sends_at_once_each_end_once_in_whatever_order() {
    const SENDS: u64 = 16;
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SEND_ZC]) {
        return;
    }
    let pairs: Vec<_> = (0..SENDS).map(|_| tcp()).collect();
    let bytes = vec![3; 20_000];
    for (index, (client, _)) in pairs.iter().enumerate() {
        // They are submitted together.
        crate::ops::link(
            &mut ring,
            &send(client, &bytes, libc::MSG_WAITALL),
            index as u64,
            annulus_ring::abi::SqeFlags::EMPTY,
        );
    }
    let readers: Vec<_> = pairs
        .into_iter()
        .map(|(client, mut server)| {
            std::thread::spawn(move || {
                let mut got = vec![0; 20_000];
                server.read_exact(&mut got).unwrap();
                drop(client);
                got
            })
        })
        .collect();
    // What each still owes: its result, then perhaps its notification.
    let mut owed: HashMap<u64, bool> = (0..SENDS).map(|index| (index, false)).collect();
    while !owed.is_empty() {
        let cqe = next(&mut ring);
        let had_result = owed.remove(&cqe.user_data).expect("it had not ended before");
        assert_eq!(is_notification(&cqe), had_result, "first the result, then the notification");
        if !had_result {
            assert_eq!(cqe.res, 20_000);
        }
        if cqe.more() {
            owed.insert(cqe.user_data, true);
        }
    }
    for reader in readers {
        assert_eq!(reader.join().unwrap(), bytes);
    }
}

//! The time limit of a linked request takes away what the request had achieved.
//!
//! *Evidence*: liburing#1422 (lost data), #1208 (ENOENT).
//!
//! *Answer*: both complete, in either order, and only the request's own result says what it did:
//! bytes that it received are in its buffer whatever its time limit says.
//!
//! *Also proven*: `ops::time`; time limits of the runtime, which are no links, in `annulus`
//! (`hazards::linked_timeout`).

use std::{
    io::{Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::net::UnixStream},
};

use annulus_ring::{
    Ring, Target,
    abi::{Errno, RecvSendFlags, SqeFlags, TimeoutFlags, Timespec},
    op::{LinkTimeout, LinkTimeoutEnd, Nop, Read, Recv},
};

use crate::ops::{decode, link, next_two, ring, run};

fn recv(stream: &UnixStream, buffer: &mut [u8]) -> Recv {
    Recv {
        target: Target::Fd(stream.as_raw_fd()),
        addr: buffer.as_mut_ptr(),
        len: buffer.len() as u32,
        flags: 0,
        ioprio: RecvSendFlags::EMPTY,
    }
}

/// Receives under a time limit: what both say.
fn limited(
    ring: &mut Ring,
    recv: &Recv,
    nsec: i64,
) -> (Result<u32, Errno>, Result<LinkTimeoutEnd, Errno>) {
    let spec = Timespec { sec: 0, nsec };
    link(ring, recv, 1, SqeFlags::IO_LINK);
    link(ring, &LinkTimeout { spec: &spec, flags: TimeoutFlags::EMPTY }, 2, SqeFlags::EMPTY);
    let [received, limit] = next_two(ring);
    assert_eq!((received.user_data, limit.user_data), (1, 2), "each completes once");
    assert_eq!(run(ring, &Nop), Ok(()), "and nothing else does");
    (decode::<Recv>(&received), decode::<LinkTimeout>(&limit))
}

#[test]
fn bytes_that_come_around_the_limit_are_received_or_left_but_never_lost() {
    const ROUNDS: i64 = 400;
    let mut ring = ring();
    let (mut left, right) = UnixStream::pair().unwrap();
    let writer = std::thread::spawn(move || {
        for round in 0..ROUNDS {
            left.write_all(&[round as u8]).unwrap();
            for _ in 0..round * 20 {
                std::hint::spin_loop();
            }
        }
        left
    });
    let mut all = Vec::new();
    let mut tries = 0;
    while all.len() < ROUNDS as usize {
        let mut buffer = [0; 3];
        let (received, limit) = limited(&mut ring, &recv(&right, &mut buffer), tries % 50 * 1000);
        match received {
            Ok(bytes) => all.extend_from_slice(&buffer[..bytes as usize]),
            Err(errno) => {
                assert_eq!((errno, limit), (Errno(libc::ECANCELED), Ok(LinkTimeoutEnd::Expired)));
                assert_eq!(buffer, [0; 3], "what was not received was not written");
            }
        }
        tries += 1;
    }
    assert!(all.into_iter().eq((0..ROUNDS).map(|round| round as u8)));
    drop(writer.join().unwrap());
}

#[test]
fn a_request_that_is_ready_is_not_cancelled_by_a_limit_that_has_passed() {
    let mut ring = ring();
    let (mut left, right) = UnixStream::pair().unwrap();
    for round in 0..50_u8 {
        left.write_all(&[round; 4]).unwrap();
        let mut buffer = [0; 4];
        // The bytes are there when the request is issued, and that is before its time runs.
        let (received, limit) = limited(&mut ring, &recv(&right, &mut buffer), 0);
        assert_eq!((received, buffer), (Ok(4), [round; 4]));
        assert!(matches!(limit, Ok(LinkTimeoutEnd::NotNeeded | LinkTimeoutEnd::Expired)));
    }
}

#[test]
fn a_limit_whose_request_never_began_ends_with_it() {
    let mut ring = ring();
    let spec = Timespec { sec: 3600, nsec: 0 };
    let mut byte = 0_u8;
    // Fails at once, so the chain breaks before its second link.
    let bad = Read { target: Target::Fd(-1), addr: &mut byte, len: 1, offset: 0 };
    for _ in 0..20 {
        link(&mut ring, &bad, 0, SqeFlags::IO_LINK);
        link(&mut ring, &Nop, 1, SqeFlags::IO_LINK);
        link(
            &mut ring,
            &LinkTimeout { spec: &spec, flags: TimeoutFlags::EMPTY },
            2,
            SqeFlags::EMPTY,
        );
        let mut cqes =
            [crate::ops::next(&mut ring), crate::ops::next(&mut ring), crate::ops::next(&mut ring)];
        cqes.sort_by_key(|cqe| cqe.user_data);
        assert_eq!(decode::<Read>(&cqes[0]), Err(Errno(libc::EBADF)));
        assert_eq!(decode::<Nop>(&cqes[1]), Err(Errno(libc::ECANCELED)));
        assert_eq!(decode::<LinkTimeout>(&cqes[2]), Ok(LinkTimeoutEnd::NotNeeded));
    }
    assert_eq!(run(&mut ring, &Nop), Ok(()), "nothing is left behind");
}

#[test]
fn what_was_left_by_a_cancelled_receive_is_the_next_ones() {
    let mut ring = ring();
    let (mut left, mut right) = UnixStream::pair().unwrap();
    let mut buffer = [0; 8];
    let (received, limit) = limited(&mut ring, &recv(&right, &mut buffer), 1000);
    assert_eq!(received, Err(Errno(libc::ECANCELED)));
    assert_eq!(limit, Ok(LinkTimeoutEnd::Expired));
    left.write_all(b"for whom?").unwrap();
    let mut all = [0; 9];
    right.read_exact(&mut all).unwrap();
    assert_eq!((&all, buffer), (b"for whom?", [0; 8]));
}

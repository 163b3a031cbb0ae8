//! More of accepting. Mirrors accept, accept-reuse, accept-non-empty and accept-mshot-stress of
//! liburing.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd as _, RawFd},
    ptr,
};

use annulus_ring::{
    Ring, SocketAddress, Target,
    abi::{AcceptFlags, CancelFlags, CqeFlags, Errno, Opcode},
    op::{Accept, AcceptMulti, Cancel, Place, Recv, Send, Shutdown},
};

use super::{
    decode,
    made::{assert_silence, fd, owned, recv, results, send, sorted},
    next, push, ring, run, supported,
};

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn client(listener: &TcpListener) -> TcpStream {
    TcpStream::connect(listener.local_addr().unwrap()).unwrap()
}

fn accept(listener: &TcpListener) -> Accept {
    Accept {
        target: fd(listener),
        addr: ptr::null_mut(),
        addr_len: ptr::null_mut(),
        flags: libc::SOCK_CLOEXEC,
        ioprio: AcceptFlags::EMPTY,
        place: Place::Fd,
    }
}

fn multi(listener: &TcpListener, place: Place) -> AcceptMulti {
    let flags = if place == Place::Fd { libc::SOCK_CLOEXEC } else { 0 };
    AcceptMulti { target: fd(listener), flags, ioprio: AcceptFlags::EMPTY, place }
}

fn flags_of(fd: RawFd) -> (bool, bool) {
    // SAFETY: reads the descriptor's flags; no memory is involved.
    let of_fd = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    // SAFETY: as above.
    let of_file = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    (of_fd & libc::FD_CLOEXEC != 0, of_file & libc::O_NONBLOCK != 0)
}

#[test]
fn a_connection_is_close_on_exec_and_nonblocking_as_asked() {
    let mut ring = ring();
    let listener = listener();
    for (flags, expected) in [
        (0, (false, false)),
        (libc::SOCK_CLOEXEC, (true, false)),
        (libc::SOCK_NONBLOCK, (false, true)),
        (libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, (true, true)),
    ] {
        let _client = client(&listener);
        let fd = run(&mut ring, &Accept { flags, ..accept(&listener) }).unwrap();
        let connection = owned(fd);
        assert_eq!(flags_of(connection.as_raw_fd()), expected);
    }
}

#[test]
fn with_dontwait_an_accept_fails_when_nobody_is_there() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::BIND]) {
        return;
    }
    let listener = listener();
    let op = Accept { ioprio: AcceptFlags::DONTWAIT, ..accept(&listener) };
    assert_eq!(run(&mut ring, &op), Err(Errno(libc::EAGAIN)));
    let _client = client(&listener);
    drop(owned(run(&mut ring, &op).unwrap()));
}

#[test]
fn an_accept_that_polls_first_finds_who_was_there_before() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::BIND]) {
        return;
    }
    let listener = listener();
    let _client = client(&listener);
    let op = Accept { ioprio: AcceptFlags::POLL_FIRST, ..accept(&listener) };
    drop(owned(run(&mut ring, &op).unwrap()));
}

#[test]
fn an_accept_says_whether_more_connections_wait() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::BIND]) {
        return;
    }
    let listener = listener();
    let _clients = [client(&listener), client(&listener), client(&listener)];
    for more in [true, true, false] {
        push(&mut ring, &accept(&listener), 1);
        let cqe = next(&mut ring);
        drop(owned(decode::<Accept>(&cqe).unwrap()));
        assert_eq!(cqe.flags.contains(CqeFlags::SOCK_NONEMPTY), more);
    }
}

#[test]
fn one_place_for_an_address_serves_one_accept_after_the_other() {
    let mut ring = ring();
    let listener = listener();
    for _ in 0..3 {
        let client = client(&listener);
        let mut peer = SocketAddress::empty();
        let (addr, addr_len) = peer.as_mut();
        let op = Accept { addr, addr_len, ..accept(&listener) };
        drop(owned(run(&mut ring, &op).unwrap()));
        assert_eq!(peer.ip(), Some(client.local_addr().unwrap()));
    }
}

#[test]
fn an_accept_is_cancelled_and_the_next_one_gets_the_connection() {
    let mut ring = ring();
    let listener = listener();
    push(&mut ring, &accept(&listener), 1);
    push(&mut ring, &Cancel { user_data: 1, flags: CancelFlags::EMPTY }, 2);
    assert_eq!(sorted(&mut ring, 2), [(1, -libc::ECANCELED), (2, 0)]);
    let _client = client(&listener);
    drop(owned(run(&mut ring, &accept(&listener)).unwrap()));
}

#[test]
fn a_listener_that_is_shut_down_ends_its_accept() {
    let mut ring = ring();
    let listener = listener();
    push(&mut ring, &accept(&listener), 1);
    assert_silence(&mut ring);
    let shutdown = Shutdown { target: fd(&listener), how: libc::SHUT_RDWR };
    push(&mut ring, &shutdown, 2);
    assert_eq!(sorted(&mut ring, 2), [(1, -libc::EINVAL), (2, 0)]);
}

#[test]
fn what_does_not_listen_accepts_nobody() {
    let mut ring = ring();
    let listener = listener();
    let client = client(&listener);
    let op = Accept { target: fd(&client), ..accept(&listener) };
    assert_eq!(run(&mut ring, &op), Err(Errno(libc::EINVAL)));
    let op = Accept { target: Target::Fd(-1), ..op };
    assert_eq!(run(&mut ring, &op), Err(Errno(libc::EBADF)));
    let null = std::fs::File::open("/dev/null").unwrap();
    let op = Accept { target: fd(&null), ..op };
    assert_eq!(run(&mut ring, &op), Err(Errno(libc::ENOTSOCK)));
}

#[test]
fn a_connection_in_a_slot_is_spoken_with_there() {
    let mut ring = ring();
    ring.register_files_sparse(2).unwrap();
    let listener = listener();
    let mut client = client(&listener);
    let op = Accept { flags: 0, place: Place::Fixed(1), ..accept(&listener) };
    assert_eq!(run(&mut ring, &op), Ok(0));
    client.write_all(b"ping").unwrap();
    let mut buffer = [0; 4];
    let target = Target::Fixed(1);
    assert_eq!(run::<Recv>(&mut ring, &recv(target, &mut buffer, 0)), Ok(4));
    assert_eq!(run::<Send>(&mut ring, &send(target, &buffer)), Ok(4));
    client.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"ping");
}

#[test]
fn a_slot_that_is_accepted_into_again_closes_its_first_connection() {
    let mut ring = ring();
    ring.register_files_sparse(1).unwrap();
    let listener = listener();
    let mut first = client(&listener);
    let op = Accept { flags: 0, place: Place::Fixed(0), ..accept(&listener) };
    assert_eq!(run(&mut ring, &op), Ok(0));
    let _second = client(&listener);
    assert_eq!(run(&mut ring, &op), Ok(0));
    assert_eq!(first.read(&mut [0; 1]).unwrap(), 0, "the end of the stream");
}

#[test]
fn a_full_table_ends_accepting_and_leaves_the_connection_to_the_next() {
    let mut ring = ring();
    ring.register_files_sparse(2).unwrap();
    let listener = listener();
    push(&mut ring, &multi(&listener, Place::FixedAny), 1);
    let _clients = [client(&listener), client(&listener)];
    for _ in 0..2 {
        let cqe = next(&mut ring);
        assert!(cqe.more() && [0, 1].contains(&cqe.res), "{cqe:?}");
    }
    let _third = client(&listener);
    let full = next(&mut ring);
    assert_eq!((full.res, full.more()), (-libc::ENFILE, false));
}

#[test]
fn no_connection_is_lost_of_many() {
    const MANY: usize = 300;
    let mut ring = ring();
    let listener = listener();
    push(&mut ring, &multi(&listener, Place::Fd), 1);
    let address = listener.local_addr().unwrap();
    let dialler = std::thread::spawn(move || {
        (0..MANY)
            .map(|number| {
                let mut client = TcpStream::connect(address).unwrap();
                client.write_all(&(number as u32).to_ne_bytes()).unwrap();
            })
            .count()
    });
    let mut seen = vec![false; MANY];
    for _ in 0..MANY {
        let cqe = next(&mut ring);
        let mut connection = TcpStream::from(owned(decode::<AcceptMulti>(&cqe).unwrap()));
        if !cqe.more() {
            push(&mut ring, &multi(&listener, Place::Fd), 1);
        }
        let mut number = [0; 4];
        connection.read_exact(&mut number).unwrap();
        let number = u32::from_ne_bytes(number) as usize;
        assert!(!std::mem::replace(&mut seen[number], true), "{number} came twice");
    }
    assert_eq!(dialler.join().unwrap(), MANY);
    assert!(seen.iter().all(|seen| *seen));
    end(&mut ring);
}

/// Ends the accept that was pushed as 1.
fn end(ring: &mut Ring) {
    push(ring, &Cancel { user_data: 1, flags: CancelFlags::EMPTY }, 2);
    assert_eq!(results(ring, 2).len(), 2);
    assert_silence(ring);
}

#[test]
fn accepting_that_was_cancelled_says_so_in_a_last_completion() {
    let mut ring = ring();
    let listener = listener();
    push(&mut ring, &multi(&listener, Place::Fd), 1);
    let _client = client(&listener);
    let cqe = next(&mut ring);
    drop(owned(decode::<AcceptMulti>(&cqe).unwrap()));
    assert!(cqe.more());
    push(&mut ring, &Cancel { user_data: 1, flags: CancelFlags::EMPTY }, 2);
    let (one, two) = (next(&mut ring), next(&mut ring));
    let last = if one.user_data == 1 { one } else { two };
    assert_eq!((last.res, last.more()), (-libc::ECANCELED, false));
}

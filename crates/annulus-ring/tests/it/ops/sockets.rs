//! Making and connecting sockets. Mirrors socket, bind-listen, accept, connect, shutdown and
//! socket-getsetsock-cmd of liburing.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    ptr,
};

use annulus_ring::{
    Kernel as _, Ring, SocketAddress, Target,
    abi::{AcceptFlags, CancelFlags, Errno, Opcode, RecvSendFlags},
    op::{
        Accept, AcceptMulti, Bind, Cancel, CancelOutcome, Close, Connect, GetSocketOption, Listen,
        Place, Recv, SetSocketOption, Shutdown, Socket,
    },
};

use super::{decode, next, next_two, push, ring, run, supported};

fn stream(fd: RawFd) -> TcpStream {
    // SAFETY: the completion gave the descriptor to this test.
    TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn accept(target: Target) -> Accept {
    Accept {
        target,
        addr: ptr::null_mut(),
        addr_len: ptr::null_mut(),
        flags: libc::SOCK_CLOEXEC,
        ioprio: AcceptFlags::EMPTY,
        place: Place::Fd,
    }
}

#[test]
fn a_server_is_made_and_a_client_connected_without_a_system_call() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SOCKET, Opcode::BIND, Opcode::LISTEN]) {
        return;
    }
    let socket = Socket {
        domain: libc::AF_INET,
        kind: libc::SOCK_STREAM | libc::SOCK_CLOEXEC,
        protocol: 0,
        place: Place::Fd,
    };
    let server = stream(run(&mut ring, &socket).unwrap());
    let target = Target::Fd(server.as_raw_fd());
    let any = SocketAddress::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let bind = Bind { target, addr: any.as_ptr(), addr_len: any.len() };
    assert_eq!(run(&mut ring, &bind), Ok(()));
    assert_eq!(run(&mut ring, &Listen { target, backlog: 8 }), Ok(()));
    let bound = SocketAddress::from(server.local_addr().unwrap());

    let mut peer = SocketAddress::empty();
    let (addr, addr_len) = peer.as_mut();
    let accept = Accept { addr, addr_len, ..accept(target) };
    push(&mut ring, &accept, 1);
    let client = stream(run_beside(&mut ring, &socket));
    let connect = Connect {
        target: Target::Fd(client.as_raw_fd()),
        addr: bound.as_ptr(),
        addr_len: bound.len(),
    };
    push(&mut ring, &connect, 2);
    let [accepted, connected] = next_two(&mut ring);
    assert_eq!(decode::<Connect>(&connected), Ok(()));
    drop(stream(decode::<Accept>(&accepted).unwrap()));
    assert_eq!(peer.ip(), Some(client.local_addr().unwrap()));
}

/// Runs `socket` while another request, with user data 1, is in flight.
fn run_beside(ring: &mut Ring, socket: &Socket) -> RawFd {
    push(ring, socket, 7);
    let cqe = next(ring);
    assert_eq!(cqe.user_data, 7);
    decode::<Socket>(&cqe).unwrap()
}

#[test]
fn a_socket_that_does_not_listen_refuses_connections() {
    let mut ring = ring();
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    let kernel = ring.kernel();
    let bound = stream(kernel.socket(libc::AF_INET, kind, 0).unwrap());
    let any = SocketAddress::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    kernel.bind(bound.as_raw_fd(), &any).unwrap();
    let address = kernel.local_address(bound.as_raw_fd()).unwrap();
    let socket = Socket {
        domain: libc::AF_INET,
        kind: libc::SOCK_STREAM | libc::SOCK_CLOEXEC,
        protocol: 0,
        place: Place::Fd,
    };
    let client = stream(run(&mut ring, &socket).unwrap());
    let connect = Connect {
        target: Target::Fd(client.as_raw_fd()),
        addr: address.as_ptr(),
        addr_len: address.len(),
    };
    assert_eq!(run(&mut ring, &connect), Err(Errno(libc::ECONNREFUSED)));
}

#[test]
fn a_socket_made_in_a_slot_connects_there() {
    let mut ring = ring();
    let (listener, address) = listener();
    ring.register_files_sparse(2).unwrap();
    let socket = Socket {
        domain: libc::AF_INET,
        kind: libc::SOCK_STREAM,
        protocol: 0,
        place: Place::Fixed(1),
    };
    assert_eq!(run(&mut ring, &socket), Ok(0));
    let address = SocketAddress::from(address);
    let connect =
        Connect { target: Target::Fixed(1), addr: address.as_ptr(), addr_len: address.len() };
    assert_eq!(run(&mut ring, &connect), Ok(()));
    assert!(listener.accept().is_ok());
}

#[test]
fn an_accept_waits_even_on_a_nonblocking_listener() {
    let mut ring = ring();
    let (listener, address) = listener();
    listener.set_nonblocking(true).unwrap();
    push(&mut ring, &accept(Target::Fd(listener.as_raw_fd())), 3);
    assert_eq!(ring.cq_ready(), 0);
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"hello").unwrap();
    let mut server = stream(decode::<Accept>(&next(&mut ring)).unwrap());
    let mut bytes = [0; 5];
    server.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
}

#[test]
fn an_accept_goes_on_until_it_is_cancelled() {
    let mut ring = ring();
    let (listener, address) = listener();
    let accept = AcceptMulti {
        target: Target::Fd(listener.as_raw_fd()),
        flags: libc::SOCK_CLOEXEC,
        ioprio: AcceptFlags::EMPTY,
        place: Place::Fd,
    };
    push(&mut ring, &accept, 1);
    for _ in 0..3 {
        let client = TcpStream::connect(address).unwrap();
        let cqe = next(&mut ring);
        assert!(cqe.more());
        let server = stream(decode::<AcceptMulti>(&cqe).unwrap());
        assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
    }
    let cancel = Cancel { user_data: 1, flags: CancelFlags::EMPTY };
    push(&mut ring, &cancel, 2);
    let [last, cancelled] = next_two(&mut ring);
    assert!(!last.more());
    assert_eq!(decode::<AcceptMulti>(&last), Err(Errno(libc::ECANCELED)));
    assert_eq!(decode::<Cancel>(&cancelled), Ok(CancelOutcome::Done(0)));
}

#[test]
fn connections_are_accepted_into_slots_of_the_kernels_choice() {
    let mut ring = ring();
    let (listener, address) = listener();
    ring.register_files_sparse(1).unwrap();
    let accept = AcceptMulti {
        target: Target::Fd(listener.as_raw_fd()),
        flags: 0,
        ioprio: AcceptFlags::EMPTY,
        place: Place::FixedAny,
    };
    push(&mut ring, &accept, 1);
    let _first = TcpStream::connect(address).unwrap();
    let cqe = next(&mut ring);
    assert_eq!((decode::<AcceptMulti>(&cqe), cqe.more()), (Ok(0), true));
    let _second = TcpStream::connect(address).unwrap();
    let full = next(&mut ring);
    assert_eq!(decode::<AcceptMulti>(&full), Err(Errno(libc::ENFILE)));
    assert!(!full.more());
}

#[test]
fn one_slot_cannot_take_every_connection() {
    let mut ring = ring();
    let (listener, _) = listener();
    ring.register_files_sparse(1).unwrap();
    let accept = AcceptMulti {
        target: Target::Fd(listener.as_raw_fd()),
        flags: 0,
        ioprio: AcceptFlags::EMPTY,
        place: Place::Fixed(0),
    };
    assert_eq!(run(&mut ring, &accept), Err(Errno(libc::EINVAL)));
}

#[test]
fn shutting_down_ends_the_stream_for_the_peer() {
    let mut ring = ring();
    let (left, mut right) = UnixStream::pair().unwrap();
    let shutdown = Shutdown { target: Target::Fd(left.as_raw_fd()), how: libc::SHUT_WR };
    assert_eq!(run(&mut ring, &shutdown), Ok(()));
    assert_eq!(right.read(&mut [0]).unwrap(), 0);
    right.write_all(b"x").unwrap();
    assert_eq!((&left).read(&mut [0]).unwrap(), 1);
}

#[test]
fn closing_does_not_end_a_receive_in_flight() {
    let mut ring = ring();
    let (left, mut right) = UnixStream::pair().unwrap();
    let mut buffer = [0; 4];
    let fd = OwnedFd::from(left);
    let recv = Recv {
        target: Target::Fd(fd.as_raw_fd()),
        addr: buffer.as_mut_ptr(),
        len: 4,
        flags: 0,
        ioprio: RecvSendFlags::EMPTY,
    };
    push(&mut ring, &recv, 1);
    let close = Close { fd: fd.into_raw_fd() };
    assert_eq!(run(&mut ring, &close), Ok(()));
    right.write_all(b"late").unwrap();
    assert_eq!(decode::<Recv>(&next(&mut ring)), Ok(4));
    assert_eq!(&buffer, b"late");
}

#[test]
fn an_option_is_set_and_read() {
    let mut ring = ring();
    let (listener, _) = listener();
    let target = Target::Fd(listener.as_raw_fd());
    let one = 1_i32.to_ne_bytes();
    let set = SetSocketOption {
        target,
        level: libc::SOL_SOCKET,
        name: libc::SO_KEEPALIVE,
        value: one.as_ptr(),
        len: 4,
    };
    // The commands of sockets came with 6.7, and no probe tells of one; this opcode came then.
    if !supported(&ring, &[Opcode::READ_MULTISHOT]) {
        return;
    }
    assert_eq!(run(&mut ring, &set), Ok(()));
    let mut value = [0; 4];
    let get = GetSocketOption {
        target,
        level: libc::SOL_SOCKET,
        name: libc::SO_KEEPALIVE,
        value: value.as_mut_ptr(),
        len: 4,
    };
    assert_eq!(run(&mut ring, &get), Ok(4));
    assert_eq!(i32::from_ne_bytes(value), 1);
}

//! More of making and connecting sockets. Mirrors connect, connect-rep, conn-unreach, bind-listen,
//! socket and socket-nb of liburing.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
};

use annulus_ring::{
    Ring, SocketAddress, Target,
    abi::{AcceptFlags, CqeFlags, Errno, Opcode, TimeoutFlags},
    op::{Accept, Bind, Connect, LinkTimeout, Listen, Place, Recv, Socket},
};

use super::{
    decode,
    made::{LONG, assert_silence, fd, owned, recv, results, tcp},
    next, push, ring, run, supported,
};

const STREAM: Socket = Socket {
    domain: libc::AF_INET,
    kind: libc::SOCK_STREAM | libc::SOCK_CLOEXEC,
    protocol: 0,
    place: Place::Fd,
};

fn socket(ring: &mut Ring, op: &Socket) -> OwnedFd {
    owned(run(ring, op).unwrap())
}

fn connect(target: Target, address: &SocketAddress) -> Connect {
    Connect { target, addr: address.as_ptr(), addr_len: address.len() }
}

fn loopback(port: u16) -> SocketAddress {
    SocketAddress::from(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// A port on which nobody listens, for as long as the socket that holds it lives.
fn closed_port() -> (UdpSocket, u16) {
    loop {
        let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = holder.local_addr().unwrap().port();
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            return (holder, port);
        }
    }
}

#[test]
fn a_refused_connection_is_refused_again_on_the_same_socket() {
    let mut ring = ring();
    let (_holder, port) = closed_port();
    let address = loopback(port);
    let socket = socket(&mut ring, &STREAM);
    for _ in 0..3 {
        let refused = run(&mut ring, &connect(fd(&socket), &address));
        assert_eq!(refused, Err(Errno(libc::ECONNREFUSED)));
    }
}

#[test]
fn what_cannot_be_reached_is_an_error() {
    let mut ring = ring();
    let everybody = SocketAddress::from(SocketAddr::from(([255, 255, 255, 255], 9)));
    let socket = socket(&mut ring, &STREAM);
    let unreachable = run(&mut ring, &connect(fd(&socket), &everybody)).unwrap_err();
    let known = [libc::ENETUNREACH, libc::EHOSTUNREACH, libc::EACCES];
    assert!(known.contains(&unreachable.0), "{unreachable}");
}

#[test]
fn a_connected_socket_is_not_connected_again() {
    let mut ring = ring();
    let (client, _server) = tcp();
    let address = SocketAddress::from(client.peer_addr().unwrap());
    let again = run(&mut ring, &connect(fd(&client), &address));
    assert_eq!(again, Err(Errno(libc::EISCONN)));
}

#[test]
fn a_path_where_nobody_listens_is_an_error() {
    let mut ring = ring();
    let dir = tempfile::tempdir().unwrap();
    let address = SocketAddress::unix(dir.path().join("nobody")).unwrap();
    let unix = Socket { domain: libc::AF_UNIX, ..STREAM };
    let socket = socket(&mut ring, &unix);
    let missing = run(&mut ring, &connect(fd(&socket), &address));
    assert_eq!(missing, Err(Errno(libc::ENOENT)));
}

#[test]
fn a_datagram_socket_connects_at_once_and_to_others_later() {
    let mut ring = ring();
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    let socket = UdpSocket::from(socket(&mut ring, &Socket { kind, ..STREAM }));
    for port in [1000, 2000] {
        assert_eq!(run(&mut ring, &connect(fd(&socket), &loopback(port))), Ok(()));
        assert_eq!(socket.peer_addr().unwrap().port(), port);
    }
}

#[test]
fn a_connection_that_is_made_in_time_needs_no_limit() {
    let mut ring = ring();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = SocketAddress::from(listener.local_addr().unwrap());
    let socket = socket(&mut ring, &STREAM);
    let limit = LinkTimeout { spec: &LONG, flags: TimeoutFlags::EMPTY };
    let mut chain = ring.chain(2).unwrap();
    // SAFETY: the address and the time outlive both completions.
    unsafe { chain.then(&connect(fd(&socket), &address), 1) }.unwrap();
    // SAFETY: as above.
    unsafe { chain.limit(&limit, 2) }.unwrap();
    chain.finish();
    let mut ended = results(&mut ring, 2);
    ended.sort_unstable();
    assert_eq!(ended, [(1, 0), (2, -libc::ECANCELED)]);
    drop(listener.accept().unwrap());
}

#[test]
fn a_server_is_made_in_a_slot_by_one_chain() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SOCKET, Opcode::BIND, Opcode::LISTEN]) {
        return;
    }
    ring.register_files_sparse(1).unwrap();
    let target = Target::Fixed(0);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server");
    let address = SocketAddress::unix(&path).unwrap();
    let socket =
        Socket { domain: libc::AF_UNIX, kind: libc::SOCK_STREAM, place: Place::Fixed(0), ..STREAM };
    let bind = Bind { target, addr: address.as_ptr(), addr_len: address.len() };
    let mut chain = ring.chain(3).unwrap();
    // SAFETY: a socket has no memory.
    unsafe { chain.then(&socket, 1) }.unwrap();
    // SAFETY: the address outlives the completions.
    unsafe { chain.then(&bind, 2) }.unwrap();
    // SAFETY: listening has no memory.
    unsafe { chain.then(&Listen { target, backlog: 4 }, 3) }.unwrap();
    chain.finish();
    assert_eq!(results(&mut ring, 3), [(1, 0), (2, 0), (3, 0)]);
    let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let accept = Accept {
        target,
        addr: std::ptr::null_mut(),
        addr_len: std::ptr::null_mut(),
        flags: libc::SOCK_CLOEXEC,
        ioprio: AcceptFlags::EMPTY,
        place: Place::Fd,
    };
    drop(owned(run(&mut ring, &accept).unwrap()));
}

#[test]
fn an_address_in_use_and_a_socket_that_has_one_are_errors() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::BIND]) {
        return;
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = SocketAddress::from(taken.local_addr().unwrap());
    let socket = socket(&mut ring, &STREAM);
    let bind = Bind { target: fd(&socket), addr: address.as_ptr(), addr_len: address.len() };
    assert_eq!(run(&mut ring, &bind), Err(Errno(libc::EADDRINUSE)));
    let any = loopback(0);
    let bind = Bind { addr: any.as_ptr(), addr_len: any.len(), ..bind };
    assert_eq!(run(&mut ring, &bind), Ok(()));
    assert_eq!(run(&mut ring, &bind), Err(Errno(libc::EINVAL)), "it has an address");
}

#[test]
fn a_datagram_socket_does_not_listen() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::LISTEN]) {
        return;
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = Listen { target: fd(&socket), backlog: 4 };
    assert_eq!(run(&mut ring, &listen), Err(Errno(libc::EOPNOTSUPP)));
}

#[test]
fn a_socket_has_the_flags_it_was_made_with() {
    let mut ring = ring();
    for (kind, close_on_exec, nonblocking) in [
        (libc::SOCK_STREAM, false, false),
        (libc::SOCK_STREAM | libc::SOCK_CLOEXEC, true, false),
        (libc::SOCK_STREAM | libc::SOCK_NONBLOCK, false, true),
    ] {
        let socket = socket(&mut ring, &Socket { kind, ..STREAM });
        // SAFETY: reads the descriptor's flags; no memory is involved.
        let of_fd = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFD) };
        // SAFETY: as above.
        let of_file = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFL) };
        assert_eq!(of_fd & libc::FD_CLOEXEC != 0, close_on_exec);
        assert_eq!(of_file & libc::O_NONBLOCK != 0, nonblocking);
    }
}

#[test]
fn a_socket_of_no_family_or_kind_is_an_error() {
    let mut ring = ring();
    let family = run(&mut ring, &Socket { domain: 9999, ..STREAM });
    assert_eq!(family, Err(Errno(libc::EAFNOSUPPORT)));
    let protocol = run(&mut ring, &Socket { protocol: libc::IPPROTO_UDP, ..STREAM });
    assert_eq!(protocol, Err(Errno(libc::EPROTONOSUPPORT)));
    let full =
        run(&mut ring, &Socket { kind: libc::SOCK_STREAM, place: Place::FixedAny, ..STREAM });
    assert_eq!(full, Err(Errno(libc::ENFILE)), "there is no table");
}

#[test]
fn a_nonblocking_socket_is_waited_for_all_the_same() {
    let mut ring = ring();
    let (client, server) = tcp();
    server.set_nonblocking(true).unwrap();
    let mut buffer = [0; 2];
    push(&mut ring, &recv(fd(&server), &mut buffer, 0), 1);
    assert_silence(&mut ring);
    (&client).write_all(b"ok").unwrap();
    let cqe = next(&mut ring);
    assert_eq!(decode::<Recv>(&cqe), Ok(2));
    assert!(!cqe.flags.contains(CqeFlags::SOCK_NONEMPTY));
    push(&mut ring, &recv(fd(&server), &mut buffer, libc::MSG_DONTWAIT), 2);
    assert_eq!(results(&mut ring, 1), [(2, -libc::EAGAIN)]);
}

//! Sending and receiving. Mirrors send_recv, recv-multishot, send-zerocopy, recvmsg and socket-nb
//! of liburing.

use std::{
    io::{Read as _, Write as _},
    mem,
    net::{TcpListener, TcpStream, UdpSocket},
    os::{fd::AsRawFd, unix::net::UnixStream},
};

use annulus_ring::{
    Op, Ring, SocketAddress, Target,
    abi::{CqeFlags, Errno, Opcode, RecvSendFlags},
    op::{
        CancelMatching, MessageParts, Recv, RecvMsg, RecvMsgMulti, RecvMulti, Send, SendMsg,
        SendMsgZc, SendTo, SendZc, ZeroCopy,
    },
};

use super::{Group, decode, next, push, ring, run, supported};

fn send(target: Target, bytes: &[u8]) -> Send {
    Send {
        target,
        addr: bytes.as_ptr(),
        len: bytes.len() as u32,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::EMPTY,
    }
}

fn recv(target: Target, buffer: &mut [u8]) -> Recv {
    Recv {
        target,
        addr: buffer.as_mut_ptr(),
        len: buffer.len() as u32,
        flags: 0,
        ioprio: RecvSendFlags::EMPTY,
    }
}

fn recv_multi(target: Target) -> RecvMulti {
    RecvMulti { target, bgid: 1, ioprio: RecvSendFlags::EMPTY, cap_bytes: 0 }
}

fn message(pieces: &mut [libc::iovec]) -> libc::msghdr {
    // SAFETY: lengths and pointers, for which zero and null are values.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = pieces.as_mut_ptr();
    message.msg_iovlen = pieces.len() as _;
    message
}

fn piece(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

#[test]
fn bytes_go_from_one_socket_to_the_other() {
    let mut ring = ring();
    let (left, right) = UnixStream::pair().unwrap();
    right.set_nonblocking(true).unwrap();
    let mut buffer = [0; 16];
    push(&mut ring, &recv(Target::Fd(right.as_raw_fd()), &mut buffer), 1);
    assert_eq!(ring.cq_ready(), 0, "a receive waits even if the socket is non-blocking");
    let send = send(Target::Fd(left.as_raw_fd()), b"ping");
    push(&mut ring, &send, 2);
    let [received, sent] = super::next_two(&mut ring);
    assert_eq!(decode::<Recv>(&received), Ok(4));
    assert_eq!(decode::<Send>(&sent), Ok(4));
    assert_eq!(&buffer[..4], b"ping");
    drop(left);
    assert_eq!(run(&mut ring, &recv(Target::Fd(right.as_raw_fd()), &mut buffer)), Ok(0));
}

#[test]
fn only_dontwait_makes_a_receive_fail_for_want_of_bytes() {
    let mut ring = ring();
    let (_left, right) = UnixStream::pair().unwrap();
    let mut buffer = [0; 1];
    let recv =
        Recv { flags: libc::MSG_DONTWAIT, ..recv(Target::Fd(right.as_raw_fd()), &mut buffer) };
    assert_eq!(run(&mut ring, &recv), Err(Errno(libc::EAGAIN)));
}

#[test]
fn a_receive_says_whether_more_is_there() {
    let mut ring = ring();
    let (mut client, server) = tcp();
    client.write_all(b"12").unwrap();
    let mut buffer = [0; 1];
    for expected in [true, false] {
        push(&mut ring, &recv(Target::Fd(server.as_raw_fd()), &mut buffer), 1);
        let cqe = next(&mut ring);
        assert_eq!(decode::<Recv>(&cqe), Ok(1));
        assert_eq!(cqe.flags.contains(CqeFlags::SOCK_NONEMPTY), expected);
    }
}

#[test]
fn a_peer_that_is_gone_is_an_error_and_no_signal() {
    let mut ring = ring();
    let (left, right) = UnixStream::pair().unwrap();
    drop(right);
    let send = send(Target::Fd(left.as_raw_fd()), b"x");
    assert_eq!(run(&mut ring, &send), Err(Errno(libc::EPIPE)));
}

#[test]
fn a_send_that_waits_for_all_is_never_short() {
    let mut ring = ring();
    let (left, mut right) = UnixStream::pair().unwrap();
    let bytes = vec![0x5a; 4 << 20];
    let send = Send {
        flags: libc::MSG_NOSIGNAL | libc::MSG_WAITALL,
        ..send(Target::Fd(left.as_raw_fd()), &bytes)
    };
    push(&mut ring, &send, 1);
    let reader = std::thread::spawn(move || {
        let mut all = vec![0; 4 << 20];
        right.read_exact(&mut all).unwrap();
        all
    });
    assert_eq!(decode::<Send>(&next(&mut ring)), Ok(4 << 20));
    assert_eq!(reader.join().unwrap(), bytes);
}

#[test]
fn a_receive_goes_on_into_provided_buffers_until_the_stream_ends() {
    let mut ring = ring();
    let mut group = Group::new(&mut ring, 1, 2, 32);
    let (mut client, server) = tcp();
    push(&mut ring, &recv_multi(Target::Fd(server.as_raw_fd())), 1);
    for bytes in [&b"one"[..], b"two", b"three"] {
        client.write_all(bytes).unwrap();
        let cqe = next(&mut ring);
        assert!(cqe.more());
        let got = decode::<RecvMulti>(&cqe).unwrap();
        assert_eq!(group.bytes(got.buffer, got.bytes), bytes);
        assert!(!got.buffer_more);
        group.give(got.buffer.unwrap());
    }
    drop(client);
    let end = next(&mut ring);
    let got = decode::<RecvMulti>(&end).unwrap();
    assert_eq!((got.bytes, got.buffer, end.more()), (0, None, false));
    group.finish(&mut ring);
}

#[test]
fn a_receive_without_a_buffer_left_ends_and_loses_nothing() {
    let mut ring = ring();
    let mut group = Group::new(&mut ring, 1, 1, 4);
    let (mut client, server) = tcp();
    client.write_all(b"12345678").unwrap();
    let recv = recv_multi(Target::Fd(server.as_raw_fd()));
    push(&mut ring, &recv, 1);
    let first = decode::<RecvMulti>(&next(&mut ring)).unwrap();
    assert_eq!(group.bytes(first.buffer, first.bytes), b"1234");
    let starved = next(&mut ring);
    assert!(!starved.more());
    assert_eq!(decode::<RecvMulti>(&starved), Err(Errno(libc::ENOBUFS)));
    assert_eq!(starved.buffer_id(), None);
    group.give(0);
    push(&mut ring, &recv, 1);
    let second = decode::<RecvMulti>(&next(&mut ring)).unwrap();
    assert_eq!(group.bytes(second.buffer, second.bytes), b"5678");
    client.shutdown(std::net::Shutdown::Write).unwrap();
    while next(&mut ring).more() {}
    group.finish(&mut ring);
}

#[test]
fn a_datagram_goes_to_an_address_and_comes_with_one() {
    let mut ring = ring();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let dest = SocketAddress::from(receiver.local_addr().unwrap());
    let send = SendTo {
        target: Target::Fd(sender.as_raw_fd()),
        addr: b"datagram".as_ptr(),
        len: 8,
        flags: 0,
        ioprio: RecvSendFlags::EMPTY,
        dest: dest.as_ptr(),
        dest_len: dest.len() as u16,
    };
    assert_eq!(run(&mut ring, &send), Ok(8));

    let (mut head, mut tail) = ([0; 4], [0; 16]);
    let mut pieces = [piece(&mut head), piece(&mut tail)];
    let mut from = SocketAddress::empty();
    let mut message = message(&mut pieces);
    let (name, name_len) = from.as_mut();
    message.msg_name = name.cast();
    // SAFETY: the length belongs to `from`, and nobody else looks at it now.
    message.msg_namelen = unsafe { *name_len };
    let recv = RecvMsg {
        target: Target::Fd(receiver.as_raw_fd()),
        msg: &mut message,
        flags: 0,
        ioprio: RecvSendFlags::EMPTY,
    };
    assert_eq!(run(&mut ring, &recv), Ok(8));
    assert_eq!((&head, &tail[..4]), (b"data", &b"gram"[..]));
    assert_eq!(from.ip(), Some(sender.local_addr().unwrap()));
}

#[test]
fn the_pieces_of_a_message_are_sent_as_one() {
    let mut ring = ring();
    let (left, mut right) = UnixStream::pair().unwrap();
    let (mut one, mut two) = (*b"two ", *b"pieces");
    let mut pieces = [piece(&mut one), piece(&mut two)];
    let message = message(&mut pieces);
    let send = SendMsg {
        target: Target::Fd(left.as_raw_fd()),
        msg: &message,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::EMPTY,
    };
    assert_eq!(run(&mut ring, &send), Ok(10));
    let mut bytes = [0; 10];
    right.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"two pieces");
}

#[test]
fn messages_land_in_provided_buffers_with_their_sender() {
    let mut ring = ring();
    let group = Group::new(&mut ring, 1, 4, 256);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut message = message(&mut []);
    message.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
    let recv = RecvMsgMulti {
        target: Target::Fd(receiver.as_raw_fd()),
        msg: &message,
        flags: 0,
        bgid: 1,
        ioprio: RecvSendFlags::EMPTY,
    };
    push(&mut ring, &recv, 1);
    for bytes in [&b"first"[..], b"2nd"] {
        sender.send_to(bytes, receiver.local_addr().unwrap()).unwrap();
        let cqe = next(&mut ring);
        assert!(cqe.more());
        let got = decode::<RecvMsgMulti>(&cqe).unwrap();
        let filled = group.bytes(got.buffer, got.bytes);
        let parts = MessageParts::parse(filled, message.msg_namelen as usize, 0).unwrap();
        assert_eq!(parts.payload, bytes);
        assert_eq!(parts.name.len(), 16);
        let port = u16::from_be_bytes([parts.name[2], parts.name[3]]);
        assert_eq!(port, sender.local_addr().unwrap().port());
    }
    let all = CancelMatching { target: None, opcode: None, user_data: None, all: true };
    push(&mut ring, &all, 2);
    super::next_two(&mut ring);
    group.finish(&mut ring);
}

/// Pushes a zero-copy send and gives what both its completions say.
fn zero_copy<O: Op<Output = ZeroCopy>>(ring: &mut Ring, op: &O) -> [ZeroCopy; 2] {
    push(ring, op, 1);
    let sent = next(ring);
    assert!(sent.more());
    let released = next(ring);
    assert!(!released.more());
    [decode::<O>(&sent).unwrap(), decode::<O>(&released).unwrap()]
}

#[test]
fn a_send_without_copying_gives_its_memory_back_afterwards() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SEND_ZC, Opcode::SENDMSG_ZC]) {
        return;
    }
    let (client, mut server) = tcp();
    let target = Target::Fd(client.as_raw_fd());
    let mut bytes = *b"zero copies";
    let send = SendZc {
        target,
        addr: bytes.as_ptr(),
        len: 11,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::EMPTY,
        buf_index: 0,
        dest: std::ptr::null(),
        dest_len: 0,
    };
    let [sent, released] = zero_copy(&mut ring, &send);
    assert_eq!(sent, ZeroCopy::Sent { bytes: 11 });
    assert_eq!(released, ZeroCopy::Released { copied: false });

    let mut pieces = [piece(&mut bytes)];
    let message = message(&mut pieces);
    let send = SendMsgZc {
        target,
        msg: &message,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::SEND_ZC_REPORT_USAGE,
        buf_index: 0,
    };
    let [sent, released] = zero_copy(&mut ring, &send);
    assert_eq!(sent, ZeroCopy::Sent { bytes: 11 });
    assert_eq!(released, ZeroCopy::Released { copied: true }, "loopback copies");
    let mut all = [0; 22];
    server.read_exact(&mut all).unwrap();
    assert_eq!(&all, b"zero copieszero copies");
}

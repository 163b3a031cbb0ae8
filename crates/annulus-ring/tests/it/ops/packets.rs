//! More of sends without copies. Mirrors send-zerocopy of liburing.

use std::{io::Read as _, net::UdpSocket, os::unix::net::UnixStream};

use annulus_ring::{
    Op, Ring, SocketAddress, Target,
    abi::{CqeFlags, Errno, Opcode, RecvSendFlags},
    op::{NotifyAs, SendMsgZc, SendTo, SendZc, SendvZc, ZeroCopy},
};

use super::{
    decode,
    made::{assert_silence, fd, has_option, tcp},
    next, push, ring, supported,
};

fn send_zc(target: Target, bytes: &[u8], ioprio: RecvSendFlags) -> SendZc {
    SendZc {
        target,
        addr: bytes.as_ptr(),
        len: bytes.len() as u32,
        flags: libc::MSG_NOSIGNAL,
        ioprio,
        buf_index: 0,
        dest: std::ptr::null(),
        dest_len: 0,
    }
}

/// Runs a zero-copy send to its end: what it sent, and whether it was copied.
fn whole<O: Op<Output = ZeroCopy>>(ring: &mut Ring, op: &O) -> Result<(u32, bool), Errno> {
    push(ring, op, 1);
    let first = next(ring);
    let sent = decode::<O>(&first);
    if !first.more() {
        return sent.map(|sent| panic!("{sent:?} without a notification"));
    }
    let second = next(ring);
    assert!(second.flags.contains(CqeFlags::NOTIF) && !second.more());
    let Ok(ZeroCopy::Released { copied }) = decode::<O>(&second) else {
        panic!("{second:?}");
    };
    match sent? {
        ZeroCopy::Sent { bytes } => Ok((bytes, copied)),
        released => panic!("{released:?} came first"),
    }
}

#[test]
fn every_send_notifies_once() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SEND_ZC]) {
        return;
    }
    let (mut client, server) = tcp();
    let mut read = vec![0; 4096];
    for round in 0..20 {
        let bytes = vec![round; 4096];
        let op = send_zc(fd(&server), &bytes, RecvSendFlags::EMPTY);
        assert_eq!(whole(&mut ring, &op), Ok((4096, false)));
        assert_silence(&mut ring);
        client.read_exact(&mut read).unwrap();
        assert!(read.iter().all(|byte| *byte == round));
    }
}

#[test]
fn loopback_copies_and_says_so_if_asked() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SEND_ZC]) {
        return;
    }
    let (_client, server) = tcp();
    let bytes = vec![7; 4096];
    let op = send_zc(fd(&server), &bytes, RecvSendFlags::SEND_ZC_REPORT_USAGE);
    assert_eq!(whole(&mut ring, &op), Ok((4096, true)));
}

#[test]
fn a_datagram_goes_to_an_address_with_and_without_copies() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SEND_ZC]) {
        return;
    }
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = SocketAddress::from(receiver.local_addr().unwrap());
    let zc = SendZc {
        dest: address.as_ptr(),
        dest_len: address.len() as u16,
        ..send_zc(fd(&sender), b"without", RecvSendFlags::EMPTY)
    };
    assert_eq!(whole(&mut ring, &zc), Ok((7, false)));
    let to = SendTo {
        target: fd(&sender),
        addr: b"with".as_ptr(),
        len: 4,
        flags: 0,
        ioprio: RecvSendFlags::EMPTY,
        dest: address.as_ptr(),
        dest_len: address.len() as u16,
    };
    assert_eq!(super::run(&mut ring, &to), Ok(4));
    for expected in [&b"without"[..], b"with"] {
        let mut buffer = [0; 16];
        let (bytes, from) = receiver.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..bytes], from), (expected, sender.local_addr().unwrap()));
    }
}

#[test]
fn a_socket_that_cannot_send_without_copies_says_so() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SEND_ZC]) {
        return;
    }
    let (left, _right) = UnixStream::pair().unwrap();
    let op = send_zc(fd(&left), b"copy", RecvSendFlags::EMPTY);
    assert_eq!(whole(&mut ring, &op), Err(Errno(libc::EOPNOTSUPP)));
    assert_silence(&mut ring);
}

#[test]
fn a_send_of_memory_that_is_not_there_fails_and_notifies_if_it_said_so() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SEND_ZC]) {
        return;
    }
    let (_client, server) = tcp();
    let nowhere = SendZc {
        addr: std::ptr::without_provenance(0x1000),
        ..send_zc(fd(&server), &[7; 64], RecvSendFlags::EMPTY)
    };
    assert_eq!(whole(&mut ring, &nowhere), Err(Errno(libc::EFAULT)));
    let unregistered = SendZc { ioprio: RecvSendFlags::FIXED_BUF, buf_index: 9, ..nowhere };
    assert_eq!(whole(&mut ring, &unregistered), Err(Errno(libc::EFAULT)));
    assert_silence(&mut ring);
}

fn pieces<const N: usize>(pieces: [&[u8]; N]) -> [libc::iovec; N] {
    pieces.map(|piece| libc::iovec {
        iov_base: piece.as_ptr().cast_mut().cast(),
        iov_len: piece.len(),
    })
}

#[test]
fn pieces_are_sent_without_copies_with_and_without_a_message_around_them() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SENDMSG_ZC]) {
        return;
    }
    let (mut client, server) = tcp();
    let mut iovecs = pieces([b"one ", b"two"]);
    // SAFETY: integers and pointers, for which zero is a value.
    let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = iovecs.as_mut_ptr();
    msg.msg_iovlen = 2;
    let message = SendMsgZc {
        target: fd(&server),
        msg: &raw const msg,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::EMPTY,
        buf_index: 0,
    };
    assert_eq!(whole(&mut ring, &message), Ok((7, false)));
    let mut bytes = [0; 7];
    client.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"one two");
    let bare = SendvZc {
        target: fd(&server),
        iovecs: iovecs.as_ptr(),
        count: 2,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::EMPTY,
        buf_index: None,
    };
    match whole(&mut ring, &bare) {
        Err(Errno(libc::EINVAL)) => super::said("no pieces before 6.17", Opcode::SEND_ZC),
        sent => {
            assert_eq!(sent, Ok((7, false)));
            client.read_exact(&mut bytes).unwrap();
            assert_eq!(&bytes, b"one two");
        }
    }
}

#[test]
fn a_notification_has_a_name_of_its_own_on_newer_kernels() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SEND_ZC]) {
        return;
    }
    let (_client, server) = tcp();
    let send = send_zc(fd(&server), b"named", RecvSendFlags::EMPTY);
    assert_eq!(whole(&mut ring, &NotifyAs { send, user_data: 0 }), Ok((5, false)));
    let refused = send_zc(Target::Fd(-1), b"", RecvSendFlags::EMPTY);
    if !has_option(&mut ring, &NotifyAs { send: refused, user_data: 9 }) {
        return;
    }
    push(&mut ring, &NotifyAs { send, user_data: 9 }, 1);
    let names = [next(&mut ring).user_data, next(&mut ring).user_data];
    assert!(names == [1, 9] || names == [9, 1], "{names:?}");
}

#[test]
fn a_registered_buffer_that_was_not_said_is_a_conflict() {
    let (_client, server) = tcp();
    let op = SendZc { buf_index: 3, ..send_zc(fd(&server), b"x", RecvSendFlags::EMPTY) };
    let text = "SEND_ZC: a registered buffer is said with FIXED_BUF";
    assert_eq!(op.check().unwrap_err().to_string(), text);
    let said = SendZc { ioprio: RecvSendFlags::FIXED_BUF, ..op };
    assert_eq!(said.check(), Ok(()));
}

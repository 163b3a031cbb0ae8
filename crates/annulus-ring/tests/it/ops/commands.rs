//! NOPs with a result, and commands of sockets and devices. Mirrors nop, uring_cmd and
//! socket-io-cmd of liburing.

use std::{io::Write as _, net::TcpListener, os::fd::AsRawFd as _, os::unix::net::UnixStream};

use annulus_ring::{
    Op as _, SocketAddress, Target,
    abi::{Errno, Opcode, SqeFlags},
    op::{
        CmdFixed, CmdMulti, Discard, GetSocketOption, NopWith, SetSocketOption, SocketInput,
        SocketName, SocketOutput, TxTimestamps, ZoneResetAll,
    },
};

use super::{
    link,
    made::{fd, file, has_option, results, tcp},
    next, pipe, push, ring, run, supported,
};

const PLAIN: NopWith =
    NopWith { result: 0, file: None, buffer: None, task_work: false, extra: None };

#[test]
fn a_nop_completes_with_the_result_that_it_was_told() {
    let mut ring = ring();
    if !has_option(&mut ring, &PLAIN) {
        return;
    }
    for result in [1, 4096, i32::MAX] {
        assert_eq!(run(&mut ring, &NopWith { result, ..PLAIN }), Ok(result as u32));
    }
    let error = NopWith { result: -libc::EIO, ..PLAIN };
    assert_eq!(run(&mut ring, &error), Err(Errno(libc::EIO)));
}

#[test]
fn a_nop_that_was_told_to_fail_breaks_a_chain() {
    let mut ring = ring();
    if !has_option(&mut ring, &PLAIN) {
        return;
    }
    let mut chain = ring.chain(2).unwrap();
    // SAFETY: a NOP has no memory.
    unsafe { chain.then(&NopWith { result: -libc::EIO, ..PLAIN }, 1) }.unwrap();
    // SAFETY: as above.
    unsafe { chain.then(&PLAIN, 2) }.unwrap();
    chain.finish();
    assert_eq!(results(&mut ring, 2), [(1, -libc::EIO), (2, -libc::ECANCELED)]);
}

// IORING_NOP_FILE and IORING_NOP_FIXED_FILE
#[test]
fn a_nop_looks_up_the_file_that_it_was_told() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    let op = NopWith { file: Some(fd(&reader)), ..PLAIN };
    if !has_option(&mut ring, &op) {
        return;
    }
    let bad = Err(Errno(libc::EBADF));
    assert_eq!(run(&mut ring, &op), Ok(0));
    assert_eq!(run(&mut ring, &NopWith { file: Some(Target::Fd(-1)), ..PLAIN }), bad);
    ring.register_files_sparse(2).unwrap();
    assert_eq!(ring.update_files(1, &[reader.as_raw_fd()]), Ok(1));
    assert_eq!(run(&mut ring, &NopWith { file: Some(Target::Fixed(1)), ..PLAIN }), Ok(0));
    assert_eq!(run(&mut ring, &NopWith { file: Some(Target::Fixed(0)), ..PLAIN }), bad);
}

// IORING_NOP_FIXED_BUFFER
#[test]
fn a_nop_looks_up_the_buffer_that_it_was_told() {
    let mut ring = ring();
    if !has_option(&mut ring, &NopWith { file: Some(Target::Fd(0)), ..PLAIN }) {
        return;
    }
    let first = NopWith { buffer: Some(0), ..PLAIN };
    let absent = Err(Errno(libc::EFAULT));
    assert_eq!(run(&mut ring, &first), absent);
    let mut memory = vec![0_u8; 4096];
    let buffer = libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() };
    ring.register_buffers(&[buffer], &[]).unwrap();
    assert_eq!(run(&mut ring, &first), Ok(0));
    assert_eq!(run(&mut ring, &NopWith { buffer: Some(1), ..PLAIN }), absent);
}

// IORING_NOP_TW
#[test]
fn a_nop_by_task_work_completes_when_that_runs() {
    let mut ring = ring();
    let op = NopWith { result: 7, task_work: true, ..PLAIN };
    if !has_option(&mut ring, &op) {
        return;
    }
    for _ in 0..10 {
        assert_eq!(run(&mut ring, &op), Ok(7));
    }
    link(&mut ring, &op, 1, SqeFlags::EMPTY);
    link(&mut ring, &PLAIN, 2, SqeFlags::EMPTY);
    let expected = [(2, 0), (1, 7)];
    assert_eq!(results(&mut ring, 2), expected, "task work runs when all has been submitted");
}

#[test]
fn a_nop_with_words_more_needs_a_ring_that_has_room_for_them() {
    let mut ring = ring();
    if !has_option(&mut ring, &PLAIN) {
        return;
    }
    let op = NopWith { extra: Some([1, 2]), ..PLAIN };
    assert_eq!(run(&mut ring, &op), Err(Errno(libc::EINVAL)));
}

#[test]
fn a_socket_says_how_much_is_to_be_read_and_to_be_sent() {
    let mut ring = ring();
    let (mut client, server) = tcp();
    let input = SocketInput { target: fd(&server) };
    if !has_option(&mut ring, &input) {
        return;
    }
    assert_eq!(run(&mut ring, &input), Ok(0));
    client.write_all(b"12345").unwrap();
    assert_eq!(server.peek(&mut [0; 8]).unwrap(), 5);
    assert_eq!(run(&mut ring, &input), Ok(5));
    let output = SocketOutput { target: fd(&client) };
    let unacknowledged = run(&mut ring, &output).unwrap();
    assert!(unacknowledged <= 5, "{unacknowledged}");
    assert_eq!(run(&mut ring, &SocketOutput { target: fd(&server) }), Ok(0));
}

#[test]
fn what_has_no_bytes_to_count_says_so() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::READ_MULTISHOT]) {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let listening = run(&mut ring, &SocketInput { target: fd(&listener) });
    assert_eq!(listening, Err(Errno(libc::EINVAL)));
    let (left, _right) = UnixStream::pair().unwrap();
    let unix = run(&mut ring, &SocketInput { target: fd(&left) });
    assert_eq!(unix, Err(Errno(libc::EOPNOTSUPP)));
    let file = run(&mut ring, &SocketOutput { target: fd(&file(b"")) });
    assert_eq!(file, Err(Errno(libc::EOPNOTSUPP)));
}

#[test]
fn the_option_of_a_socket_in_a_slot_is_set_and_read() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::READ_MULTISHOT]) {
        return;
    }
    let (client, _server) = tcp();
    ring.register_files_sparse(1).unwrap();
    assert_eq!(ring.update_files(0, &[client.as_raw_fd()]), Ok(1));
    let target = Target::Fixed(0);
    let (level, name) = (libc::SOL_SOCKET, libc::SO_KEEPALIVE);
    let on = 1i32.to_ne_bytes();
    let set = SetSocketOption { target, level, name, value: on.as_ptr(), len: 4 };
    assert_eq!(run(&mut ring, &set), Ok(()));
    let mut value = [0; 4];
    let get = GetSocketOption { target, level, name, value: value.as_mut_ptr(), len: 4 };
    assert_eq!(run(&mut ring, &get), Ok(4));
    assert_eq!(value, on);
    let unknown = SetSocketOption { name: 9999, ..set };
    assert_eq!(run(&mut ring, &unknown), Err(Errno(libc::ENOPROTOOPT)));
}

#[test]
fn a_socket_and_its_peer_are_named() {
    let mut ring = ring();
    let (client, server) = tcp();
    let mut name = SocketAddress::empty();
    let (addr, addr_len) = name.as_mut();
    let own = SocketName { target: fd(&client), addr, addr_len, peer: false };
    if !has_option(&mut ring, &own) {
        return;
    }
    assert_eq!(name.ip(), Some(client.local_addr().unwrap()));
    let mut name = SocketAddress::empty();
    let (addr, addr_len) = name.as_mut();
    assert_eq!(run(&mut ring, &SocketName { addr, addr_len, peer: true, ..own }), Ok(()));
    assert_eq!(name.ip(), Some(server.local_addr().unwrap()));
}

#[test]
fn transmit_timestamps_need_a_ring_with_room_for_them() {
    let mut ring = ring();
    let (client, _server) = tcp();
    let refused = run(&mut ring, &TxTimestamps { target: fd(&client) }).unwrap_err();
    assert!([libc::EINVAL, libc::EOPNOTSUPP].contains(&refused.0), "{refused}");
}

#[test]
fn a_file_that_takes_no_commands_refuses_them_all() {
    let mut ring = ring();
    let file = file(b"");
    let target = fd(&file);
    let unsupported = Errno(libc::EOPNOTSUPP);
    assert_eq!(run(&mut ring, &Discard { target, offset: 0, len: 4096 }), Err(unsupported));
    assert_eq!(run(&mut ring, &ZoneResetAll { target }), Err(unsupported));
    let fixed = CmdFixed { target, command: 1, addr: 0, len: 0, buf_index: 0, data: [0; 2] };
    assert!(run(&mut ring, &fixed).is_err());
    let multi = CmdMulti { target, command: 1, addr: 0, len: 0, bgid: 1, data: [0; 2] };
    push(&mut ring, &multi, 1);
    let cqe = next(&mut ring);
    assert!([libc::EINVAL, libc::EOPNOTSUPP].contains(&-cqe.res), "{cqe:?}");
    assert_eq!(multi.since(), (6, 18));
}

//! What the options of an operation exclude, the kernel refuses as well, or does something else.

use std::ptr;

use annulus_ring::{
    Op, Refused, Ring, Target,
    abi::{AcceptFlags, Errno, PollFlags, RecvSendFlags, TimeoutFlags},
    op::{
        Accept, AcceptMulti, LinkTimeout, Nop, Openat, Place, PollAdd, Recv, RecvSelect, Send,
        SendSelect, Socket, Timeout,
    },
};

use super::{
    made::{LONG, fd, recv, send, tcp},
    next, push, ring, run,
};

/// Sees that `op` is refused before it is pushed and by the kernel.
fn refused<O: Op>(ring: &mut Ring, op: &O, why: &str) {
    let conflict = op.check().unwrap_err();
    assert_eq!((conflict.op, conflict.why), (O::OPCODE, why));
    let error = ring.capabilities().admit(op).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: {why}", O::OPCODE.name()));
    push(ring, op, 1);
    let cqe = next(ring);
    assert_eq!(cqe.res, -libc::EINVAL, "{why}: {cqe:?}");
    assert!(!cqe.more());
    let refused = Refused::new(op, Errno(libc::EINVAL));
    assert!(refused.may_be_too_old());
}

#[test]
fn times_and_clocks() {
    let mut ring = ring();
    let timer = |flags| Timeout { spec: &LONG, count: 0, flags };
    let clocks = TimeoutFlags::BOOTTIME | TimeoutFlags::REALTIME;
    refused(&mut ring, &timer(clocks), "one clock at most");
    let endless = timer(TimeoutFlags::MULTISHOT | TimeoutFlags::ABS);
    refused(&mut ring, &endless, "what goes on has no absolute time");
    let limit = LinkTimeout { spec: &LONG, flags: TimeoutFlags::MULTISHOT };
    refused(&mut ring, &limit, "a limit is for one operation");
    let update = timer(TimeoutFlags::UPDATE);
    refused(&mut ring, &update, "TimeoutUpdate is the form that changes a timeout");
}

#[test]
fn slots_that_were_to_be_closed_on_exec() {
    const WHY: &str = "a slot cannot be close-on-exec";
    let mut ring = ring();
    ring.register_files_sparse(2).unwrap();
    let place = Place::FixedAny;
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    refused(&mut ring, &Socket { domain: libc::AF_INET, kind, protocol: 0, place }, WHY);
    let open = Openat {
        dir: libc::AT_FDCWD,
        path: c"/dev/null".as_ptr(),
        flags: libc::O_CLOEXEC,
        mode: 0,
        place,
    };
    refused(&mut ring, &open, WHY);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let accept = Accept {
        target: fd(&listener),
        addr: ptr::null_mut(),
        addr_len: ptr::null_mut(),
        flags: libc::SOCK_CLOEXEC,
        ioprio: AcceptFlags::EMPTY,
        place,
    };
    refused(&mut ring, &accept, WHY);
    let one = AcceptMulti {
        target: fd(&listener),
        flags: 0,
        ioprio: AcceptFlags::EMPTY,
        place: Place::Fixed(0),
    };
    refused(&mut ring, &one, "one slot cannot take every connection");
}

#[test]
fn forms_of_sends_and_receives_that_are_others() {
    let mut ring = ring();
    let (client, server) = tcp();
    let multi = Recv { ioprio: RecvSendFlags::RECV_MULTISHOT, ..recv(fd(&server), &mut [0; 1], 0) };
    refused(&mut ring, &multi, "RecvMulti is the form that goes on");
    let endless = Send { ioprio: RecvSendFlags::RECV_MULTISHOT, ..send(fd(&client), b"x") };
    refused(&mut ring, &endless, "a send does not go on");
}

#[test]
fn polls_that_are_updates() {
    let mut ring = ring();
    let (client, _server) = tcp();
    let flags = PollFlags::UPDATE_EVENTS;
    let poll = PollAdd { target: fd(&client), events: libc::POLLIN as u32, flags };
    refused(&mut ring, &poll, "PollUpdate is the form that changes a poll");
}

#[test]
fn what_is_admitted_is_run() {
    let mut ring = ring();
    assert_eq!(ring.capabilities().admit(&Nop), Ok(()));
    assert_eq!(run(&mut ring, &Nop), Ok(()));
    let ioprio = RecvSendFlags::EMPTY;
    let target = Target::Fd(-1);
    let recv = RecvSelect { target, bgid: 1, len: 0, flags: 0, ioprio };
    assert_eq!(ring.capabilities().admit(&recv), Ok(()));
    assert_eq!(run(&mut ring, &recv), Err(Errno(libc::EBADF)));
    let pieces = RecvSendFlags::SEND_VECTORIZED;
    let both = SendSelect { target, bgid: 1, len: 0, flags: 0, ioprio: pieces };
    let why = "buffers come from a group or from pieces, not both";
    assert_eq!(both.check().unwrap_err().why, why);
}

//! An echo server on a bare ring, without a runtime: a state machine for each connection.
//! `user_data` is the step in the upper half, the descriptor in the lower. One call of the kernel
//! submits all that was pushed and waits for the next completion.
//!
//! ```sh
//! cargo run --example tcp_echo                 # or with an address: -- 127.0.0.1:0
//! nc 127.0.0.1 7878                            # elsewhere; Ctrl-C ends the server
//! ```
//!
//! ```text
//! Listening on 127.0.0.1:7878
//! a client was sent back 12 bytes
//! ```

use std::collections::HashMap;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, FromRawFd as _, RawFd};

use annulus_ring::abi::{AcceptFlags, RecvSendFlags};
use annulus_ring::op::{AcceptMulti, Place, Recv, Send};
use annulus_ring::{Op, Ring, Target};

const ACCEPT: u64 = 1 << 32;
const RECV: u64 = 2 << 32;
const SEND: u64 = 3 << 32;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:7878"))?;
    println!("Listening on {}", listener.local_addr()?);
    let mut ring = Ring::new(256)?;
    // The socket, a buffer that is the kernel's while a request is in flight, bytes sent back.
    let mut clients: HashMap<RawFd, (TcpStream, Box<[u8; 4096]>, u64)> = HashMap::new();
    let (target, flags) = (Target::Fd(listener.as_raw_fd()), libc::SOCK_CLOEXEC);
    let accept = AcceptMulti { target, flags, ioprio: AcceptFlags::EMPTY, place: Place::Fd };
    push(&mut ring, &accept, ACCEPT);
    loop {
        if let Err(errno) = ring.submit_and_wait(1, None) {
            assert_eq!(errno.0, libc::EINTR, "the ring is broken");
        }
        ring.look();
        while let Some(cqe) = ring.next_seen() {
            let (step, mut fd) = (cqe.user_data >> 32 << 32, cqe.user_data as u32 as RawFd);
            let done = if step == ACCEPT { 0 } else { cqe.result().unwrap_or(0) };
            if step == ACCEPT && !cqe.more() {
                push(&mut ring, &accept, ACCEPT);
            }
            if step == ACCEPT {
                fd = if let Ok(fd) = AcceptMulti::decode(&cqe) { fd } else { continue };
                // SAFETY: the kernel gave this descriptor to nobody else.
                let stream = unsafe { TcpStream::from_raw_fd(fd) };
                clients.insert(fd, (stream, Box::new([0; 4096]), 0));
            } else if done == 0 {
                let client = clients.remove(&fd).expect("it has a request in flight");
                println!("a client was sent back {} bytes", client.2);
                continue;
            }
            let (_, buffer, total) = clients.get_mut(&fd).expect("it is connected");
            let (target, ioprio) = (Target::Fd(fd), RecvSendFlags::EMPTY);
            if step == RECV {
                // MSG_WAITALL: a send is not short unless it fails.
                let (addr, flags) = (buffer.as_ptr(), libc::MSG_WAITALL | libc::MSG_NOSIGNAL);
                push(&mut ring, &Send { target, addr, len: done, flags, ioprio }, SEND | fd as u64);
            } else {
                *total += u64::from(done);
                let recv = Recv { target, addr: buffer.as_mut_ptr(), len: 4096, flags: 0, ioprio };
                push(&mut ring, &recv, RECV | fd as u64);
            }
        }
    }
}

fn push<O: Op>(ring: &mut Ring, op: &O, user_data: u64) {
    if ring.sq_space_left() == 0 {
        ring.submit().expect("a full queue can be submitted");
    }
    // SAFETY: a client, with its buffer, is dropped only when nothing of it is in flight.
    unsafe { ring.push(op, user_data) }.expect("there is room");
}

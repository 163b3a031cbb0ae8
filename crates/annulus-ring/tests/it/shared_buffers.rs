//! Who shares a buffer: completions that say how many bytes, and not where.
//!
//! Where the group is consumed bit by bit (`IOU_PBUF_RING_INC`) or several buffers at once
//! (`IORING_RECVSEND_BUNDLE`), a completion's bytes lie behind those of all completions before it.
//! That works only if the kernel posts completions in the order in which it took from the group,
//! which no manual says. These tests are the measurement: many sockets, filled by other threads, a
//! completion queue that overflows, and every byte is looked up where the order says that it is.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use annulus_ring::abi::{BufRegFlags, Cqe, RecvSendFlags};
use annulus_ring::op::{RecvMulti, Target};
use annulus_ring::{BufRing, Ring};

use crate::support::{skip, wait};

const BGID: u16 = 3;
const BUFFERS: u16 = 16;
const SOCKETS: usize = 24;
/// Messages that each socket gets.
const MESSAGES: usize = 400;
const THREADS: usize = 3;

/// A group, the memory of its buffers, and how far the kernel has come in it, by the completions.
struct Group {
    ring: Ring,
    group: BufRing,
    memory: Vec<u8>,
    buffer_bytes: usize,
    /// Buffers in the order in which they were given, the first of which is being filled.
    order: std::collections::VecDeque<u16>,
    /// Bytes of that one that are taken.
    taken: usize,
}

impl Group {
    /// A ring whose completion queue is shorter than the number of sockets.
    fn new(flags: BufRegFlags, buffer_bytes: usize) -> Self {
        let mut ring = Ring::builder().entries(8).cq_entries(16).build().unwrap();
        // SAFETY: the memory lives as long as the ring, and all requests end before either.
        let group = unsafe { ring.register_buf_ring(BUFFERS, BGID, flags) }.unwrap();
        let memory = vec![0; buffer_bytes * usize::from(BUFFERS)];
        let order = std::collections::VecDeque::new();
        let mut this = Self { ring, group, memory, buffer_bytes, order, taken: 0 };
        (0..BUFFERS).for_each(|bid| this.give(bid));
        this.group.publish();
        this
    }

    fn give(&mut self, bid: u16) {
        let start = self.buffer_bytes * usize::from(bid);
        let address = self.memory[start..start + self.buffer_bytes].as_mut_ptr();
        // SAFETY: see `new`; what a completion has named is copied before it is given again.
        unsafe { self.group.push(bid, address, self.buffer_bytes as u32) };
        self.order.push_back(bid);
    }

    fn arm(&mut self, socket: usize, fd: i32, ioprio: RecvSendFlags) {
        let op = RecvMulti { target: Target::Fd(fd), bgid: BGID, ioprio, cap_bytes: 0 };
        // SAFETY: the group's memory lives as long as the ring.
        while unsafe { self.ring.push(&op, socket as u64) }.is_err() {
            self.ring.submit().unwrap();
        }
    }

    /// The bytes of a completion, where the order says that they are.
    fn take(&mut self, cqe: &Cqe) -> Vec<u8> {
        let mut left = cqe.res as usize;
        let mut bytes = Vec::with_capacity(left);
        assert_eq!(cqe.buffer_id(), self.order.front().copied(), "another buffer's turn: {cqe:?}");
        while left > 0 {
            let bid = self.order[0];
            let part = left.min(self.buffer_bytes - self.taken);
            let start = self.buffer_bytes * usize::from(bid) + self.taken;
            bytes.extend_from_slice(&self.memory[start..start + part]);
            self.taken += part;
            left -= part;
            let whole = self.taken == self.buffer_bytes;
            if whole || left == 0 && !self.goes_on(cqe) {
                self.order.pop_front();
                self.taken = 0;
                self.give(bid);
            }
        }
        self.group.publish();
        bytes
    }

    /// Whether the kernel puts more behind these bytes.
    fn goes_on(&self, cqe: &Cqe) -> bool {
        cqe.flags.contains(annulus_ring::abi::CqeFlags::BUF_MORE)
    }
}

/// What a socket is sent: each byte tells of which socket and of where in its stream it is.
fn stream(socket: usize) -> Vec<u8> {
    let bytes = (0..MESSAGES).map(|message| 1 + (socket * 7 + message * 13) % 90).sum();
    (0..bytes).map(|at: usize| (socket * 101 + at * 3 + (at >> 8)) as u8).collect()
}

/// One end of a socket, and what is still to be sent there.
struct Sending {
    socket: usize,
    to: TcpStream,
    left: Vec<u8>,
}

impl Sending {
    fn send(&mut self, message: usize) {
        let bytes = 1 + (self.socket * 7 + message * 13) % 90;
        let rest = self.left.split_off(bytes);
        self.to.write_all(&std::mem::replace(&mut self.left, rest)).unwrap();
    }
}

/// Two ends of a connection. Not of a Unix socket: of these Linux 6.18 can lose the end, if a
/// multishot receive is armed (`Stream::of_unix` of the runtime has the story).
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    to.set_nodelay(true).unwrap();
    (listener.accept().unwrap().0, to)
}

/// Receives all streams, and compares them. Gives how often the completion queue had overflowed.
fn every_byte_is_where_the_order_says(mut group: Group, ioprio: RecvSendFlags) -> usize {
    let (receivers, senders): (Vec<_>, Vec<_>) = (0..SOCKETS).map(|_| pair()).unzip();
    let mut of_threads: Vec<Vec<Sending>> = (0..THREADS).map(|_| Vec::new()).collect();
    for (socket, to) in senders.into_iter().enumerate() {
        let mut sending = Sending { socket, to, left: stream(socket) };
        sending.send(0);
        of_threads[socket % THREADS].push(sending);
    }
    // Each socket has something when it is armed, and so completes at once, with data or for want
    // of a buffer: more of them than the queue holds.
    for (socket, receiver) in receivers.iter().enumerate() {
        group.arm(socket, receiver.as_raw_fd(), ioprio);
    }
    wait(&mut group.ring, 1, None);
    let mut overflows = usize::from(group.ring.overflowed());
    let threads = of_threads.into_iter().map(|mut sockets| {
        std::thread::spawn(move || {
            for message in 1..MESSAGES {
                sockets.iter_mut().for_each(|socket| socket.send(message));
            }
        })
    });
    let threads: Vec<_> = threads.collect();
    let (mut got, mut open) = (vec![Vec::new(); SOCKETS], SOCKETS);
    while open > 0 {
        overflows += usize::from(group.ring.overflowed());
        wait(&mut group.ring, 1, None);
        let cqes: Vec<Cqe> = group.ring.completions().collect();
        for cqe in cqes {
            let socket = cqe.user_data as usize;
            if cqe.res > 0 {
                let bytes = group.take(&cqe);
                got[socket].extend(bytes);
            } else if cqe.res == 0 {
                open -= 1;
                continue;
            } else {
                assert_eq!(cqe.res, -libc::ENOBUFS, "{cqe:?}");
            }
            if !cqe.more() {
                group.arm(socket, receivers[socket].as_raw_fd(), ioprio);
            }
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    for (socket, got) in got.iter().enumerate() {
        assert!(*got == stream(socket), "stream {socket} is not what was sent");
    }
    overflows
}

#[test]
fn completions_that_share_an_incremental_buffer_come_in_the_order_in_which_it_was_consumed() {
    if !Ring::new(8).unwrap().capabilities().inc_buffers() {
        skip("this kernel has no incremental buffer rings");
        return;
    }
    let mut overflows = 0;
    for buffer_bytes in [64, 1000, 4096] {
        let group = Group::new(BufRegFlags::INC, buffer_bytes);
        overflows += every_byte_is_where_the_order_says(group, RecvSendFlags::EMPTY);
    }
    assert!(overflows > 0, "the queue never overflowed");
}

#[test]
fn completions_of_bundles_come_in_the_order_in_which_buffers_were_consumed() {
    if !Ring::new(8).unwrap().capabilities().bundle() {
        skip("this kernel has no bundles");
        return;
    }
    let mut overflows = 0;
    for buffer_bytes in [16, 64] {
        let group = Group::new(BufRegFlags::EMPTY, buffer_bytes);
        overflows += every_byte_is_where_the_order_says(group, RecvSendFlags::BUNDLE);
    }
    assert!(overflows > 0, "the queue never overflowed");
}

//! Groups of provided buffers against the real kernel: registration, and who picks from them how.
//!
//! Owns: a group with its memory, sockets, and the multishot requests of these tests. A group that
//! the kernel does not have is skipped, and said so on standard error.

mod bundles;
mod incremental;
mod messages;
mod multishot;
mod reads;
mod shapes;
mod status;

use std::{
    mem::ManuallyDrop,
    net::{TcpListener, TcpStream, UdpSocket},
};

use annulus_ring::{
    BufRing, BufRingSpec, Ring, Target,
    abi::{BufRegFlags, Cqe, Errno, RecvSendFlags},
    op::{Received, RecvMulti},
};

use crate::{
    ops::{decode, next, push},
    support::skip,
};

const BGID: u16 = 5;

/// A registered group and the memory of its buffers, each as large.
///
/// Both are leaked unless it is finished: most tests end with a request in flight.
struct Group {
    buffers: ManuallyDrop<BufRing>,
    memory: &'static mut [u8],
    bytes: usize,
}

impl Group {
    /// A group of `count` buffers, none of which the kernel has yet; or none, said aloud.
    fn new(ring: &mut Ring, flags: BufRegFlags, count: u32, bytes: usize) -> Option<Self> {
        if flags.contains(BufRegFlags::INC) && !ring.capabilities().inc_buffers() {
            skip("this kernel has no incremental buffers");
            return None;
        }
        let entries = count.next_power_of_two();
        let spec = BufRingSpec { bgid: BGID, entries, flags, ..BufRingSpec::default() };
        // SAFETY: `finish` unregisters it, else it is leaked.
        let buffers = unsafe { ring.register_buf_ring_with(&spec) }.unwrap();
        Some(Self::of_ring(buffers, count as usize, bytes))
    }

    /// A registered ring of buffers with memory for so many.
    fn of_ring(buffers: BufRing, count: usize, bytes: usize) -> Self {
        let memory = vec![0; count * bytes].leak();
        Self { buffers: ManuallyDrop::new(buffers), memory, bytes }
    }

    /// A group whose buffers the kernel has all.
    fn full(ring: &mut Ring, flags: BufRegFlags, count: u16, bytes: usize) -> Option<Self> {
        let mut group = Self::new(ring, flags, count.into(), bytes)?;
        (0..count).for_each(|bid| group.push(bid));
        group.buffers.publish();
        Some(group)
    }

    /// Pushes a buffer, unpublished.
    fn push(&mut self, bid: u16) {
        let start = self.memory[usize::from(bid) * self.bytes..].as_mut_ptr();
        // SAFETY: the memory is never freed; the tests read a buffer only when a completion has
        // named it, and give it only after that.
        unsafe { self.buffers.push(bid, start, self.bytes as u32) };
    }

    /// Gives a buffer to the kernel (again).
    fn give(&mut self, bid: u16) {
        self.push(bid);
        self.buffers.publish();
    }

    /// The first bytes of a buffer.
    fn bytes(&self, bid: u16, len: u32) -> &[u8] {
        &self.memory[usize::from(bid) * self.bytes..][..len as usize]
    }

    /// The bytes that a completion brought into a buffer of its own.
    fn of(&self, cqe: &Cqe) -> &[u8] {
        self.bytes(cqe.buffer_id().unwrap(), cqe.result().unwrap())
    }

    fn finish(self, ring: &mut Ring) {
        ring.unregister_buf_ring(ManuallyDrop::into_inner(self.buffers)).unwrap();
    }
}

/// A connected pair of TCP sockets, which keep no byte back.
fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_nodelay(true).unwrap();
    (client, listener.accept().unwrap().0)
}

/// A pair of UDP sockets that send to each other.
fn udp() -> (UdpSocket, UdpSocket) {
    let [left, right] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    left.connect(right.local_addr().unwrap()).unwrap();
    right.connect(left.local_addr().unwrap()).unwrap();
    (left, right)
}

/// Arms a multishot receive.
fn arm(ring: &mut Ring, fd: i32, ioprio: RecvSendFlags, user_data: u64) {
    let target = Target::Fd(fd);
    push(ring, &RecvMulti { target, bgid: BGID, ioprio, cap_bytes: 0 }, user_data);
}

/// What the next completion of a receive says, and whether it goes on.
fn receive(ring: &mut Ring) -> (Result<Received, Errno>, bool) {
    let cqe = next(ring);
    (decode::<RecvMulti>(&cqe), cqe.more())
}

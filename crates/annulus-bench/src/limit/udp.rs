//! An echo server of UDP on the bare ring.
//!
//! ```text
//!   receive (multishot, provided buffers) ──┬─> a single datagram: a send with the next wait
//!                                           └─> several: one sendmmsg(2), as far as there is room
//! ```
//!
//! A datagram is sent from the buffer that it was received into, to the name that the kernel has
//! put before it.
//!
//! Owns: the loop. Invariant: a buffer goes back to the kernel when its datagram has been sent.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use annulus_ring::abi::{Cqe, Errno, RecvSendFlags, SqeFlags};
use annulus_ring::op::{MessageParts, RecvMsgMulti, SendTo};
use annulus_ring::{Kernel as _, Ring, Target};

use super::pool::{BGID, Pool};
use crate::{Job, Sample, wrong};

/// What a buffer has before a datagram: a header, and room for a name of either family.
const HEADER_BYTES: usize = 16;
const NAME_BYTES: usize = size_of::<libc::sockaddr_in6>();
/// The most datagrams of one sendmmsg(2).
const AT_ONCE: usize = 64;
/// The only file that is registered.
const SOCKET: Target = Target::Fixed(0);

const RECV: u64 = 0;
const SEND: u64 = 1;

/// Echoes until the process ends.
///
/// # Errors
/// A ring is refused, or fails.
pub fn run(job: &Job) -> io::Result<Sample> {
    crate::serve_udp(|socket| Server::new(socket.as_raw_fd(), job)?.run())
}

struct Server {
    ring: Ring,
    socket: RawFd,
    pool: Pool,
    /// How much room there is for names. Leaked: a receive that is armed may look at it.
    room: &'static libc::msghdr,
    receiving: bool,
    /// What has come in this turn.
    answers: Vec<Answer>,
    /// Sends of the ring in flight.
    sending: u32,
    batch: Vec<Cqe>,
}

/// A datagram in its buffer, and whom it is from.
struct Answer {
    bid: u16,
    name: *const libc::sockaddr,
    name_bytes: u16,
    payload: *const u8,
    bytes: u32,
}

impl Server {
    fn new(socket: RawFd, job: &Job) -> io::Result<Self> {
        let mut ring = super::builder().entries(256).cq_entries(8192).build()?;
        ring.register_files_sparse(1)?;
        ring.update_files(0, &[socket])?;
        let buffers = (2 * job.tasks).next_power_of_two().clamp(64, 16384);
        let bytes = HEADER_BYTES + NAME_BYTES + job.bytes;
        let pool = Pool::register(&mut ring, buffers as u16, bytes)?;
        // SAFETY: lengths and pointers, for which zero and null are values.
        let mut room: libc::msghdr = unsafe { std::mem::zeroed() };
        room.msg_namelen = NAME_BYTES as u32;
        let mut server = Self {
            ring,
            socket,
            pool,
            room: Box::leak(Box::new(room)),
            receiving: false,
            answers: Vec::new(),
            sending: 0,
            batch: Vec::with_capacity(8192),
        };
        server.receive()?;
        Ok(server)
    }

    fn run(mut self) -> io::Result<()> {
        loop {
            self.turn()?;
        }
    }

    /// Submits, waits, and works off what has completed. A send is over when it is submitted, or it
    /// finds no room: what is waited for is what comes after it.
    fn turn(&mut self) -> io::Result<()> {
        super::wait_for(&mut self.ring, 1 + self.sending, None)?;
        let mut batch = std::mem::take(&mut self.batch);
        self.ring.reap_into(&mut batch);
        for cqe in batch.drain(..) {
            self.completed(&cqe)?;
        }
        self.batch = batch;
        self.answer()?;
        self.pool.publish();
        // Only now, with the buffers back.
        if self.receiving { Ok(()) } else { self.receive() }
    }

    fn completed(&mut self, cqe: &Cqe) -> io::Result<()> {
        if cqe.user_data >> 32 == SEND {
            self.sending -= 1;
            self.pool.give(cqe.user_data as u16);
            cqe.result()?;
            return Ok(());
        }
        self.receiving = cqe.more();
        match cqe.result() {
            Ok(bytes) => self.received(cqe, bytes as usize),
            Err(Errno(libc::ENOBUFS)) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn received(&mut self, cqe: &Cqe, bytes: usize) -> io::Result<()> {
        let bid = cqe.buffer_id().ok_or_else(|| wrong("a datagram came without a buffer"))?;
        // SAFETY: the completion named the buffer, which goes back when its datagram has been sent.
        let filled = unsafe { self.pool.bytes(bid, bytes) };
        let parts = MessageParts::parse(filled, NAME_BYTES, 0)
            .ok_or_else(|| wrong("a datagram has no whole header"))?;
        self.answers.push(Answer {
            bid,
            name: parts.name.as_ptr().cast(),
            name_bytes: parts.name.len() as u16,
            payload: parts.payload.as_ptr(),
            bytes: parts.payload.len() as u32,
        });
        Ok(())
    }

    /// Sends back what has come.
    fn answer(&mut self) -> io::Result<()> {
        let mut answers = std::mem::take(&mut self.answers);
        let mut left = &answers[..];
        while left.len() > 1 {
            let sent = self.send_at_once(left)?;
            if sent == 0 {
                break;
            }
            left = &left[sent..];
        }
        for answer in left {
            self.send(answer)?;
        }
        answers.clear();
        self.answers = answers;
        Ok(())
    }

    /// Sends the first of several datagrams by one call; gives how many that were.
    fn send_at_once(&mut self, answers: &[Answer]) -> io::Result<usize> {
        // SAFETY: lengths and pointers, for which zero and null are values.
        let mut headers: [libc::mmsghdr; AT_ONCE] = unsafe { std::mem::zeroed() };
        let none = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let mut pieces = [none; AT_ONCE];
        let answers = &answers[..answers.len().min(AT_ONCE)];
        for ((answer, header), piece) in answers.iter().zip(&mut headers).zip(&mut pieces) {
            piece.iov_base = answer.payload.cast_mut().cast();
            piece.iov_len = answer.bytes as usize;
            header.msg_hdr.msg_name = answer.name.cast_mut().cast();
            header.msg_hdr.msg_namelen = answer.name_bytes.into();
            header.msg_hdr.msg_iov = piece;
            header.msg_hdr.msg_iovlen = 1;
        }
        let headers = &mut headers[..answers.len()];
        // SAFETY: the headers name their pieces, and names and payloads in buffers that go back
        // below.
        let sent = match unsafe { self.ring.kernel().send_messages(self.socket, headers) } {
            Err(Errno(libc::EAGAIN | libc::EINTR)) => 0,
            sent => sent?,
        };
        answers[..sent].iter().for_each(|answer| self.pool.give(answer.bid));
        Ok(sent)
    }

    fn send(&mut self, answer: &Answer) -> io::Result<()> {
        let send = SendTo {
            target: SOCKET,
            addr: answer.payload,
            len: answer.bytes,
            flags: libc::MSG_NOSIGNAL,
            ioprio: RecvSendFlags::EMPTY,
            dest: answer.name,
            dest_len: answer.name_bytes,
        };
        self.sending += 1;
        let user_data = SEND << 32 | u64::from(answer.bid);
        // SAFETY: payload and name are in a buffer that goes back when the send has completed.
        unsafe { super::push(&mut self.ring, &send, user_data, SqeFlags::EMPTY) }
    }

    fn receive(&mut self) -> io::Result<()> {
        self.receiving = true;
        let recv = RecvMsgMulti {
            target: SOCKET,
            msg: self.room,
            flags: 0,
            bgid: BGID,
            ioprio: RecvSendFlags::EMPTY,
        };
        // SAFETY: it reads what is leaked, and writes to the pool's buffers, which are never freed.
        unsafe { super::push(&mut self.ring, &recv, RECV << 32, SqeFlags::EMPTY) }
    }
}

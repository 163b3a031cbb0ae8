//! From a file to a socket, by the cheapest way that cannot block the core.
//!
//! Owns: the choice, and how far it has come. sendfile(2) moves pages of the page cache without
//! copying them, but reads from the device, blocking, where they are missing; so it is used for
//! what cachestat(2) said a moment ago is cached, and the ring reads the rest. The socket is
//! nonblocking, so a full one gives EAGAIN and is awaited by the ring.
//!
//! ```text
//!   Queued --what was accepted before is sent--> Look --cached--> Look
//!                                                | ^--socket full--> Full --room--> Look
//!                                                +---not cached---> Reading --> Sending --> Look
//! ```
//!
//! Invariants: what was sent is a prefix of the range; asked to end, it begins nothing new, and
//! its error says how long that prefix is.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use annulus_ring::Kernel as _;
use annulus_ring::abi::Errno;
use annulus_task::coop;

use super::room::Room;
use super::stream::Socket;
use crate::buf::BufResult;
use crate::core::end::End;
use crate::core::errors;
use crate::core::file_op::ReadAt;
use crate::core::op::Op;
use crate::core::send_op::SendFrom;
use crate::core::socket_op::Ready;
use crate::fs::File;

/// How much is looked up and sent at once.
const STRIDE_BYTES: u64 = 1024 * 1024;
/// How much is read at once where the file is not cached.
const READ_BYTES: u64 = 256 * 1024;
const PAGE_BYTES: u64 = 4096;
/// How long what was looked up is believed. A stride goes out in pieces, as the socket has room; a
/// look at each costs more than a tenth of a large file.
const BELIEVED_NS: u64 = 10_000_000;

/// The future of [`TcpStream::send_file`](super::TcpStream::send_file).
pub(super) struct SendFile<'a> {
    socket: &'a Socket,
    file: &'a File,
    range: Range<u64>,
    /// How far it has come.
    at: u64,
    known: Known,
    stage: Stage,
    /// What is read goes through it.
    buf: Vec<u8>,
    /// It was asked to end.
    ending: bool,
}

/// What of the file is cached, as was seen last.
#[derive(Default)]
struct Known {
    /// From where it has come on, up to here.
    end: u64,
    until_ns: u64,
}

enum Stage {
    /// Behind what was accepted before.
    Queued(Room),
    Look,
    Full(Op<Ready>),
    Reading(Op<ReadAt<Vec<u8>>>),
    Sending(Op<SendFrom<Vec<u8>>>),
    Done,
}

impl<'a> SendFile<'a> {
    pub(super) fn new(socket: &'a Socket, file: &'a File, range: Range<u64>) -> Self {
        let (at, stage) = (range.start, Stage::Queued(socket.room(Some(0))));
        let known = Known::default();
        Self { socket, file, range, at, known, stage, buf: Vec::new(), ending: false }
    }

    /// One step. `Some` if it was the last.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<u64>>> {
        match &mut self.stage {
            Stage::Queued(room) => {
                ready!(Pin::new(room).poll(cx))?;
                self.stage = Stage::Look;
            }
            Stage::Look => {
                ready!(coop::poll_proceed(cx));
                coop::made_progress();
                return Poll::Ready(self.look());
            }
            Stage::Full(ready) => {
                ready!(Pin::new(ready).poll(cx))?;
                self.stage = Stage::Look;
            }
            Stage::Reading(read) => {
                let read = ready!(Pin::new(read).poll(cx));
                return Poll::Ready(self.read(read));
            }
            Stage::Sending(send) => {
                let (n, buf) = ready!(Pin::new(send).poll(cx))?;
                self.at += n as u64;
                self.buf = buf;
                self.stage = Stage::Look;
            }
            Stage::Done => panic!("a send of a file was polled after it had completed"),
        }
        Poll::Ready(Ok(None))
    }

    /// Sends the next stride, or begins what has to come before that.
    fn look(&mut self) -> io::Result<Option<u64>> {
        let left = self.range.end.saturating_sub(self.at);
        if left == 0 {
            return Ok(Some(self.sent()));
        }
        if self.ending {
            return Err(errors::cancelled());
        }
        let want = left.min(STRIDE_BYTES);
        match send_cached((self.socket, self.file), self.at, want, &mut self.known)? {
            Sent::Bytes(0) => return Ok(Some(self.sent())),
            Sent::Bytes(n) => self.at += n,
            Sent::Interrupted => {}
            Sent::SocketFull => {
                let (handle, events) = (self.socket.owned.handle(), libc::POLLOUT as u32);
                self.stage = Stage::Full(Op::new(Ready { handle, events }));
            }
            Sent::NotCached => {
                let want = want.min(READ_BYTES) as usize;
                let buf = exactly(std::mem::take(&mut self.buf), want);
                let (handle, offset) = (self.file.handle(), self.at);
                self.stage = Stage::Reading(Op::new(ReadAt { handle, buf, offset }));
            }
        }
        Ok(None)
    }

    /// What was not cached is read: it is sent next.
    fn read(&mut self, read: BufResult<usize, Vec<u8>>) -> io::Result<Option<u64>> {
        let (n, buf) = read?;
        if n == 0 {
            return Ok(Some(self.sent()));
        }
        if self.ending {
            return Err(errors::cancelled());
        }
        let handle = self.socket.owned.handle();
        // Not `all`: one that is cut short says how much was sent, and the rest is looked at anew.
        self.stage = Stage::Sending(Op::new(SendFrom { handle, buf, sent: 0, all: false }));
        Ok(None)
    }

    fn sent(&self) -> u64 {
        self.at - self.range.start
    }

    /// The end. An error of the kernel for a request that was asked to end, and that of an end
    /// between two requests, become one that says how much was sent.
    fn ended(&mut self, ended: io::Result<u64>) -> io::Result<u64> {
        self.stage = Stage::Done;
        let sent = usize::try_from(self.sent()).unwrap_or(usize::MAX);
        ended.map_err(|error| match error.raw_os_error() {
            Some(libc::ECANCELED | libc::EINTR) if self.ending => errors::cut_short(sent),
            _ => error,
        })
    }
}

impl Future for SendFile<'_> {
    type Output = io::Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match ready!(self.step(cx)) {
                Ok(None) => {}
                Ok(Some(sent)) => return Poll::Ready(self.ended(Ok(sent))),
                Err(error) => return Poll::Ready(self.ended(Err(error))),
            }
        }
    }
}

impl End for SendFile<'_> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        self.ending = true;
        let at_once = match &mut self.stage {
            Stage::Queued(_) | Stage::Look => true,
            Stage::Full(ready) => ready.ask_to_end().is_some(),
            Stage::Reading(read) => read.ask_to_end().is_some(),
            Stage::Sending(send) => send.ask_to_end().is_some(),
            Stage::Done => false,
        };
        at_once.then(|| self.ended(Err(errors::cancelled())))
    }
}

/// A vector with room for `bytes` bytes and no more, so that a read does not go beyond its range.
fn exactly(mut room: Vec<u8>, bytes: usize) -> Vec<u8> {
    if room.capacity() != bytes {
        room = Vec::with_capacity(bytes);
    }
    room
}

enum Sent {
    Bytes(u64),
    /// By a signal, before anything was sent.
    Interrupted,
    SocketFull,
    NotCached,
}

fn send_cached(
    (socket, file): (&Socket, &File),
    at: u64,
    want: u64,
    known: &mut Known,
) -> io::Result<Sent> {
    let (to, from) = (socket.owned.raw_fd(), file.as_raw_fd());
    socket.owned.with(|state, _| {
        let kernel = state.ring.kernel();
        let now_ns = kernel.now();
        if at >= known.end || now_ns >= known.until_ns {
            let pages = (at + want).div_ceil(PAGE_BYTES) - at / PAGE_BYTES;
            match kernel.cached(from, at, want) {
                Ok(cached) if cached >= pages => {}
                _ => return Ok(Sent::NotCached),
            }
            *known = Known { end: at + want, until_ns: now_ns + BELIEVED_NS };
        }
        let bytes = want.min(known.end - at);
        match kernel.send_file(to, from, at, bytes as usize) {
            Ok(n) => Ok(Sent::Bytes(n as u64)),
            Err(Errno(libc::EAGAIN)) => Ok(Sent::SocketFull),
            Err(Errno(libc::EINTR)) => Ok(Sent::Interrupted),
            // Not every file has pages to send (procfs): the ring can read those.
            Err(Errno(libc::EINVAL)) => Ok(Sent::NotCached),
            Err(errno) => Err(io::Error::from(errno)),
        }
    })?
}

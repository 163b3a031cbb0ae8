//! From a file to a socket, by the cheapest way that cannot block the core.
//!
//! Owns: the choice, and how far it has come. sendfile(2) moves pages of the page cache without
//! copying them, but reads from the device, blocking, where they are missing; so it is used for
//! what cachestat(2) said a moment ago is cached, and the ring reads the rest. The socket is
//! nonblocking, so a full one gives EAGAIN and is awaited by the ring. Bytes that go before the
//! file (the head of an answer) are sent with `MSG_MORE`, so that they share a segment with its
//! beginning; if nothing follows after all, because the file is shorter or the transfer ends
//! before, they are pushed instead of left to the 200 ms that the kernel would wait. Does not own:
//! what is believed to be cached (`core::cached`).
//!
//! ```text
//!   Queued --what was accepted before is sent--> Go --head, cached--> Go
//!                                                | ^--socket full--> Full --room--> Go
//!                                                +---a kernel without send(2)--> Heading --> Go
//!                                                +---not cached--> Reading --> Sending --> Go
//! ```
//!
//! Invariants: what was sent is a prefix of head and range; asked to end, it begins nothing new,
//! and its error says how long that prefix is.

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
use crate::buf::{BufError, BufResult, IoBuf};
use crate::core::end::End;
use crate::core::errors;
use crate::core::file_op::ReadAt;
use crate::core::now::Now;
use crate::core::op::Op;
use crate::core::send_op::SendFrom;
use crate::core::socket_op::Ready;
use crate::fs::File;
use crate::op::Cancelled;

/// How much is sent by one call, so that a core does not do nothing else for long.
const CALL_BYTES: u64 = 1024 * 1024;
/// How much is looked up at once: at first, and at most, if everything was cached so far.
const LOOK_BYTES: u64 = 1024 * 1024;
const LOOK_BYTES_MAX: u64 = 16 * LOOK_BYTES;
/// How much is looked up, and read, at once where not everything is cached.
const READ_BYTES: u64 = 256 * 1024;
const PAGE_BYTES: u64 = 4096;

/// The future of [`TcpStream::send_file`](super::TcpStream::send_file).
pub(super) struct SendFile<'a>(SendFileAfter<'a, &'static [u8]>);

impl<'a> SendFile<'a> {
    pub(super) fn new(socket: &'a Socket, file: &'a File, range: Range<u64>) -> Self {
        Self(SendFileAfter::new(socket, &[], (file, range)))
    }
}

impl Future for SendFile<'_> {
    type Output = io::Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(alone)
    }
}

impl End for SendFile<'_> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        self.0.ask_to_end().map(alone)
    }
}

fn alone<B>(sent: BufResult<u64, B>) -> io::Result<u64> {
    Ok(sent?.0)
}

/// The future of [`TcpStream::send_file_after`](super::TcpStream::send_file_after).
pub(super) struct SendFileAfter<'a, B: IoBuf> {
    socket: &'a Socket,
    file: &'a File,
    range: Range<u64>,
    /// How far it has come.
    at: u64,
    /// What goes before the file. The ring may have it.
    head: Option<B>,
    /// How much of that was sent.
    head_sent: usize,
    /// How much is looked up next.
    look_bytes: u64,
    stage: Stage<B>,
    /// What is read goes through it.
    buf: Vec<u8>,
    /// It was asked to end.
    ending: bool,
}

enum Stage<B: IoBuf> {
    /// Behind what was accepted before.
    Queued(Room),
    Go,
    Full(Op<Ready>),
    Heading(Op<SendFrom<B>>),
    Reading(Op<ReadAt<Vec<u8>>>),
    Sending(Op<SendFrom<Vec<u8>>>),
    Done,
}

impl<'a, B: IoBuf> SendFileAfter<'a, B> {
    pub(super) fn new(socket: &'a Socket, head: B, (file, range): (&'a File, Range<u64>)) -> Self {
        Self {
            socket,
            file,
            at: range.start,
            range,
            head: Some(head),
            head_sent: 0,
            look_bytes: LOOK_BYTES,
            stage: Stage::Queued(socket.room(Some(0))),
            buf: Vec::new(),
            ending: false,
        }
    }

    /// One step. `Some` if it was the last.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<u64>>> {
        match &mut self.stage {
            Stage::Queued(room) => {
                ready!(Pin::new(room).poll(cx))?;
                // Nothing behind this asks for it: what is cached is sent by the file's number.
                self.file.owned().live_fd()?;
                self.stage = Stage::Go;
            }
            Stage::Go => {
                ready!(coop::poll_proceed(cx));
                coop::made_progress();
                return Poll::Ready(self.go());
            }
            Stage::Full(ready) => {
                ready!(Pin::new(ready).poll(cx))?;
                self.stage = Stage::Go;
            }
            Stage::Heading(send) => {
                let sent = ready!(Pin::new(send).poll(cx));
                self.stage = Stage::Go;
                return Poll::Ready(self.headed(sent).map(|()| None));
            }
            Stage::Reading(read) => {
                let read = ready!(Pin::new(read).poll(cx));
                return Poll::Ready(self.read(read));
            }
            Stage::Sending(send) => {
                let (n, buf) = ready!(Pin::new(send).poll(cx))?;
                self.at += n as u64;
                self.buf = buf;
                self.stage = Stage::Go;
            }
            Stage::Done => panic!("a send of a file was polled after it had completed"),
        }
        Poll::Ready(Ok(None))
    }

    /// Sends the next piece, or begins what has to come before that.
    fn go(&mut self) -> io::Result<Option<u64>> {
        let left = self.range.end.saturating_sub(self.at);
        let head_left = self.head.as_ref().is_some_and(|head| self.head_sent < head.bytes_len());
        if left == 0 && !head_left {
            return Ok(Some(self.sent()));
        }
        if self.ending {
            return Err(errors::cancelled());
        }
        let sent = if head_left { self.send_head(left) } else { self.send_cached(left) };
        match sent? {
            Sent::End => return Ok(Some(self.sent())),
            Sent::Some | Sent::Interrupted => {}
            Sent::SocketFull => {
                let (handle, events) = (self.socket.owned.handle(), libc::POLLOUT as u32);
                self.stage = Stage::Full(Op::new(Ready { handle, events }));
            }
            Sent::NotCached => {
                let want = left.min(READ_BYTES) as usize;
                let buf = exactly(std::mem::take(&mut self.buf), want);
                let (handle, offset) = (self.file.handle(), self.at);
                self.stage = Stage::Reading(Op::new(ReadAt { handle, buf, offset }));
            }
        }
        Ok(None)
    }

    /// What goes before the file, or the rest of it. With bytes of the file behind it, it waits for
    /// these in the kernel.
    fn send_head(&mut self, left: u64) -> io::Result<Sent> {
        let Some(head) = self.head.take() else {
            return Ok(Sent::Interrupted);
        };
        let flags = if left > 0 { libc::MSG_MORE } else { 0 };
        match self.socket.owned.send_now(&head, self.head_sent, flags) {
            Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
                let (handle, sent) = (self.socket.owned.handle(), self.head_sent);
                let send = SendFrom { handle, buf: head, sent, all: true };
                self.stage = Stage::Heading(Op::new(send));
                return Ok(Sent::Some);
            }
            sent => {
                self.head = Some(head);
                match sent? {
                    Now::Done(bytes) => self.head_sent += bytes,
                    Now::Wait => return Ok(Sent::SocketFull),
                }
            }
        }
        Ok(Sent::Some)
    }

    /// The ring has sent what goes before the file, or has not.
    fn headed(&mut self, sent: BufResult<usize, B>) -> io::Result<()> {
        match sent {
            Ok((bytes, head)) => {
                self.head_sent = bytes;
                self.head = Some(head);
                Ok(())
            }
            Err(error) => {
                let (error, head) = error.into_parts();
                let before = Cancelled::of(&error).map_or(0, Cancelled::bytes_done);
                self.head_sent = self.head_sent.max(before);
                self.head = head;
                Err(error)
            }
        }
    }

    /// Sends what is cached of the next bytes, after a look if nothing is known of them.
    fn send_cached(&mut self, left: u64) -> io::Result<Sent> {
        let (to, from) = (self.socket.owned.raw_fd(), self.file.as_raw_fd());
        let (file, at, look_bytes) = (self.file.handle(), self.at, &mut self.look_bytes);
        let sent = self.socket.owned.with(|state, _| {
            let kernel = state.ring.kernel();
            let now_ns = kernel.now();
            let mut end = state.cached.end(file, at, now_ns);
            while end.is_none() {
                let want = left.min(*look_bytes);
                let pages = (at + want).div_ceil(PAGE_BYTES) - at / PAGE_BYTES;
                if kernel.cached(from, at, want).is_ok_and(|cached| cached >= pages) {
                    *look_bytes = (*look_bytes * 4).min(LOOK_BYTES_MAX);
                    state.cached.note(file, at..at + want, now_ns);
                    end = Some(at + want);
                } else if want > READ_BYTES {
                    *look_bytes = READ_BYTES;
                } else {
                    *look_bytes = READ_BYTES;
                    return Ok(None);
                }
            }
            let known = end.map_or(0, |end| end - at);
            kernel.send_file(to, from, at, left.min(known).min(CALL_BYTES) as usize).map(Some)
        })?;
        match sent {
            Ok(Some(0)) => Ok(Sent::End),
            Ok(Some(bytes)) => {
                self.at += bytes as u64;
                Ok(Sent::Some)
            }
            // Not every file has pages to send (procfs): the ring can read those.
            Ok(None) | Err(Errno(libc::EINVAL)) => Ok(Sent::NotCached),
            Err(Errno(libc::EAGAIN)) => Ok(Sent::SocketFull),
            Err(Errno(libc::EINTR)) => Ok(Sent::Interrupted),
            Err(errno) => Err(io::Error::from(errno)),
        }
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

    /// Pushes what the kernel holds back because more was said to follow, if it does not follow. A
    /// cork that the user has put there stays. Clearing one that is not there pushes what waits and
    /// changes no option, unlike `TCP_NODELAY`; what Nagle's algorithm holds back it leaves.
    fn uncork(&self) {
        if self.at >= self.range.end || self.sent() == 0 {
            return;
        }
        let socket = self.socket.owned.raw_fd();
        // A socket that has no cork, or a core that is gone, holds nothing back.
        let _ = self.socket.owned.with(|state, _| {
            let (kernel, mut cork) = (state.ring.kernel(), [0; 4]);
            let read = kernel.option(socket, libc::IPPROTO_TCP, libc::TCP_CORK, &mut cork);
            if read.is_ok() && cork == [0; 4] {
                let _ = kernel.set_option(socket, libc::IPPROTO_TCP, libc::TCP_CORK, &cork);
            }
        });
    }

    fn sent(&self) -> u64 {
        self.head_sent as u64 + (self.at - self.range.start)
    }

    /// The end. An error of the kernel for a request that was asked to end, and that of an end
    /// between two requests, become one that says how much was sent.
    fn ended(&mut self, ended: io::Result<u64>) -> BufResult<u64, B> {
        self.stage = Stage::Done;
        self.uncork();
        let sent = usize::try_from(self.sent()).unwrap_or(usize::MAX);
        let head = self.head.take();
        let ended = ended.map_err(|error| match error.raw_os_error() {
            Some(libc::ECANCELED | libc::EINTR) if self.ending => errors::cut_short(sent),
            _ => error,
        });
        match (ended, head) {
            (Ok(sent), Some(head)) => Ok((sent, head)),
            (Ok(_), None) => Err(BufError::without_buf(errors::handle_gone())),
            (Err(error), head) => Err(BufError::with(error, head)),
        }
    }
}

impl<B: IoBuf> Unpin for SendFileAfter<'_, B> {}

impl<B: IoBuf> Drop for SendFileAfter<'_, B> {
    fn drop(&mut self) {
        if !matches!(self.stage, Stage::Done) {
            self.uncork();
        }
    }
}

impl<B: IoBuf> Future for SendFileAfter<'_, B> {
    type Output = BufResult<u64, B>;

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

impl<B: IoBuf> End for SendFileAfter<'_, B> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        self.ending = true;
        let at_once = match &mut self.stage {
            Stage::Queued(_) | Stage::Go => true,
            Stage::Full(ready) => ready.ask_to_end().is_some(),
            Stage::Heading(send) => match send.ask_to_end() {
                None => false,
                Some(sent) => {
                    // That it was cancelled is what is said anyway.
                    let _ = self.headed(sent);
                    true
                }
            },
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

/// What an attempt came to.
enum Sent {
    Some,
    /// The file ends here.
    End,
    /// By a signal, before anything was sent.
    Interrupted,
    SocketFull,
    NotCached,
}

//! What all connected byte streams share.
//!
//! Owns: the operations of a stream record, which [`TcpStream`](super::TcpStream) and
//! [`UnixStream`](super::UnixStream) offer under their own names. Invariant: a dropped future gives
//! back what it took.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use annulus_ring::{Kernel as _, SocketAddress};

use super::held::Held;
use super::recv::{Parsed, Place, Queue, Recv};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf, Lease};
use crate::core::op::Op;
use crate::core::record::Kind;
use crate::core::recv_op::{Filling, RecvInto};
use crate::core::send_op::SendFrom;
use crate::core::stream::{Found, Stream};
use crate::core::vectored_op::SendVectored;
use crate::core::{Owned, adopted_fd, errors};

/// A connected byte stream.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) owned: Owned,
}

impl Socket {
    pub(super) fn adopt(fd: RawFd) -> io::Result<Self> {
        Ok(Self { owned: Owned::adopt(fd, Kind::Stream(Stream::new()))? })
    }

    pub(super) fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { owned: Owned::adopt_fd(fd, Kind::Stream(Stream::new()))? })
    }

    pub(super) fn recv(&self) -> Recv<'_> {
        Recv::new(&self.owned)
    }

    pub(super) fn read<B: IoBufMut>(&self, buf: B, exact: bool) -> ReadInto<B> {
        ReadInto {
            place: Place::new(&self.owned, Queue::Received),
            handle: self.owned.handle(),
            stage: Stage::Waiting(Filling::new(buf)),
            exact,
        }
    }

    pub(super) fn send<B: IoBuf>(&self, buf: B, all: bool) -> Op<SendFrom<B>> {
        Op::new(SendFrom { handle: self.owned.handle(), buf, sent: 0, all })
    }

    pub(super) async fn write_all<B: IoBuf>(&self, buf: B) -> BufResult<(), B> {
        if buf.bytes_len() == 0 {
            return Ok(((), buf));
        }
        let (_, buf) = self.send(buf, true).await?;
        Ok(((), buf))
    }

    pub(super) async fn write_all_vectored<V: IoVecBuf>(&self, bufs: V) -> BufResult<(), V> {
        if bufs.total_len() == 0 {
            return Ok(((), bufs));
        }
        let (_, bufs) = Op::new(SendVectored::new(self.owned.handle(), bufs)).await?;
        Ok(((), bufs))
    }

    pub(super) fn send_nowait(&self, bytes: &[u8]) -> io::Result<()> {
        self.owned.with(|state, key| state.queue_bytes(key, bytes))?
    }

    /// Waits until at most `bytes_max` bytes of `send_nowait` are queued.
    pub(super) async fn room(&self, bytes_max: Option<usize>) -> io::Result<()> {
        let mut place = Place::new(&self.owned, Queue::Room);
        poll_fn(|cx| {
            let polled = place.poll(cx, |state, key, waiter, waker| {
                let bytes_max = bytes_max.unwrap_or(state.send_high_bytes - 1);
                state.poll_room((key, bytes_max), waiter, waker)
            });
            flatten(polled)
        })
        .await
    }

    pub(super) async fn with_data<F>(&self, mut parse: F) -> io::Result<usize>
    where
        F: FnMut(&[u8]) -> Parsed,
    {
        self.room(None).await?;
        let mut held = Held::new(self);
        let mut wanted = 1;
        loop {
            if !held.fill().await? {
                let rest = held.bytes().len();
                held.discard();
                return if rest == 0 { Ok(0) } else { Err(cut_off(rest)) };
            }
            let len = held.bytes().len();
            if len < wanted {
                continue;
            }
            match parse(held.bytes()) {
                Parsed::Consumed(n) if n > 0 => {
                    held.consume(n);
                    return Ok(n);
                }
                Parsed::Consumed(_) | Parsed::NeedMore => wanted = len + 1,
                Parsed::NeedAtLeast(n) => wanted = n.max(len + 1),
            }
        }
    }

    pub(super) fn shutdown(&self, how: std::net::Shutdown) -> io::Result<()> {
        let how = match how {
            std::net::Shutdown::Read => libc::SHUT_RD,
            std::net::Shutdown::Write => libc::SHUT_WR,
            std::net::Shutdown::Both => libc::SHUT_RDWR,
        };
        self.owned.with(|state, key| state.shut_down_stream(key, how))?
    }

    pub(super) fn local_address(&self) -> io::Result<SocketAddress> {
        let fd = self.owned.raw_fd();
        Ok(self.owned.with(|state, _| state.ring.kernel().local_address(fd))??)
    }

    pub(super) fn peer_address(&self) -> io::Result<SocketAddress> {
        let fd = self.owned.raw_fd();
        Ok(self.owned.with(|state, _| state.ring.kernel().peer_address(fd))??)
    }

    /// Takes the descriptor out, when nothing is in flight and nothing is unread.
    pub(super) async fn detach(self) -> Result<OwnedFd, BufError<Self>> {
        if let Err(error) = self.at_rest().await {
            self.stay();
            return Err(BufError::new(error, self));
        }
        match self.owned.with(|state, key| state.detach(key)) {
            Ok(Some(fd)) => {
                self.owned.forget();
                Ok(adopted_fd(fd))
            }
            Ok(None) => Err(BufError::without_buf(errors::handle_gone())),
            Err(error) => Err(BufError::new(error, self)),
        }
    }

    /// The descriptor does not leave after all.
    pub(super) fn stay(&self) {
        let _ = self.owned.with(|state, key| {
            if let Some(stream) = state.records.stream(key) {
                stream.recv.leaving = false;
            }
        });
    }

    /// Ends the armed receive and waits until the kernel has none; what arrived is queued.
    pub(super) async fn receive_stopped(&self) -> io::Result<()> {
        let mut place = Place::new(&self.owned, Queue::Received);
        poll_fn(|cx| {
            let polled =
                place.poll(cx, |state, key, waiter, waker| state.poll_at_rest(key, waiter, waker));
            flatten(polled)
        })
        .await
    }

    async fn at_rest(&self) -> io::Result<()> {
        self.room(Some(0)).await?;
        self.receive_stopped().await?;
        let (in_flight, unread) = self.owned.with(|state, key| {
            let in_flight = state.records.get(key).map_or(0, |record| record.in_flight);
            let leases = state.records.stream(key).map(|stream| stream.recv.queue.iter());
            (in_flight, leases.map_or(0, |leases| leases.map(|lease| lease.len()).sum::<usize>()))
        })?;
        match (in_flight, unread) {
            (0, 0) => Ok(()),
            (0, unread) => Err(io::Error::other(format!(
                "{unread} bytes were received and not read yet: read them before giving up the handle"
            ))),
            _ => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "a send on this socket is still in flight",
            )),
        }
    }
}

fn flatten<T>(polled: io::Result<Poll<io::Result<T>>>) -> Poll<io::Result<T>> {
    match polled {
        Ok(poll) => poll,
        Err(error) => Poll::Ready(Err(error)),
    }
}

/// The Internet address in a socket address.
pub(super) fn ip_address(address: &SocketAddress) -> io::Result<std::net::SocketAddr> {
    address.ip().ok_or_else(|| io::Error::other("the socket has no Internet address"))
}

fn cut_off(bytes: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("the peer ended the stream {bytes} bytes into a message"),
    )
}

/// Puts unread bytes back to the front of their socket's queue, on whatever thread.
pub(super) fn give_back(handle: crate::core::key::Handle, lease: Lease) {
    let put = move || {
        let _ = crate::core::with_core(handle.core, |core| {
            core.state.borrow_mut().unread(handle.key, lease);
            core.run_after();
        });
    };
    if crate::core::current_id() == Some(handle.core) {
        put();
    } else {
        let _ = annulus_task::post(handle.core, put);
    }
}

/// The future of `read` and `read_exact`.
pub(super) struct ReadInto<B: IoBufMut> {
    place: Place,
    handle: crate::core::key::Handle,
    stage: Stage<B>,
    exact: bool,
}

enum Stage<B: IoBufMut> {
    Waiting(Filling<B>),
    Flight(Op<RecvInto<B>>),
    Done,
}

/// What a look at the receive queue came to.
enum Look {
    Wait,
    /// Nothing is armed and it is this reader's turn: receive straight into its buffer.
    Direct,
    Full,
    End,
    Failed(i32),
}

impl<B: IoBufMut> Unpin for ReadInto<B> {}

impl<B: IoBufMut> ReadInto<B> {
    /// Takes what is in the queue, and says how to go on.
    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<Look> {
        let Stage::Waiting(into) = &mut self.stage else {
            return Ok(Look::Full);
        };
        let (exact, mut direct) = (self.exact, false);
        let polled = self.place.poll(cx, |state, key, waiter, waker| {
            loop {
                match state.take_received(key, *waiter) {
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok(Found::Eof) => return Poll::Ready(Ok(Look::End)),
                    Ok(Found::Failed(errno)) => return Poll::Ready(Ok(Look::Failed(errno))),
                    Ok(Found::Lease(mut lease)) => {
                        let n = into.copy(&lease);
                        lease.advance(n);
                        if !lease.is_empty() {
                            state.unread(key, lease);
                        }
                        if into.room() == 0 || !exact {
                            return Poll::Ready(Ok(Look::Full));
                        }
                    }
                    Ok(found @ (Found::Nothing | Found::NotYourTurn)) => {
                        // Pending even if it goes on directly: the place in the queue is kept.
                        state.wait_received(key, waiter, waker);
                        direct = matches!(found, Found::Nothing) && state.recv_is_idle(key);
                        return Poll::Pending;
                    }
                }
            }
        })?;
        match polled {
            Poll::Ready(look) => look,
            Poll::Pending if direct => Ok(Look::Direct),
            Poll::Pending => Ok(Look::Wait),
        }
    }

    fn finish(&mut self, error: Option<io::Error>) -> Poll<BufResult<usize, B>> {
        self.place.leave();
        let Stage::Waiting(into) = std::mem::replace(&mut self.stage, Stage::Done) else {
            panic!("a read was polled after it had completed");
        };
        if let Some(error) = error {
            return Poll::Ready(Err(BufError::new(error, into.give_up())));
        }
        if self.exact && into.room() > 0 {
            let (filled, room) = (into.filled(), into.room());
            let error = io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the peer ended the stream after {filled} of {} bytes", filled + room),
            );
            let (_, buf) = into.finish();
            return Poll::Ready(Err(BufError::new(error, buf)));
        }
        Poll::Ready(Ok(into.finish()))
    }
}

impl<B: IoBufMut> Future for ReadInto<B> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Stage::Waiting(into) = &this.stage {
            if into.room() == 0 {
                // Only at the first poll: later the buffer has room, or the read has ended.
                return this.finish(Some(errors::no_capacity()));
            }
            match this.look(cx) {
                Ok(Look::Wait) => return Poll::Pending,
                Ok(Look::Full | Look::End) => return this.finish(None),
                Ok(Look::Failed(errno)) => {
                    return this.finish(Some(io::Error::from_raw_os_error(errno)));
                }
                Err(error) => return this.finish(Some(error)),
                Ok(Look::Direct) => {
                    if let Stage::Waiting(into) = std::mem::replace(&mut this.stage, Stage::Done) {
                        let (handle, exact) = (this.handle, this.exact);
                        this.stage = Stage::Flight(Op::new(RecvInto { handle, into, exact }));
                    }
                }
            }
        }
        let Stage::Flight(op) = &mut this.stage else {
            panic!("a read was polled after it had completed");
        };
        let Poll::Ready(ended) = Pin::new(op).poll(cx) else {
            return Poll::Pending;
        };
        match ended {
            Ok((res, into)) => {
                this.stage = Stage::Waiting(into);
                let error = (res < 0).then(|| errors::from_res(res));
                this.finish(error)
            }
            Err(error) => {
                this.stage = Stage::Done;
                this.place.leave();
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<B: IoBufMut> Drop for ReadInto<B> {
    fn drop(&mut self) {
        if let Stage::Waiting(into) = &mut self.stage {
            if into.filled() > 0 {
                give_back(self.handle, Lease::from_vec(into.copied()));
            }
        }
    }
}

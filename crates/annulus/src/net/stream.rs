//! What all connected byte streams share.
//!
//! Owns: the operations of a stream record, which [`TcpStream`](super::TcpStream) and
//! [`UnixStream`](super::UnixStream) offer under their own names. Invariant: a dropped future gives
//! back what it took.

use std::future::poll_fn;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::task::Poll;

use annulus_ring::{Kernel as _, SocketAddress};
use annulus_task::CoreId;

use super::copied::Copied;
use super::held::Held;
use super::leases::Leases;
use super::polled::Polled;
use super::read::{ReadExact, ReadInto};
use super::recv::{Parsed, Place, Queue, Recv};
use super::room::Room;
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut, Lease};
use crate::core::key::{Handle, Key};
use crate::core::op::Op;
use crate::core::record::Kind;
use crate::core::recv_op::Filling;
use crate::core::scatter::Parts;
use crate::core::send_op::{SendFrom, SendZeroCopy};
use crate::core::stream::Stream;
use crate::core::vectored_op::{SendVectored, SendVectoredZeroCopy};
use crate::core::{Owned, adopted_fd, current_id, errors, with_core};
use crate::op::Shaped;

/// A connected byte stream.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) owned: Owned,
}

impl Socket {
    pub(super) fn adopt(fd: RawFd, stream: Box<Stream>) -> io::Result<Self> {
        Ok(Self { owned: Owned::adopt(fd, Kind::Stream(stream))? })
    }

    pub(super) fn from_fd(fd: OwnedFd, stream: Box<Stream>) -> io::Result<Self> {
        Ok(Self { owned: Owned::adopt_fd(fd, Kind::Stream(stream))? })
    }

    pub(crate) fn recv(&self) -> Recv<'_> {
        Recv::new(&self.owned)
    }

    pub(super) fn leases(&self) -> Leases<'_> {
        Leases::new(&self.owned)
    }

    pub(super) fn polled(&self) -> Polled {
        Polled::new(&self.owned)
    }

    pub(super) fn read<B: IoBufMut>(&self, buf: B) -> ReadInto<B> {
        ReadInto::new(&self.owned, buf, false)
    }

    pub(super) fn read_exact<B: IoBufMut>(&self, buf: B) -> ReadExact<B> {
        ReadExact(ReadInto::new(&self.owned, buf, true))
    }

    pub(super) fn peek<B: IoBufMut>(&self, buf: B) -> Copied<Filling<B>> {
        Copied::new(&self.owned, Filling::new(buf), false)
    }

    pub(super) fn read_vectored<V: IoVecBufMut>(&self, bufs: V) -> Copied<Parts<V>> {
        Copied::new(&self.owned, Parts::new(bufs), true)
    }

    pub(super) fn write_vectored<V: IoVecBuf>(&self, bufs: V) -> Op<SendVectored<V>> {
        Op::new(SendVectored::new(self.owned.handle(), bufs))
    }

    pub(super) fn send<B: IoBuf>(&self, buf: B) -> Op<SendFrom<B>> {
        Op::new(SendFrom { handle: self.owned.handle(), buf, sent: 0, all: false })
    }

    pub(crate) fn write_all<B: IoBuf>(
        &self,
        buf: B,
    ) -> Shaped<'_, SendFrom<B>, BufResult<usize, B>, BufResult<(), B>> {
        let description = match buf.bytes_len() {
            0 => Err(Ok(((), buf))),
            _ => Ok(SendFrom { handle: self.owned.handle(), buf, sent: 0, all: true }),
        };
        Shaped::new(description, without_count)
    }

    pub(crate) fn write_all_vectored<V: IoVecBuf>(
        &self,
        bufs: V,
    ) -> Shaped<'_, SendVectored<V>, BufResult<usize, V>, BufResult<(), V>> {
        let description = match bufs.total_len() {
            0 => Err(Ok(((), bufs))),
            _ => Ok(SendVectored::new(self.owned.handle(), bufs)),
        };
        Shaped::new(description, without_count)
    }

    pub(super) fn write_all_zc<B: IoBuf>(
        &self,
        buf: B,
    ) -> Shaped<'_, SendZeroCopy<B>, BufResult<usize, B>, BufResult<(), B>> {
        let handle = self.owned.handle();
        let description = match buf.bytes_len() {
            0 => Err(Ok(((), buf))),
            _ => Ok(SendZeroCopy(SendFrom { handle, buf, sent: 0, all: true })),
        };
        Shaped::new(description, without_count)
    }

    pub(super) fn write_all_vectored_zc<V: IoVecBuf>(
        &self,
        bufs: V,
    ) -> Shaped<'_, SendVectoredZeroCopy<V>, BufResult<usize, V>, BufResult<(), V>> {
        let description = match bufs.total_len() {
            0 => Err(Ok(((), bufs))),
            _ => Ok(SendVectoredZeroCopy(SendVectored::new(self.owned.handle(), bufs))),
        };
        Shaped::new(description, without_count)
    }

    pub(crate) fn send_nowait(&self, bytes: &[u8]) -> io::Result<()> {
        self.owned.with(|state, key| state.queue_bytes(key, bytes))?
    }

    pub(super) fn send_nowait_vec(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        self.owned.with(|state, key| state.queue_vec(key, bytes))?
    }

    /// Whether `send_nowait` would take bytes; true where it would say why not.
    pub(crate) fn has_room(&self) -> bool {
        self.has_room_below(usize::MAX)
    }

    /// As [`has_room`](Self::has_room), with a limit of the caller's besides.
    #[inline]
    pub(crate) fn has_room_below(&self, bytes_max: usize) -> bool {
        let has = self.owned.with(|state, key| {
            let most = state.send_high_bytes.min(bytes_max);
            state.records.stream(key).is_none_or(|stream| stream.send.queued_bytes < most)
        });
        has.unwrap_or(true)
    }

    /// Waits until at most `bytes_max` bytes of `send_nowait` are queued.
    pub(crate) fn room(&self, bytes_max: Option<usize>) -> Room {
        Room::new(&self.owned, bytes_max)
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

    pub(crate) fn shutdown(&self, how: std::net::Shutdown) -> io::Result<()> {
        let how = match how {
            std::net::Shutdown::Read => libc::SHUT_RD,
            std::net::Shutdown::Write => libc::SHUT_WR,
            std::net::Shutdown::Both => libc::SHUT_RDWR,
        };
        self.owned.with(|state, key| state.shut_down_stream(key, how))?
    }

    /// Ends the sending direction behind what was accepted, on whatever thread.
    pub(super) fn end_sending(&self) {
        let Handle { core, key } = self.owned.handle();
        let end = move || {
            // The peer may be gone, or the direction ended before: there is nobody to tell.
            let _ = crate::core::with_core(core, |core| {
                let _ = core.state.borrow_mut().shut_down_stream(key, libc::SHUT_WR);
            });
        };
        if crate::core::current_id() == Some(core) {
            end();
        } else {
            let _ = annulus_task::post(core, end);
        }
    }

    pub(super) fn set_receive_pool(&self, pool: usize) -> io::Result<()> {
        self.owned.with(|state, key| state.set_group(key, pool))?
    }

    pub(crate) fn local_address(&self) -> io::Result<SocketAddress> {
        let fd = self.owned.raw_fd();
        Ok(self.owned.with(|state, _| state.ring.kernel().local_address(fd))??)
    }

    pub(crate) fn peer_address(&self) -> io::Result<SocketAddress> {
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
        let Handle { core, key } = self.owned.handle();
        if current_id() == Some(core) {
            stay(core, key);
        } else {
            // A future that stopped receiving was dropped on another thread.
            let _ = annulus_task::post(core, move || stay(core, key));
        }
    }

    /// Ends the armed receive and waits until the kernel has none; what arrived is queued.
    pub(super) async fn receive_stopped(&self) -> io::Result<()> {
        let mut place = Place::new(&self.owned, Queue::Received);
        poll_fn(|cx| {
            let polled =
                place.poll(cx, |state, key, waiter, who| state.poll_at_rest(key, waiter, who));
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

fn stay(core: CoreId, key: Key) {
    let _ = with_core(core, |core| core.state.borrow_mut().stay(key));
}

pub(super) fn without_count<B>(sent: BufResult<usize, B>) -> BufResult<(), B> {
    sent.map(|(_, buf)| ((), buf))
}

pub(super) fn flatten<T>(polled: io::Result<Poll<io::Result<T>>>) -> Poll<io::Result<T>> {
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
pub(super) fn give_back(handle: Handle, lease: Lease) {
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

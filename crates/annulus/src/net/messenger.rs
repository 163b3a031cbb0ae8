//! What all sockets share that keep messages apart.
//!
//! Owns: the operations of a record of messages, which [`UdpSocket`](super::UdpSocket),
//! [`UnixDatagram`](super::UnixDatagram) and [`UnixSeqpacket`](super::UnixSeqpacket) offer under
//! their own names. Invariant: a message that is not given to anybody stays in the queue.

use std::future::poll_fn;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use annulus_ring::{Kernel as _, SocketAddress};

use super::control::Control;
use super::datagram::{Address, Datagram, Received, datagram};
use super::foreign::{self, Wanted};
use super::receive::{
    ReceiveBatch, ReceiveInto, ReceiveLeased, from_peer, from_sender, take, with_control,
};
use super::recv::{Place, Queue};
use super::send_batch::SendBatch;
use super::stream::flatten;
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf};
use crate::core::datagrams::Datagrams;
use crate::core::message::{Layout, Message};
use crate::core::message_send::{SendDatagram, SendMessage, SendSegments, To};
use crate::core::op::Op;
use crate::core::record::Kind;
use crate::core::socket_op::Connect;
use crate::core::{Owned, adopted_fd, errors, with_any};
use crate::op::Shaped;

/// A socket that keeps messages apart.
#[derive(Debug)]
pub(super) struct Messenger {
    pub(super) owned: Owned,
    layout: Layout,
}

/// The next message of a socket without an end.
fn endless<A: Address>(message: Option<Message>) -> io::Result<Datagram<A>> {
    datagram(message.ok_or_else(errors::handle_gone)?)
}

/// The next packet of a connection.
fn until_end<A: Address>(message: Option<Message>) -> io::Result<Option<Datagram<A>>> {
    message.map(datagram).transpose()
}

impl Messenger {
    /// Makes a socket; `kind` is `SOCK_DGRAM` or `SOCK_SEQPACKET`.
    pub(super) fn open(family: i32, kind: i32, datagrams: Box<Datagrams>) -> io::Result<Self> {
        let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let fd = with_any(|core| core.state.borrow_mut().ring.kernel().socket(family, kind, 0))??;
        Self::adopt(fd, datagrams)
    }

    /// Two that are connected to each other.
    pub(super) fn pair(kind: i32, datagrams: fn() -> Box<Datagrams>) -> io::Result<[Self; 2]> {
        let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let [left, right] = with_any(|core| {
            core.state.borrow_mut().ring.kernel().socketpair(libc::AF_UNIX, kind, 0)
        })??;
        let [left, right] = [left, right].map(|fd| Self::adopt(fd, datagrams()));
        Ok([left?, right?])
    }

    /// Takes over a socket that was opened here, or accepted by a listener of packets.
    pub(super) fn adopt(fd: RawFd, datagrams: Box<Datagrams>) -> io::Result<Self> {
        let layout = datagrams.layout();
        Ok(Self { owned: Owned::adopt(fd, Kind::Datagrams(datagrams))?, layout })
    }

    /// Takes over a descriptor that comes from elsewhere.
    ///
    /// # Errors
    /// If it is not what is wanted: who receives here relies on a socket that keeps messages apart.
    pub(super) fn from_fd(
        fd: OwnedFd,
        wanted: &Wanted,
        datagrams: Box<Datagrams>,
    ) -> io::Result<Self> {
        foreign::check(&fd, wanted)?;
        rustix::io::ioctl_fionbio(&fd, true)?;
        let layout = datagrams.layout();
        Ok(Self { owned: Owned::adopt_fd(fd, Kind::Datagrams(datagrams))?, layout })
    }

    pub(super) fn bind(&self, address: &SocketAddress) -> io::Result<()> {
        let fd = self.owned.raw_fd();
        Ok(self.owned.with(|state, _| state.ring.kernel().bind(fd, address))??)
    }

    pub(super) fn connect(&self, address: SocketAddress) -> Op<Connect> {
        Op::new(Connect::new(self.owned.handle(), address))
    }

    /// As [`connect`](Self::connect), to an address that may be none.
    pub(super) fn connect_shaped(
        &self,
        address: io::Result<SocketAddress>,
    ) -> Shaped<'_, Connect, io::Result<()>, io::Result<()>> {
        let handle = self.owned.handle();
        let connect = |address| Connect::new(handle, address);
        Shaped::new(address.map(connect).map_err(Err), |connected| connected)
    }

    pub(super) fn recv<A: Address>(&self) -> ReceiveLeased<'_, Datagram<A>> {
        ReceiveLeased::new(&self.owned, endless)
    }

    pub(super) fn recv_until_end<A: Address>(&self) -> ReceiveLeased<'_, Option<Datagram<A>>> {
        ReceiveLeased::new(&self.owned, until_end)
    }

    /// As [`recv`](Self::recv), again and again.
    pub(super) fn datagrams<A: Address>(&self) -> super::Datagrams<'_, A> {
        super::Datagrams::new(ReceiveLeased::new(&self.owned, |message| endless(message).map(Some)))
    }

    /// As [`recv_until_end`](Self::recv_until_end), again and again.
    pub(super) fn packets<A: Address>(&self) -> super::Datagrams<'_, A> {
        super::Datagrams::new(self.recv_until_end())
    }

    pub(super) fn recv_batch<A: Address>(&self, most: usize) -> ReceiveBatch<'_, A> {
        ReceiveBatch::new(&self.owned, most)
    }

    pub(super) fn try_recv<A: Address>(&self) -> io::Result<Option<Datagram<A>>> {
        let found = self.owned.with(|state, key| {
            let found = take(state, key, None);
            if found.is_none() {
                state.arm_messages(key);
            }
            found
        })?;
        match found {
            Some(Ok(message)) => until_end(message),
            Some(Err(error)) => Err(error),
            None => Ok(None),
        }
    }

    pub(super) fn read<B: IoBufMut>(&self, buf: B) -> ReceiveInto<'_, B, BufResult<usize, B>> {
        ReceiveInto::new(&self.owned, self.layout, (buf, Control::new()), from_peer)
    }

    pub(super) fn recv_from<A: Address, B: IoBufMut>(
        &self,
        buf: B,
    ) -> ReceiveInto<'_, B, BufResult<(usize, A), B>> {
        ReceiveInto::new(&self.owned, self.layout, (buf, Control::new()), from_sender)
    }

    pub(super) fn recv_msg<A: Address, B: IoBufMut>(
        &self,
        buf: B,
        control: Control,
    ) -> ReceiveInto<'_, B, BufResult<Received<A>, (B, Control)>> {
        ReceiveInto::new(&self.owned, self.layout, (buf, control), with_control)
    }

    pub(super) fn send<'a, B: IoBuf>(
        &'a self,
        send: SendDatagram<B>,
    ) -> Shaped<'a, SendDatagram<B>, BufResult<usize, B>, BufResult<usize, B>> {
        Shaped::new(Ok(send), |sent| sent)
    }

    /// As [`send`](Self::send), as datagrams of so many bytes.
    pub(super) fn send_segments<'a, B: IoBuf>(
        &'a self,
        send: SendDatagram<B>,
        segment_bytes: u16,
    ) -> Shaped<'a, SendSegments<B>, BufResult<usize, B>, BufResult<usize, B>> {
        Shaped::new(SendSegments::of(send, segment_bytes), |sent| sent)
    }

    /// As [`send`](Self::send), to an address that may be none.
    pub(super) fn send_to<B: IoBuf>(
        &self,
        buf: B,
        address: io::Result<SocketAddress>,
    ) -> Shaped<'_, SendDatagram<B>, BufResult<usize, B>, BufResult<usize, B>> {
        let send = match address {
            Ok(address) => Ok(self.datagram(buf, To::Other(Box::new(address)))),
            Err(error) => Err(Err(BufError::new(error, buf))),
        };
        Shaped::new(send, |sent| sent)
    }

    pub(super) fn datagram<B: IoBuf>(&self, buf: B, to: To) -> SendDatagram<B> {
        SendDatagram::new(self.owned.handle(), buf, to)
    }

    pub(super) fn send_batch<'a, B: IoBuf>(
        &'a self,
        sends: impl IntoIterator<Item = SendDatagram<B>>,
    ) -> SendBatch<'a, B> {
        SendBatch::new(sends)
    }

    #[allow(clippy::type_complexity, reason = "an operation whose output is not changed")]
    pub(super) fn send_msg<V: IoVecBuf>(
        &self,
        bufs: V,
        to: io::Result<To>,
        control: Control,
    ) -> Shaped<'_, SendMessage<V>, BufResult<usize, (V, Control)>, BufResult<usize, (V, Control)>>
    {
        let send = match to {
            Ok(to) => Ok(SendMessage::new(self.owned.handle(), bufs, to, control)),
            Err(error) => Err(Err(BufError::new(error, (bufs, control)))),
        };
        Shaped::new(send, |sent| sent)
    }

    pub(super) fn shutdown(&self, how: std::net::Shutdown) -> io::Result<()> {
        let how = match how {
            std::net::Shutdown::Read => libc::SHUT_RD,
            std::net::Shutdown::Write => libc::SHUT_WR,
            std::net::Shutdown::Both => libc::SHUT_RDWR,
        };
        let fd = self.owned.raw_fd();
        Ok(self.owned.with(|state, _| state.ring.kernel().shutdown(fd, how))??)
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
            let _ = self.owned.with(|state, key| {
                if let Some(datagrams) = state.records.datagrams(key) {
                    datagrams.leaving = false;
                }
            });
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

    /// Ends the armed receive and waits until the kernel has none; what arrived is queued.
    async fn at_rest(&self) -> io::Result<()> {
        let mut place = Place::new(&self.owned, Queue::Messages);
        poll_fn(|cx| {
            flatten(
                place.poll(cx, |state, key, waiter, who| {
                    state.poll_messages_at_rest(key, waiter, who)
                }),
            )
        })
        .await?;
        let (in_flight, unread) = self.owned.with(|state, key| {
            let in_flight = state.records.get(key).map_or(0, |record| record.in_flight);
            let unread = state.records.datagrams(key).map_or(0, |datagrams| datagrams.unread().0);
            (in_flight, unread)
        })?;
        match (in_flight, unread) {
            (0, 0) => Ok(()),
            (0, unread) => Err(io::Error::other(format!(
                "{unread} datagrams were received and not read yet: read them before giving up the \
                 handle"
            ))),
            _ => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "a send on this socket is still in flight",
            )),
        }
    }
}

//! The making of a TCP connection.
//!
//! Owns: the future of `connect`, and one attempt. Does not own: names (`names`), the order of
//! several attempts (`race`). Invariant: the socket of an attempt is closed unless the user got it.
//!
//! A connect that the kernel punts to a worker of its own may have begun by then. If the worker
//! cannot be started, or finds that the socket does not wait, the kernel says so and the connect
//! goes on all the same:
//!
//! | the kernel says | which means |
//! |---|---|
//! | EALREADY, EINPROGRESS | it is under way: the socket becomes writable at its end, and has its error; begun by somebody else, it may lead elsewhere |
//! | EISCONN, to a request that was made again | it has succeeded (`core::socket_op`) |

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use annulus_ring::{Kernel as _, SocketAddress};

use super::TcpStream;
use super::address::Destination;
use super::names::Lookup;
use super::race::Race;
use crate::core::end::End;
use crate::core::op::Op;
use crate::core::socket_op::{Connect, Ready};
use crate::core::{errors, with_any};

/// The future of [`TcpStream::connect`].
pub(super) enum Connecting {
    Idle(io::Result<Destination>),
    Resolving(Lookup),
    One(Attempt),
    Several(Box<Race>),
    Done,
}

impl Connecting {
    /// What comes first.
    fn start(destination: io::Result<Destination>) -> io::Result<Self> {
        Ok(match destination? {
            Destination::Address(address) => Self::One(Attempt::start(address)?),
            Destination::Addresses(addresses) => Self::to_any(addresses)?,
            Destination::Name { host, port } => Self::Resolving(Lookup::new(host, port)),
        })
    }

    fn to_any(addresses: Vec<SocketAddr>) -> io::Result<Self> {
        Ok(match addresses[..] {
            [address] => Self::One(Attempt::start(address)?),
            _ => Self::Several(Box::new(Race::new(addresses))),
        })
    }
}

impl Future for Connecting {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let next = match this {
                Self::Idle(_) => {
                    let Self::Idle(destination) = std::mem::replace(this, Self::Done) else {
                        unreachable!("it was idle");
                    };
                    Self::start(destination)
                }
                Self::Resolving(lookup) => match Pin::new(lookup).poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(found) => found.and_then(Self::to_any),
                },
                Self::One(attempt) => match Pin::new(attempt).poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(ended) => return this.ready(ended),
                },
                Self::Several(race) => match race.poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(ended) => return this.ready(ended),
                },
                Self::Done => panic!("a connect was polled after it had completed"),
            };
            match next {
                Ok(next) => *this = next,
                Err(error) => return this.ready(Err(error)),
            }
        }
    }
}

impl Connecting {
    fn ready(&mut self, ended: io::Result<TcpStream>) -> Poll<io::Result<TcpStream>> {
        *self = Self::Done;
        Poll::Ready(ended)
    }
}

impl End for Connecting {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        let ended = match self {
            Self::Idle(_) | Self::Resolving(_) => Some(Err(errors::cancelled())),
            Self::One(attempt) => attempt.ask_to_end(),
            Self::Several(race) => race.ask_to_end(),
            Self::Done => None,
        };
        if ended.is_some() {
            *self = Self::Done;
        }
        ended
    }
}

/// A connect of one socket.
pub(super) struct Attempt {
    step: Step,
    address: SocketAddr,
    stream: Option<TcpStream>,
    /// Asked to end.
    ending: bool,
}

enum Step {
    /// The kernel connects.
    Connect(Op<Connect>),
    /// It has begun, and does not say when it is done: the socket does.
    UnderWay(Op<Ready>),
}

impl Attempt {
    pub(super) fn start(address: SocketAddr) -> io::Result<Self> {
        let family = SocketAddress::from(address).family();
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let fd = with_any(|core| core.state.borrow_mut().ring.kernel().socket(family, kind, 0))??;
        Ok(Self::of(TcpStream::adopt(fd)?, address))
    }

    /// With a socket that is there already.
    pub(super) fn of(stream: TcpStream, address: SocketAddr) -> Self {
        let op = Op::new(Connect::new(stream.handle(), address.into()));
        Self { step: Step::Connect(op), address, stream: Some(stream), ending: false }
    }

    /// The kernel has answered. `None` if that was that the connect goes on, begun by an earlier
    /// request that came to nothing.
    fn answered(&mut self, ended: io::Result<()>) -> Option<io::Result<()>> {
        if !ended.as_ref().is_err_and(is_under_way) {
            return Some(ended);
        }
        let Some(stream) = self.stream.as_ref().filter(|_| !self.ending) else {
            return Some(Err(errors::cancelled()));
        };
        let ready = Ready { handle: stream.handle(), events: libc::POLLOUT as u32 };
        self.step = Step::UnderWay(Op::new(ready));
        None
    }

    /// What came of a connect that was under way.
    fn outcome(&self) -> io::Result<()> {
        let stream = self.stream.as_ref().expect("an attempt ends once");
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        // It may have been begun by somebody else, who had the socket before.
        let (asked, peer) = (self.address, stream.peer_addr()?);
        let is_there = asked.ip().is_unspecified() || asked.ip() == peer.ip();
        if is_there && asked.port() == peer.port() {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::EISCONN))
        }
    }

    /// The socket, if the attempt has succeeded; else it is closed.
    fn finish(&mut self, ended: io::Result<()>) -> io::Result<TcpStream> {
        let stream = self.stream.take();
        ended.map(|()| stream.expect("an attempt ends once"))
    }
}

/// Whether a connect of the socket has begun and not ended.
fn is_under_way(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EALREADY | libc::EINPROGRESS))
}

impl Future for Attempt {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let ended = match &mut this.step {
                Step::Connect(op) => {
                    let ended = ready!(Pin::new(op).poll(cx));
                    let Some(ended) = this.answered(ended) else { continue };
                    ended
                }
                Step::UnderWay(op) => {
                    let ready = ready!(Pin::new(op).poll(cx));
                    ready.and_then(|_events| this.outcome())
                }
            };
            return Poll::Ready(this.finish(ended));
        }
    }
}

impl End for Attempt {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        self.ending = true;
        let ended = match &mut self.step {
            Step::Connect(op) => op.ask_to_end(),
            Step::UnderWay(op) => op.ask_to_end().map(|ready| ready.map(drop)),
        };
        ended.map(|ended| self.finish(ended))
    }
}

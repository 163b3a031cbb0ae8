//! The making of a TCP connection.
//!
//! Owns: the future of `connect`. Invariant: its socket is closed unless the user got it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use annulus_ring::{Kernel as _, SocketAddress};

use super::TcpStream;
use crate::core::end::End;
use crate::core::op::Op;
use crate::core::socket_op::Connect;
use crate::core::{errors, with_any};

/// The future of [`TcpStream::connect`].
pub(super) enum Connecting {
    Idle(io::Result<SocketAddr>),
    Flight(Op<Connect>, TcpStream),
    Done,
}

impl Connecting {
    fn start(address: io::Result<SocketAddr>) -> io::Result<Self> {
        let address = Box::new(SocketAddress::from(address?));
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let fd = with_any(|core| {
            core.state.borrow_mut().ring.kernel().socket(address.family(), kind, 0)
        })??;
        let stream = TcpStream::adopt(fd)?;
        Ok(Self::Flight(Op::new(Connect { handle: stream.handle(), address }), stream))
    }

    /// The socket, if the attempt has succeeded; else it is closed.
    fn finish(&mut self, ended: io::Result<()>) -> io::Result<TcpStream> {
        match (std::mem::replace(self, Self::Done), ended) {
            (Self::Flight(_, stream), Ok(())) => Ok(stream),
            (_, Err(error)) => Err(error),
            (_, Ok(())) => unreachable!("only an attempt in flight succeeds"),
        }
    }
}

impl Future for Connecting {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if matches!(this, Self::Idle(_)) {
            let Self::Idle(address) = std::mem::replace(this, Self::Done) else {
                unreachable!("it was idle");
            };
            match Self::start(address) {
                Ok(started) => *this = started,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let Self::Flight(op, _) = this else {
            panic!("a connect was polled after it had completed");
        };
        match Pin::new(op).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(ended) => Poll::Ready(this.finish(ended)),
        }
    }
}

impl End for Connecting {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        match self {
            Self::Idle(_) => Some(self.finish(Err(errors::cancelled()))),
            Self::Flight(op, _) => op.ask_to_end().map(|ended| self.finish(ended)),
            Self::Done => None,
        }
    }
}

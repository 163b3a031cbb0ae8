//! The making of a Unix connection.
//!
//! Owns: the future of `connect`. Invariants: the socket of an attempt is closed unless the user
//! got it; who connects to a listener whose queue is full waits, and does not fail.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use annulus_ring::{Kernel as _, SocketAddress};

use super::UnixStream;
use crate::core::end::End;
use crate::core::op::Op;
use crate::core::socket_op::Connect;
use crate::core::{errors, with_any};

/// The future of [`UnixStream::connect`].
pub(super) enum UnixConnecting {
    Idle(io::Result<SocketAddress>),
    Attempt { op: Op<Connect>, stream: UnixStream },
    Done,
}

impl UnixConnecting {
    fn start(address: io::Result<SocketAddress>) -> io::Result<Self> {
        let address = address?;
        // Not nonblocking: the kernel says EAGAIN to such a socket when the listener's queue is
        // full, and has no way to say when there is room again. A worker of the kernel waits.
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        let fd =
            with_any(|core| core.state.borrow_mut().ring.kernel().socket(libc::AF_UNIX, kind, 0))??;
        let stream = UnixStream::adopt(fd)?;
        let op = Op::new(Connect::new(stream.owned().handle(), address));
        Ok(Self::Attempt { op, stream })
    }

    /// The socket, if the attempt has succeeded; else it is closed.
    fn finish(&mut self, ended: io::Result<()>) -> io::Result<UnixStream> {
        let Self::Attempt { stream, .. } = std::mem::replace(self, Self::Done) else {
            unreachable!("an attempt ends once");
        };
        ended.map(|()| stream)
    }
}

impl Future for UnixConnecting {
    type Output = io::Result<UnixStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Self::Idle(_) = this {
            let Self::Idle(address) = std::mem::replace(this, Self::Done) else {
                unreachable!("it was idle");
            };
            *this = Self::start(address)?;
        }
        let Self::Attempt { op, .. } = this else {
            panic!("a connect was polled after it had completed");
        };
        let Poll::Ready(ended) = Pin::new(op).poll(cx) else {
            return Poll::Pending;
        };
        Poll::Ready(this.finish(ended))
    }
}

impl End for UnixConnecting {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        match self {
            Self::Idle(_) => {
                *self = Self::Done;
                Some(Err(errors::cancelled()))
            }
            Self::Attempt { op, .. } => {
                let ended = op.ask_to_end()?;
                Some(self.finish(ended))
            }
            Self::Done => None,
        }
    }
}

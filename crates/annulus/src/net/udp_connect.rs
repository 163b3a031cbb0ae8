//! The connecting of a UDP socket.
//!
//! Owns: the future of `connect`. Does not own: names (`names`), the request (`core/socket_op.rs`).
//! Invariant: of several addresses one is tried at a time, because nothing is sent and so nothing
//! is waited for.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::address::Destination;
use super::messenger::Messenger;
use super::names::Lookup;
use crate::core::end::End;
use crate::core::errors;
use crate::core::op::Op;
use crate::core::socket_op::Connect;

/// The future of [`UdpSocket::connect`](super::UdpSocket::connect).
pub(super) struct Connecting<'a> {
    socket: &'a Messenger,
    stage: Stage,
}

enum Stage {
    Idle(io::Result<Destination>),
    Resolving(Lookup),
    /// A connect, and the addresses that are tried behind it, the next one last.
    Trying(Op<Connect>, Vec<SocketAddr>),
    Done,
}

impl<'a> Connecting<'a> {
    pub(super) fn new(socket: &'a Messenger, destination: io::Result<Destination>) -> Self {
        Self { socket, stage: Stage::Idle(destination) }
    }

    /// Tries the last of these.
    fn to_any(&self, mut addresses: Vec<SocketAddr>) -> io::Result<Stage> {
        let Some(address) = addresses.pop() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no address to connect to"));
        };
        Ok(Stage::Trying(self.socket.connect(address.into()), addresses))
    }

    fn start(&self, destination: io::Result<Destination>) -> io::Result<Stage> {
        match destination? {
            Destination::Address(address) => self.to_any(vec![address]),
            Destination::Addresses(mut addresses) => {
                addresses.reverse();
                self.to_any(addresses)
            }
            Destination::Name { host, port } => Ok(Stage::Resolving(Lookup::new(host, port))),
        }
    }
}

impl Future for Connecting<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let next = match std::mem::replace(&mut this.stage, Stage::Done) {
                Stage::Idle(destination) => this.start(destination),
                Stage::Resolving(mut lookup) => match Pin::new(&mut lookup).poll(cx) {
                    Poll::Pending => {
                        this.stage = Stage::Resolving(lookup);
                        return Poll::Pending;
                    }
                    Poll::Ready(found) => found.and_then(|mut found| {
                        found.reverse();
                        this.to_any(found)
                    }),
                },
                Stage::Trying(mut op, others) => {
                    let polled = Pin::new(&mut op).poll(cx);
                    if polled.is_pending() {
                        this.stage = Stage::Trying(op, others);
                        return Poll::Pending;
                    }
                    match ready!(polled) {
                        Err(_) if !others.is_empty() => this.to_any(others),
                        ended => return Poll::Ready(ended),
                    }
                }
                Stage::Done => panic!("a connect was polled after it had completed"),
            };
            this.stage = next?;
        }
    }
}

impl End for Connecting<'_> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        match &mut self.stage {
            Stage::Idle(_) | Stage::Resolving(_) => {
                self.stage = Stage::Done;
                Some(Err(errors::cancelled()))
            }
            Stage::Trying(op, others) => {
                others.clear();
                op.ask_to_end()
            }
            Stage::Done => None,
        }
    }
}

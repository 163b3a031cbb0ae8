//! Waiting until what was accepted for sending is with the kernel's socket.
//!
//! Owns: the future of `flush`. Does not own: the send queue (the record). Invariant: it holds no
//! byte, so dropping it loses none.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::recv::{Place, Queue};
use super::stream::{Socket, flatten};
use crate::core::end::End;
use crate::core::key::NONE;
use crate::core::{Owned, errors};

/// Waits until at most so many bytes of `send_nowait` are queued.
#[derive(Debug)]
pub(crate) struct Room {
    place: Place,
    /// `None`: fewer than a socket takes at most.
    bytes_max: Option<usize>,
}

impl Room {
    pub(super) fn new(owned: &Owned, bytes_max: Option<usize>) -> Self {
        Self { place: Place::new(owned, Queue::Room), bytes_max }
    }
}

impl Socket {
    /// Whether a send is with the kernel, or waits for one that is.
    pub(crate) fn is_sending(&self) -> bool {
        let sending = self.owned.with(|state, key| {
            state.records.stream(key).is_some_and(|stream| stream.send.head != NONE)
        });
        sending.unwrap_or(false)
    }
}

impl Future for Room {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = this.place.poll(cx, |state, key, waiter, who| {
            let bytes_max = this.bytes_max.unwrap_or(state.send_high_bytes - 1);
            state.poll_room((key, bytes_max), waiter, who)
        });
        flatten(polled)
    }
}

impl End for Room {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        self.place.leave();
        Some(Err(errors::cancelled()))
    }
}

//! Reading into a buffer of the user.
//!
//! Owns: the futures of `read` and `read_exact`. Does not own: the receive into the buffer
//! (`core/recv_op.rs`), the queue of what was received (the record).
//!
//! Invariant: bytes that do not end up in the hands of the user go back to the front of the queue,
//! before the place in the queue is left.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::recv::{Place, Queue};
use super::stream::{give_back, without_count};
use crate::buf::{BufError, BufResult, IoBufMut, Lease};
use crate::core::end::End;
use crate::core::key::{Handle, Key};
use crate::core::op::Op;
use crate::core::recv_op::{Filling, RecvInto};
use crate::core::stream::Found;
use crate::core::{Owned, State, errors};

/// The future of `read` and `read_exact`.
pub(super) struct ReadInto<B: IoBufMut> {
    place: Place,
    handle: Handle,
    stage: Stage<B>,
    exact: bool,
    /// It was asked to end while its receive was with the kernel.
    ending: bool,
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
    pub(super) fn new(owned: &Owned, buf: B, exact: bool) -> Self {
        Self {
            place: Place::new(owned, Queue::Received),
            handle: owned.handle(),
            stage: Stage::Waiting(Filling::new(buf)),
            exact,
            ending: false,
        }
    }

    /// Takes what is in the queue, and says how to go on. Waits in the queue if that is to wait.
    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<Look> {
        let Stage::Waiting(into) = &mut self.stage else {
            return Ok(Look::Full);
        };
        let (exact, mut direct) = (self.exact, false);
        let polled = self.place.poll(cx, |state, key, waiter, who| {
            let look = take(state, (key, *waiter), into, exact);
            if !matches!(look, Ok(Look::Direct | Look::Wait)) {
                return Poll::Ready(look);
            }
            // Pending even if it goes on directly: the place in the queue is kept.
            state.wait_received(key, waiter, who);
            direct = matches!(look, Ok(Look::Direct)) && state.recv_is_idle(key);
            Poll::Pending
        })?;
        match polled {
            Poll::Ready(look) => look,
            Poll::Pending if direct => Ok(Look::Direct),
            Poll::Pending => Ok(Look::Wait),
        }
    }

    /// Ends without having got what was wanted: the buffer comes back, its bytes go back to the
    /// front of the queue.
    fn give_up(&mut self, error: io::Error) -> BufResult<usize, B> {
        if let Stage::Waiting(into) = &mut self.stage {
            if into.filled() > 0 {
                give_back(self.handle, Lease::from_vec(into.copied()));
            }
        }
        self.finish(Some(error))
    }

    fn finish(&mut self, error: Option<io::Error>) -> BufResult<usize, B> {
        self.place.leave();
        let Stage::Waiting(into) = std::mem::replace(&mut self.stage, Stage::Done) else {
            panic!("a read was polled after it had completed");
        };
        if let Some(error) = error {
            return Err(BufError::new(error, into.give_up()));
        }
        if self.exact && into.room() > 0 {
            let (filled, room) = (into.filled(), into.room());
            let error = io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the peer ended the stream after {filled} of {} bytes", filled + room),
            );
            let (_, buf) = into.finish();
            return Err(BufError::new(error, buf));
        }
        Ok(into.finish())
    }
}

impl<B: IoBufMut> Future for ReadInto<B> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Stage::Waiting(into) = &this.stage {
            if into.room() == 0 {
                // Only at the first poll: later the buffer has room, or the read has ended.
                return Poll::Ready(this.finish(Some(errors::no_capacity())));
            }
            match this.look(cx) {
                Ok(Look::Wait) => return Poll::Pending,
                Ok(Look::Full | Look::End) => return Poll::Ready(this.finish(None)),
                Ok(Look::Failed(errno)) => {
                    return Poll::Ready(this.finish(Some(errors::of_receive(errno))));
                }
                Err(error) => return Poll::Ready(this.finish(Some(error))),
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
                let cut_off = this.ending && this.exact && res > 0 && into.room() > 0;
                this.stage = Stage::Waiting(into);
                Poll::Ready(match res {
                    _ if cut_off => this.give_up(errors::cancelled()),
                    res if res < 0 => this.give_up(errors::from_res(res)),
                    _ => this.finish(None),
                })
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

impl<B: IoBufMut> End for ReadInto<B> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        match &mut self.stage {
            Stage::Waiting(into) => {
                let exact = self.exact;
                let found = self
                    .place
                    .look(|state, key, waiter| take(state, (key, Some(waiter)), into, exact));
                Some(match found {
                    Some(Ok(Look::Full | Look::End)) => self.finish(None),
                    Some(Ok(Look::Failed(errno))) => self.give_up(errors::of_receive(errno)),
                    Some(Err(error)) => self.give_up(error),
                    Some(Ok(Look::Wait | Look::Direct)) | None => self.give_up(errors::cancelled()),
                })
            }
            Stage::Flight(op) => {
                self.ending = true;
                // In flight: its completion says how it ended.
                let _ = op.ask_to_end();
                None
            }
            Stage::Done => None,
        }
    }
}

/// The future of `read_exact`.
pub(super) struct ReadExact<B: IoBufMut>(pub(super) ReadInto<B>);

impl<B: IoBufMut> Future for ReadExact<B> {
    type Output = BufResult<(), B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(without_count)
    }
}

impl<B: IoBufMut> End for ReadExact<B> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        self.0.ask_to_end().map(without_count)
    }
}

/// Moves what is in the queue into the buffer, until the read is done or nothing is left for it.
fn take<B: IoBufMut>(
    state: &mut State,
    (key, waiter): (Key, Option<Key>),
    into: &mut Filling<B>,
    exact: bool,
) -> io::Result<Look> {
    loop {
        match state.take_received(key, waiter)? {
            Found::Eof => return Ok(Look::End),
            Found::Failed(errno) => return Ok(Look::Failed(errno)),
            Found::Nothing => return Ok(Look::Direct),
            Found::NotYourTurn => return Ok(Look::Wait),
            Found::Lease(mut lease) => {
                let n = into.copy(&lease);
                lease.advance(n);
                if !lease.is_empty() {
                    state.unread(key, lease);
                }
                if into.room() == 0 || !exact {
                    return Ok(Look::Full);
                }
            }
        }
    }
}

//! Futures that wait for messages.
//!
//! Owns: the leased receive of one and of all that are there, the receive into a buffer, the peek.
//! Does not own: the queue (`core/datagrams.rs`), the request into a buffer (`core/message_op.rs`).
//!
//! Invariant: a message that was taken from the queue is given by the same poll, so a dropped
//! future loses none; one that comes late into a buffer goes into the queue.

use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use annulus_task::coop;

use super::control::{Control, Descriptors};
use super::datagram::{Address, Datagram, Received, datagram};
use super::recv::{Place, Queue};
use super::stream::flatten;
use crate::buf::{BufError, BufResult, IoBufMut};
use crate::core::datagrams::Found;
use crate::core::end::End;
use crate::core::key::{Handle, Key};
use crate::core::message::{Layout, Message};
use crate::core::message_op::{Arrival, MessageInto};
use crate::core::op::Op;
use crate::core::recv_op::Filling;
use crate::core::{Owned, State, errors};

/// The future of `recv`: the next message, or the end.
pub(super) struct ReceiveLeased<'a, T> {
    place: Place,
    shape: fn(Option<Message>) -> io::Result<T>,
    _socket: PhantomData<&'a ()>,
}

impl<T> ReceiveLeased<'_, T> {
    pub(super) fn new(owned: &Owned, shape: fn(Option<Message>) -> io::Result<T>) -> Self {
        Self { place: Place::new(owned, Queue::Messages), shape, _socket: PhantomData }
    }
}

impl<T> Future for ReceiveLeased<'_, T> {
    type Output = io::Result<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(coop::poll_proceed(cx));
        let polled =
            self.place.poll(cx, |state, key, waiter, who| state.poll_message(key, waiter, who));
        let message = ready!(flatten(polled));
        coop::made_progress();
        Poll::Ready(message.and_then(self.shape))
    }
}

impl<T> End for ReceiveLeased<'_, T> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        let found = self.place.look(|state, key, waiter| take(state, key, Some(waiter)));
        self.place.leave();
        let found = found.flatten().unwrap_or_else(|| Err(errors::cancelled()));
        Some(found.and_then(self.shape))
    }
}

/// What is there for a reader in the queue, without waiting.
pub(super) fn take(
    state: &mut State,
    key: Key,
    waiter: Option<Key>,
) -> Option<io::Result<Option<Message>>> {
    match state.take_message(key, waiter) {
        Ok(Found::Message(message)) => Some(Ok(Some(message))),
        Ok(Found::End) => Some(Ok(None)),
        Ok(Found::Failed(errno)) => Some(Err(errors::of_receive(errno))),
        Ok(Found::Nothing | Found::NotYourTurn) => None,
        Err(error) => Some(Err(error)),
    }
}

/// The future of `recv_batch`: what is there, at least one.
pub(super) struct ReceiveBatch<'a, A> {
    place: Place,
    most: usize,
    _socket: PhantomData<&'a ()>,
    _sender: PhantomData<fn() -> A>,
}

impl<A: Address> ReceiveBatch<'_, A> {
    pub(super) fn new(owned: &Owned, most: usize) -> Self {
        let place = Place::new(owned, Queue::Messages);
        Self { place, most, _socket: PhantomData, _sender: PhantomData }
    }
}

/// `first` and what is behind it in the queue.
fn with_others(
    state: &mut State,
    (key, waiter): (Key, Option<Key>),
    first: Message,
    most: usize,
) -> Vec<Message> {
    let mut messages = vec![first];
    while messages.len() < most {
        let Some(message) = state.next_message(key, waiter) else {
            break;
        };
        messages.push(message);
    }
    messages
}

fn to_datagrams<A: Address>(messages: Vec<Message>) -> io::Result<Vec<Datagram<A>>> {
    messages.into_iter().map(datagram).collect()
}

impl<A: Address> Future for ReceiveBatch<'_, A> {
    type Output = io::Result<Vec<Datagram<A>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.most == 0 {
            return Poll::Ready(Ok(Vec::new()));
        }
        ready!(coop::poll_proceed(cx));
        let most = self.most;
        let polled = self.place.poll(cx, |state, key, waiter, who| {
            let first = ready!(state.poll_message(key, waiter, who))?;
            Poll::Ready(Ok(match first {
                Some(first) => with_others(state, (key, *waiter), first, most),
                None => Vec::new(),
            }))
        });
        let messages = ready!(flatten(polled));
        coop::made_progress();
        Poll::Ready(messages.and_then(to_datagrams))
    }
}

impl<A: Address> End for ReceiveBatch<'_, A> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        let most = self.most;
        let found = self.place.look(|state, key, waiter| {
            let first = take(state, key, Some(waiter))?;
            Some(first.map(|first| match first {
                Some(first) => with_others(state, (key, Some(waiter)), first, most),
                None => Vec::new(),
            }))
        });
        self.place.leave();
        let found = found.flatten().unwrap_or_else(|| Err(errors::cancelled()));
        Some(found.and_then(to_datagrams))
    }
}

/// What a receive into a buffer comes to, before it is brought into a form for users.
pub(super) type Ended<B> = Result<(Arrival, B, Control), BufError<(B, Control)>>;

/// The future of `recv_from`, `recv_msg`, `read` and the peeks: a message in a buffer of the user.
pub(super) struct ReceiveInto<'a, B: IoBufMut, T> {
    place: Place,
    handle: Handle,
    layout: Layout,
    stage: Stage<B>,
    shape: fn(Ended<B>) -> T,
    /// The message stays where it is.
    peek: bool,
    _socket: PhantomData<&'a ()>,
}

enum Stage<B: IoBufMut> {
    Waiting(Filling<B>, Control),
    Flight(Op<MessageInto<B>>),
    Done,
}

/// What a look at the queue came to.
enum Look {
    Wait,
    /// Nothing is armed and it is this reader's turn: receive straight into its buffer.
    Direct,
    Message(Message),
    /// The buffers are filled already.
    Peeked(Arrival),
    End,
}

impl<B: IoBufMut, T> Unpin for ReceiveInto<'_, B, T> {}

impl<B: IoBufMut, T> ReceiveInto<'_, B, T> {
    pub(super) fn new(
        owned: &Owned,
        layout: Layout,
        (buf, control): (B, Control),
        shape: fn(Ended<B>) -> T,
    ) -> Self {
        Self {
            place: Place::new(owned, Queue::Messages),
            handle: owned.handle(),
            layout,
            stage: Stage::Waiting(Filling::new(buf), control),
            shape,
            peek: false,
            _socket: PhantomData,
        }
    }

    /// The message stays where it is, for the next who reads.
    pub(super) fn peek(mut self) -> Self {
        self.peek = true;
        self
    }

    /// Takes what is in the queue, and says how to go on. Waits in the queue if that is to wait.
    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<Look> {
        let Stage::Waiting(filling, control) = &mut self.stage else {
            return Ok(Look::End);
        };
        let (peek, mut direct) = (self.peek, false);
        let polled = self.place.poll(cx, |state, key, waiter, who| {
            if peek {
                let look =
                    |message: &Message| fill(filling, control, message, Descriptors::default());
                let peeked = state.poll_peek(key, (waiter, who), look);
                return peeked.map_ok(|found| found.map_or(Look::End, Look::Peeked));
            }
            match take(state, key, *waiter) {
                Some(Ok(Some(message))) => Poll::Ready(Ok(Look::Message(message))),
                Some(Ok(None)) => Poll::Ready(Ok(Look::End)),
                Some(Err(error)) => Poll::Ready(Err(error)),
                None => {
                    // Pending even if it goes on directly: the place in the queue is kept.
                    state.wait_message(key, waiter, who);
                    direct = state.may_receive_directly(key, *waiter);
                    Poll::Pending
                }
            }
        })?;
        match polled {
            Poll::Ready(look) => look,
            Poll::Pending if direct => Ok(Look::Direct),
            Poll::Pending => Ok(Look::Wait),
        }
    }

    fn finish(&mut self, message: Option<Message>) -> T {
        let Stage::Waiting(filling, control) = &mut self.stage else {
            panic!("a receive was polled after it had completed");
        };
        let arrival = match message {
            Some(mut message) => {
                let descriptors = message.take_descriptors();
                fill(filling, control, &message, descriptors)
            }
            None => {
                control.clear();
                Arrival::default()
            }
        };
        self.end(Ok(arrival))
    }

    /// Gives the buffers back, filled or not.
    fn end(&mut self, arrival: io::Result<Arrival>) -> T {
        self.place.leave();
        let Stage::Waiting(filling, control) = std::mem::replace(&mut self.stage, Stage::Done)
        else {
            panic!("a receive was polled after it had completed");
        };
        (self.shape)(match arrival {
            Ok(arrival) => Ok((arrival, filling.finish().1, control)),
            Err(error) => Err(BufError::new(error, (filling.give_up(), control))),
        })
    }
}

/// Copies a message into somebody's buffers.
fn fill<B: IoBufMut>(
    filling: &mut Filling<B>,
    control: &mut Control,
    message: &Message,
    descriptors: Descriptors,
) -> Arrival {
    let mut arrival = Arrival {
        bytes: filling.copy(message.payload()),
        sent_bytes: message.sent_bytes(),
        ..Arrival::default()
    };
    let name = message.name();
    arrival.name_bytes = name.len();
    arrival.name[..name.len()].copy_from_slice(name);
    control.copy(message.control(), descriptors, message.flags() & libc::MSG_CTRUNC != 0);
    arrival
}

fn no_room() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the buffer has no capacity, so the whole datagram would be lost: give a buffer with room, \
         for instance Vec::with_capacity(65536)",
    )
}

impl<B: IoBufMut, T> Future for ReceiveInto<'_, B, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        if let Stage::Waiting(filling, _) = &this.stage {
            if filling.room() == 0 {
                return Poll::Ready(this.end(Err(no_room())));
            }
            match this.look(cx) {
                Ok(Look::Wait) => return Poll::Pending,
                Ok(Look::Message(message)) => return Poll::Ready(this.finish(Some(message))),
                Ok(Look::Peeked(arrival)) => return Poll::Ready(this.end(Ok(arrival))),
                Ok(Look::End) => return Poll::Ready(this.finish(None)),
                Err(error) => return Poll::Ready(this.end(Err(error))),
                Ok(Look::Direct) => this.begin(),
            }
        }
        let Stage::Flight(op) = &mut this.stage else {
            panic!("a receive was polled after it had completed");
        };
        let ended = ready!(Pin::new(op).poll(cx));
        this.stage = Stage::Done;
        this.place.leave();
        Poll::Ready((this.shape)(ended))
    }
}

impl<B: IoBufMut, T> ReceiveInto<'_, B, T> {
    fn begin(&mut self) {
        if let Stage::Waiting(filling, control) = std::mem::replace(&mut self.stage, Stage::Done) {
            let into = MessageInto::new(self.handle, self.layout, filling.give_up(), control);
            self.stage = Stage::Flight(Op::new(into));
        }
    }
}

impl<B: IoBufMut, T> End for ReceiveInto<'_, B, T> {
    fn ask_to_end(&mut self) -> Option<T> {
        match &mut self.stage {
            Stage::Waiting(..) => {
                // What is peeked at stays, so that who peeks need not look.
                let found = match self.peek {
                    true => None,
                    false => self.place.look(|state, key, waiter| take(state, key, Some(waiter))),
                };
                Some(match found.flatten() {
                    Some(Ok(message)) => self.finish(message),
                    Some(Err(error)) => self.end(Err(error)),
                    None => self.end(Err(errors::cancelled())),
                })
            }
            Stage::Flight(op) => {
                // In flight: its completion says how it ended.
                let _ = op.ask_to_end();
                None
            }
            Stage::Done => None,
        }
    }
}

/// As `recv_from` has it: where from, and the buffer.
pub(super) fn from_sender<A: Address, B>(ended: Ended<B>) -> BufResult<(usize, A), B> {
    let (arrival, buf, _) = ended.map_err(|error| error.map_buf(|(buf, _)| buf))?;
    match A::of(arrival.name()) {
        Ok(sender) => Ok(((arrival.bytes, sender), buf)),
        Err(error) => Err(BufError::new(error, buf)),
    }
}

/// As `read` has it: the buffer.
pub(super) fn from_peer<B>(ended: Ended<B>) -> BufResult<usize, B> {
    let (arrival, buf, _) = ended.map_err(|error| error.map_buf(|(buf, _)| buf))?;
    Ok((arrival.bytes, buf))
}

/// As `recv_msg` has it: all that is known.
pub(super) fn with_control<A: Address, B>(ended: Ended<B>) -> BufResult<Received<A>, (B, Control)> {
    let (arrival, buf, control) = ended?;
    match A::of(arrival.name()) {
        Ok(sender) => {
            let Arrival { bytes, sent_bytes, .. } = arrival;
            Ok((Received { bytes, sent_bytes, sender }, (buf, control)))
        }
        Err(error) => Err(BufError::new(error, (buf, control))),
    }
}

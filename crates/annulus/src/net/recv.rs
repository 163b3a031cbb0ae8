//! Futures that wait for received data.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use annulus_task::{CoreId, Waiter, coop};

use crate::buf::Lease;
use crate::core::end::End;
use crate::core::key::{Handle, Key};
use crate::core::stream::Found;
use crate::core::{Owned, State, current_id, errors, try_core, with_core};

/// A place in one of a record's queues of waiting futures. Leaves the queue when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    handle: Handle,
    queue: Queue,
    waiter: Option<Key>,
}

/// Which queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Queue {
    Received,
    Accepted,
    Room,
    Watched,
    Messages,
}

impl Place {
    pub(crate) fn new(owned: &Owned, queue: Queue) -> Self {
        Self { handle: owned.handle(), queue, waiter: None }
    }

    /// Polls with the core's state: `f` gets the record's key, this place, and who waits, to leave
    /// behind. Who is there afterwards, unused or replaced, is dropped when nothing of the core is
    /// borrowed: a waker may be user code. The place is left when `f` is ready.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        f: impl FnOnce(&mut State, Key, &mut Option<Key>, &mut Waiter) -> Poll<T>,
    ) -> io::Result<Poll<T>> {
        let Self { handle: Handle { core, key }, queue, waiter } = self;
        let polled = with_core(*core, |core| {
            let mut who = core.executor.waiter(cx.waker());
            let mut displaced = Waiter::default();
            let mut state = core.state.borrow_mut();
            let polled = f(&mut state, *key, waiter, &mut who);
            if polled.is_ready() {
                if let Some(waiter) = waiter.take() {
                    displaced = state.leave(*queue, *key, waiter);
                }
            }
            drop(state);
            drop((who, displaced));
            polled
        });
        if polled.is_err() {
            self.leave();
        }
        polled
    }

    /// The next lease, or `None` at the end: the short way where nobody else reads.
    #[inline]
    pub(super) fn poll_lease(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Lease>>> {
        let Self { handle: Handle { core, key }, waiter, .. } = self;
        let polled = try_core(*core, |core| {
            let mut who = core.executor.polled_by(cx.waker());
            if who.is_none() || !coop::has_budget() {
                return None;
            }
            let mut state = core.state.borrow_mut();
            let polled = state.poll_lease_alone(*key, waiter, &mut who);
            drop(state);
            drop(who);
            polled
        });
        match polled.flatten() {
            Some(Poll::Ready(lease)) => {
                coop::made_progress();
                Poll::Ready(Ok(Some(lease)))
            }
            Some(Poll::Pending) => Poll::Pending,
            None => self.poll_lease_among_others(cx),
        }
    }

    /// As [`poll_lease`](Self::poll_lease), whatever there may be.
    #[inline(never)]
    fn poll_lease_among_others(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Lease>>> {
        ready!(coop::poll_proceed(cx));
        let polled = self.poll(cx, |state, key, waiter, who| state.poll_lease(key, waiter, who));
        if let Ok(Poll::Pending) = polled {
            return Poll::Pending;
        }
        coop::made_progress();
        polled.unwrap_or_else(|error| Poll::Ready(Err(error)))
    }

    /// The next lease. The place is kept, or taken if there was none: nobody overtakes who holds
    /// bytes.
    pub(super) fn poll_holding(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Lease>>> {
        let key = self.handle.key;
        let polled = with_core(self.handle.core, |core| {
            let mut who = core.executor.waiter(cx.waker());
            let mut state = core.state.borrow_mut();
            let polled = state.poll_lease(key, &mut self.waiter, &mut who);
            if matches!(polled, Poll::Ready(Ok(Some(_)))) {
                state.hold_recv(key, &mut self.waiter);
            }
            drop(state);
            drop(who);
            polled
        });
        polled.unwrap_or_else(|error| Poll::Ready(Err(error)))
    }

    /// What is there for who stands in the queue; `None` if nobody does. `take` arms nothing.
    pub(super) fn look<T>(&self, take: impl FnOnce(&mut State, Key, Key) -> T) -> Option<T> {
        let (waiter, key) = (self.waiter?, self.handle.key);
        with_core(self.handle.core, |core| take(&mut core.state.borrow_mut(), key, waiter)).ok()
    }

    #[inline]
    pub(super) fn leave(&mut self) {
        // Mostly it was left with what was waited for.
        if let Some(waiter) = self.waiter.take() {
            self.leave_as(waiter);
        }
    }

    fn leave_as(&self, waiter: Key) {
        let (Handle { core, key }, queue) = (self.handle, self.queue);
        if current_id() == Some(core) {
            leave(core, key, queue, waiter);
        } else {
            let _ = annulus_task::post(core, move || leave(core, key, queue, waiter));
        }
    }
}

fn leave(core: CoreId, key: Key, queue: Queue, waiter: Key) {
    let displaced = with_core(core, |core| core.state.borrow_mut().leave(queue, key, waiter));
    drop(displaced);
}

impl State {
    /// Takes a waiter out of a queue of this record, and gives who it was.
    #[inline]
    fn leave(&mut self, queue: Queue, key: Key, waiter: Key) -> Waiter {
        match queue {
            Queue::Received => self.leave_recv(key, waiter),
            Queue::Accepted => self.leave_accept(key, waiter),
            Queue::Room => self.leave_room(key, waiter),
            Queue::Watched => self.leave_watch(key, waiter),
            Queue::Messages => self.leave_messages(key, waiter),
        }
    }
}

impl Drop for Place {
    #[inline]
    fn drop(&mut self) {
        self.leave();
    }
}

/// The future of [`TcpStream::recv`](super::TcpStream::recv).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Recv<'a> {
    place: Place,
    _stream: std::marker::PhantomData<&'a ()>,
}

impl Recv<'_> {
    pub(super) fn new(owned: &Owned) -> Self {
        Self { place: Place::new(owned, Queue::Received), _stream: std::marker::PhantomData }
    }
}

impl Future for Recv<'_> {
    type Output = io::Result<Option<Lease>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.place.poll_lease(cx)
    }
}

impl End for Recv<'_> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        let found =
            self.place.look(|state, key, waiter| match state.take_received(key, Some(waiter)) {
                Ok(Found::Lease(lease)) => Some(Ok(Some(lease))),
                Ok(Found::Eof) => Some(Ok(None)),
                Ok(Found::Failed(errno)) => Some(Err(errors::of_receive(errno))),
                Ok(Found::Nothing | Found::NotYourTurn) => None,
                Err(error) => Some(Err(error)),
            });
        self.place.leave();
        Some(found.flatten().unwrap_or_else(|| Err(errors::cancelled())))
    }
}

/// What a closure of [`TcpStream::with_data`](super::TcpStream::with_data) did with the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// The first so many bytes are used up; the rest comes again next time.
    Consumed(usize),
    /// Nothing is used up; call again when there is more.
    NeedMore,
    /// Nothing is used up; call again when there are at least so many bytes.
    NeedAtLeast(usize),
}

//! Futures that read or write what can be moved at once, and wait for readiness in between.
//!
//! Owns: the two futures, for pipes and for the standard streams that are pipes. Does not own: the
//! calls (`core/now`).
//!
//! Invariants: while a future waits, all that the kernel has is a poll, so dropping or cancelling
//! it loses no byte; a buffer never leaves the future before the call that moves its bytes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use annulus_task::coop;

use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, receive_len};
use crate::core::end::End;
use crate::core::now::Now;
use crate::core::op::Op;
use crate::core::socket_op::Ready;
use crate::core::{Owned, errors};

/// A wait until a descriptor is ready, if there is one.
#[derive(Default)]
pub(crate) struct Wait(Option<Op<Ready>>);

impl Wait {
    /// From now on it waits for `events` (`POLLIN`, `POLLOUT`).
    pub(crate) fn begin(&mut self, owned: &Owned, events: i16) {
        let (handle, events) = (owned.handle(), events as u32);
        self.0 = Some(Op::new(Ready { handle, events }));
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(ready) = &mut self.0 else { return Poll::Ready(Ok(())) };
        let ready = ready!(Pin::new(ready).poll(cx));
        self.0 = None;
        Poll::Ready(ready.map(drop))
    }

    pub(crate) fn end(&mut self) {
        self.0 = None;
    }
}

/// Waits until `owned` is ready for `events`.
pub(crate) async fn ready_for(owned: &Owned, events: i16) -> io::Result<()> {
    let (handle, events) = (owned.handle(), events as u32);
    Op::new(Ready { handle, events }).await.map(drop)
}

fn polled_again() -> ! {
    panic!("an operation was polled after it had completed")
}

/// Reads once something is there.
pub(crate) struct ReadNow<'a, B> {
    owned: &'a Owned,
    buf: Option<B>,
    wait: Wait,
    flags: i32,
}

impl<'a, B: IoBufMut> ReadNow<'a, B> {
    pub(crate) fn new(owned: &'a Owned, buf: B, flags: i32) -> Self {
        Self { owned, buf: Some(buf), wait: Wait::default(), flags }
    }

    fn failed(&mut self, error: io::Error) -> BufResult<usize, B> {
        Err(BufError::with(error, self.buf.take()))
    }
}

impl<B> Unpin for ReadNow<'_, B> {}

impl<B: IoBufMut> Future for ReadNow<'_, B> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        ready!(coop::poll_proceed(cx));
        loop {
            if let Err(error) = ready!(this.wait.poll(cx)) {
                return Poll::Ready(this.failed(error));
            }
            let Some(buf) = &mut this.buf else { polled_again() };
            if receive_len(buf).is_err() {
                return Poll::Ready(this.failed(errors::no_capacity()));
            }
            match this.owned.read_now(buf, this.flags) {
                Ok(Now::Wait) => this.wait.begin(this.owned, libc::POLLIN),
                Ok(Now::Done(bytes)) => {
                    coop::made_progress();
                    let Some(buf) = this.buf.take() else { polled_again() };
                    return Poll::Ready(Ok((bytes, buf)));
                }
                Err(error) => return Poll::Ready(this.failed(error)),
            }
        }
    }
}

impl<B: IoBufMut> End for ReadNow<'_, B> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        self.wait.end();
        self.buf.is_some().then(|| self.failed(errors::cancelled()))
    }
}

/// Writes once there is room: a part, or all of it.
pub(crate) struct WriteNow<'a, B> {
    owned: &'a Owned,
    buf: Option<B>,
    wait: Wait,
    flags: i32,
    all: bool,
    done: usize,
}

impl<'a, B: IoBuf> WriteNow<'a, B> {
    pub(crate) fn new(owned: &'a Owned, buf: B, (flags, all): (i32, bool)) -> Self {
        Self { owned, buf: Some(buf), wait: Wait::default(), flags, all, done: 0 }
    }

    fn failed(&mut self, error: io::Error) -> BufResult<usize, B> {
        Err(BufError::with(error, self.buf.take()))
    }
}

impl<B> Unpin for WriteNow<'_, B> {}

impl<B: IoBuf> Future for WriteNow<'_, B> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        ready!(coop::poll_proceed(cx));
        loop {
            if let Err(error) = ready!(this.wait.poll(cx)) {
                return Poll::Ready(this.failed(error));
            }
            let Some(buf) = &this.buf else { polled_again() };
            let rest = &buf.as_init()[this.done..];
            let len = rest.len();
            match this.owned.write_now(rest, this.flags) {
                Ok(Now::Wait) => this.wait.begin(this.owned, libc::POLLOUT),
                Ok(Now::Done(0)) if len > 0 && this.all => {
                    let error = io::Error::new(io::ErrorKind::WriteZero, "no more bytes are taken");
                    return Poll::Ready(this.failed(error));
                }
                Ok(Now::Done(bytes)) => {
                    this.done += bytes;
                    if this.all && bytes < len {
                        continue;
                    }
                    coop::made_progress();
                    let Some(buf) = this.buf.take() else { polled_again() };
                    return Poll::Ready(Ok((this.done, buf)));
                }
                Err(error) => return Poll::Ready(this.failed(error)),
            }
        }
    }
}

impl<B: IoBuf> End for WriteNow<'_, B> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        self.wait.end();
        let error = if self.done > 0 { errors::cut_short(self.done) } else { errors::cancelled() };
        self.buf.is_some().then(|| self.failed(error))
    }
}

/// As [`WriteNow`] of all bytes, without their number.
pub(crate) struct WriteAllNow<'a, B>(pub(crate) WriteNow<'a, B>);

impl<B: IoBuf> Future for WriteAllNow<'_, B> {
    type Output = BufResult<(), B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|wrote| wrote.map(|(_, buf)| ((), buf)))
    }
}

impl<B: IoBuf> End for WriteAllNow<'_, B> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        self.0.ask_to_end().map(|ended| ended.map(|(_, buf)| ((), buf)))
    }
}

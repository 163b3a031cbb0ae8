//! An operation of several requests, one after the other, of which each follows from the result of
//! the one before.
//!
//! Owns: the future, and that it can be asked to end. Does not own: what comes next ([`Sequel`]).
//! Invariant: once it was asked to end, a request that begins all the same puts things in order,
//! and is not asked itself.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::core::end::End;

/// What an operation of several requests knows of itself.
pub(crate) trait Sequel {
    type Request: End + Unpin;
    type Output;

    /// A request has ended. `ending`: somebody wants all of it to end.
    fn next(
        &mut self,
        done: <Self::Request as Future>::Output,
        ending: bool,
    ) -> Next<Self::Request, Self::Output>;
}

/// The future of `S`.
pub(crate) type Running<S> = Sequence<S, <S as Sequel>::Request, <S as Sequel>::Output>;

/// What follows.
pub(crate) enum Next<R, O> {
    Go(R),
    Ready(O),
}

/// The future of a [`Sequel`]; `R` and `O` are its request and its output. (No field's type names a
/// trait of `S`, or a future that holds it for a buffer such as `&'static str` would not count as
/// `Send`.)
pub(crate) struct Sequence<S, R, O> {
    sequel: S,
    stage: Option<Next<R, O>>,
    ending: bool,
}

impl<S: Sequel> Sequence<S, S::Request, S::Output> {
    pub(crate) fn new(sequel: S, first: Next<S::Request, S::Output>) -> Self {
        Self { sequel, stage: Some(first), ending: false }
    }
}

// Requests are `Unpin`, and nothing else is pinned.
impl<S, R, O> Unpin for Sequence<S, R, O> {}

impl<S: Sequel> Future for Sequence<S, S::Request, S::Output> {
    type Output = S::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<S::Output> {
        let this = &mut *self;
        loop {
            match this.stage.take().expect("an operation is not polled after it has completed") {
                Next::Ready(output) => return Poll::Ready(output),
                Next::Go(mut request) => {
                    let Poll::Ready(done) = Pin::new(&mut request).poll(cx) else {
                        this.stage = Some(Next::Go(request));
                        return Poll::Pending;
                    };
                    this.stage = Some(this.sequel.next(done, this.ending));
                }
            }
        }
    }
}

impl<S: Sequel> End for Sequence<S, S::Request, S::Output> {
    fn ask_to_end(&mut self) -> Option<S::Output> {
        let Some(Next::Go(request)) = &mut self.stage else {
            // The next poll gives what was decided before anybody asked.
            return None;
        };
        if std::mem::replace(&mut self.ending, true) {
            return None;
        }
        let done = request.ask_to_end()?;
        match self.sequel.next(done, true) {
            Next::Ready(output) => {
                self.stage = None;
                Some(output)
            }
            last => {
                self.stage = Some(last);
                None
            }
        }
    }
}

/// One of two requests.
pub(crate) enum Either<A, B> {
    Left(A),
    Right(B),
}

impl<A: Future + Unpin, B: Future + Unpin> Future for Either<A, B> {
    type Output = Either<A::Output, B::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Left(left) => Pin::new(left).poll(cx).map(Either::Left),
            Self::Right(right) => Pin::new(right).poll(cx).map(Either::Right),
        }
    }
}

impl<A: End + Unpin, B: End + Unpin> End for Either<A, B> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        match self {
            Self::Left(left) => left.ask_to_end().map(Either::Left),
            Self::Right(right) => right.ask_to_end().map(Either::Right),
        }
    }
}

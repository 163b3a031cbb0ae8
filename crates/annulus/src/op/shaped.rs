//! An operation whose description may be refused before it is made, and whose output is brought
//! into another shape.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::core::end::End;
use crate::core::op::{Op, Operation};

/// `'a` is what the operation's handle borrows, `O` the output of `D`. (No field's type names a
/// trait of `D`, or a future that holds it for a buffer such as `&'static str` would not count as
/// `Send`.)
pub(crate) struct Shaped<'a, D: Operation, O, T> {
    stage: Stage<D, T>,
    shape: fn(O) -> T,
    _handle: PhantomData<&'a ()>,
}

enum Stage<D: Operation, T> {
    Running(Op<D>),
    /// There is nothing to do for the kernel.
    Decided(T),
    Done,
}

impl<D: Operation<Output = O>, O, T> Shaped<'_, D, O, T> {
    pub(crate) fn new(description: Result<D, T>, shape: fn(O) -> T) -> Self {
        let stage = match description {
            Ok(description) => Stage::Running(Op::new(description)),
            Err(output) => Stage::Decided(output),
        };
        Self { stage, shape, _handle: PhantomData }
    }
}

// Nothing in it is pinned structurally.
impl<D: Operation, O, T> Unpin for Shaped<'_, D, O, T> {}

impl<D: Operation<Output = O>, O, T> Future for Shaped<'_, D, O, T> {
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if let Stage::Running(op) = &mut self.stage {
            return Pin::new(op).poll(cx).map(self.shape);
        }
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Decided(output) => Poll::Ready(output),
            _ => panic!("an operation was polled after it had completed"),
        }
    }
}

impl<D: Operation<Output = O>, O, T> End for Shaped<'_, D, O, T> {
    fn ask_to_end(&mut self) -> Option<T> {
        match &mut self.stage {
            Stage::Running(op) => op.ask_to_end().map(self.shape),
            // The next poll gives it: it was decided before anybody asked.
            Stage::Decided(_) | Stage::Done => None,
        }
    }
}

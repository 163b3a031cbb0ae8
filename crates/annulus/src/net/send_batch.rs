//! Many messages at once.
//!
//! Owns: the future of `send_batch`. Does not own: the requests (`core/message_send.rs`). All of
//! them go to the kernel with one submission, and each has a result of its own.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::buf::{BufResult, IoBuf};
use crate::core::end::End;
use crate::core::message_send::SendDatagram;
use crate::core::op::Op;

/// The future of `send_batch`.
pub(super) struct SendBatch<'a, B: IoBuf> {
    sends: Vec<Stage<B>>,
    /// How many have not ended.
    left: usize,
    _socket: PhantomData<&'a ()>,
}

enum Stage<B: IoBuf> {
    Running(Op<SendDatagram<B>>),
    Ended(BufResult<usize, B>),
}

impl<B: IoBuf> Unpin for SendBatch<'_, B> {}

impl<B: IoBuf> SendBatch<'_, B> {
    pub(super) fn new(sends: impl IntoIterator<Item = SendDatagram<B>>) -> Self {
        let begin = |send| Stage::Running(Op::new(send));
        let sends: Vec<_> = sends.into_iter().map(begin).collect();
        Self { left: sends.len(), sends, _socket: PhantomData }
    }

    fn ended(&mut self) -> Vec<BufResult<usize, B>> {
        let ended = std::mem::take(&mut self.sends).into_iter().map(|stage| match stage {
            Stage::Ended(result) => result,
            Stage::Running(_) => unreachable!("none is left"),
        });
        ended.collect()
    }
}

impl<B: IoBuf> Future for SendBatch<'_, B> {
    type Output = Vec<BufResult<usize, B>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        for stage in &mut this.sends {
            if let Stage::Running(op) = stage {
                if let Poll::Ready(result) = Pin::new(op).poll(cx) {
                    *stage = Stage::Ended(result);
                    this.left -= 1;
                }
            }
        }
        if this.left == 0 { Poll::Ready(this.ended()) } else { Poll::Pending }
    }
}

impl<B: IoBuf> End for SendBatch<'_, B> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        for stage in &mut self.sends {
            if let Stage::Running(op) = stage {
                if let Some(result) = op.ask_to_end() {
                    *stage = Stage::Ended(result);
                    self.left -= 1;
                }
            }
        }
        (self.left == 0).then(|| self.ended())
    }
}

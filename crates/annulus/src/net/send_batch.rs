//! Many messages at once.
//!
//! Owns: the future of `send_batch`. Does not own: the call that sends what goes at once
//! (`core/message_batch.rs`), nor the requests of those that have to wait
//! (`core/message_send.rs`). Each message has a result of its own.

use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use annulus_ring::abi::Errno;
use annulus_task::coop;

use crate::buf::{BufResult, IoBuf};
use crate::core::end::End;
use crate::core::key::Handle;
use crate::core::message_batch::{AT_ONCE, Sent};
use crate::core::message_send::SendDatagram;
use crate::core::op::{Op, Operation as _};
use crate::core::with_core;

/// The future of `send_batch`.
pub(super) struct SendBatch<'a, B: IoBuf> {
    sends: Vec<Stage<B>>,
    /// How many have not ended.
    left: usize,
    /// Whether the kernel was asked already.
    begun: bool,
    _socket: PhantomData<&'a ()>,
}

enum Stage<B: IoBuf> {
    Running(Op<SendDatagram<B>>),
    Ended(BufResult<usize, B>),
}

impl<B: IoBuf> Stage<B> {
    /// The message, as long as no request was made of it.
    fn idle(&mut self) -> Option<&mut SendDatagram<B>> {
        match self {
            Self::Running(op) => op.idle(),
            Self::Ended(_) => None,
        }
    }

    /// It has ended without having been a request.
    fn end(&mut self, sent: io::Result<usize>) {
        if let Self::Running(op) = self {
            if let Some(message) = op.take_idle() {
                *self = Self::Ended(message.ended(sent));
            }
        }
    }
}

fn target_of<B: IoBuf>(message: &mut SendDatagram<B>) -> Option<Handle> {
    message.handle()
}

impl<B: IoBuf> Unpin for SendBatch<'_, B> {}

impl<B: IoBuf> SendBatch<'_, B> {
    pub(super) fn new(sends: impl IntoIterator<Item = SendDatagram<B>>) -> Self {
        let begin = |send| Stage::Running(Op::new(send));
        let sends: Vec<_> = sends.into_iter().map(begin).collect();
        Self { left: sends.len(), sends, begun: false, _socket: PhantomData }
    }

    /// Sends what can be sent without waiting. What is left over are requests.
    fn begin(&mut self) {
        self.begun = true;
        let mut from = 0;
        while let Some(handle) = self.sends.get_mut(from).and_then(Stage::idle).and_then(target_of)
        {
            let mut sent: Sent = [0; AT_ONCE];
            let tried = with_core(handle.core, |core| {
                let idle = self.sends[from..].iter_mut().map_while(Stage::idle);
                core.state.borrow_mut().send_at_once(handle.key, idle, &mut sent)
            });
            let ended = match tried {
                Ok(Ok(count)) => count,
                Ok(Err(Errno(libc::EAGAIN))) | Err(_) => return,
                Ok(Err(errno)) => {
                    self.sends[from].end(Err(errno.into()));
                    self.left -= 1;
                    from += 1;
                    continue;
                }
            };
            for (stage, sent) in self.sends[from..].iter_mut().zip(&sent[..ended]) {
                stage.end(Ok(*sent as usize));
            }
            self.left -= ended;
            from += ended;
        }
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
        if !this.begun {
            ready!(coop::poll_proceed(cx));
            coop::made_progress();
            this.begin();
        }
        if this.left == 0 {
            return Poll::Ready(this.ended());
        }
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

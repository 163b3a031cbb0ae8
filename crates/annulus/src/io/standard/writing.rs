//! Writes to a standard stream.
//!
//! Owns: the futures that choose between two ways. Does not own: either way (`core/now` for pipes
//! and sockets, `core/standard` for the rest), nor what a stream is ([`Nature`]). The manual page
//! is write(2).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Nature, tries_again};
use crate::buf::{BufError, BufResult, IoBuf, Slice};
use crate::core::end::End;
use crate::core::errors;
use crate::core::op::Op;
use crate::core::standard::{Queued, Stream, WriteHere};
use crate::pipe::{Sender, Wait, WriteNow};

pub(super) type To<'a> = (&'a Sender, &'a Nature, &'static Stream);

/// The future of a write.
pub(super) struct WriteStandard<'a, B: IoBuf> {
    to: To<'a>,
    queued: Queued,
    wait: Wait,
    all: bool,
    ending: bool,
    done: usize,
    stage: WriteStage<'a, B>,
}

enum WriteStage<'a, B: IoBuf> {
    Trying(WriteNow<'a, B>),
    /// Waits until there is room, if it was refused before, and for its turn.
    Waiting(B),
    Writing(Op<WriteHere<Slice<B>>>),
    Done,
}

impl<'a, B: IoBuf> WriteStandard<'a, B> {
    pub(super) fn new(to: To<'a>, buf: B, all: bool) -> Self {
        let stage = if to.1.tries() {
            WriteStage::Trying(WriteNow::new(&to.0.owned, buf, (to.0.flags, all)))
        } else {
            WriteStage::Waiting(buf)
        };
        let (queued, wait) = (to.2.queue(), Wait::default());
        Self { to, queued, wait, all, ending: false, done: 0, stage }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What is wrong with it, the write says.
        let _ = ready!(self.wait.poll(cx));
        let turn = ready!(self.queued.poll(cx));
        let WriteStage::Waiting(buf) = std::mem::replace(&mut self.stage, WriteStage::Done) else {
            unreachable!("it waits for its turn");
        };
        let handle = self.to.0.owned.handle();
        let buf = buf.slice(self.done..);
        self.stage = WriteStage::Writing(Op::new(WriteHere { handle, buf, turn }));
        Poll::Ready(())
    }

    /// A request has ended. Gives the result, unless there is more to do.
    fn wrote(&mut self, ended: BufResult<usize, Slice<B>>) -> Option<BufResult<usize, B>> {
        let failed = match ended {
            Ok((bytes, rest)) => {
                self.done += bytes;
                let buf = rest.into_inner();
                let left = buf.bytes_len() - self.done;
                if !self.all || left == 0 {
                    return Some(Ok((self.done, buf)));
                }
                if bytes > 0 && !self.ending {
                    self.stage = WriteStage::Waiting(buf);
                    return None;
                }
                if self.ending {
                    return Some(Err(BufError::new(errors::cut_short(self.done), buf)));
                }
                let text = "no more bytes are taken";
                return Some(Err(BufError::new(
                    io::Error::new(io::ErrorKind::WriteZero, text),
                    buf,
                )));
            }
            Err(failed) => failed.map_buf(Slice::into_inner),
        };
        let again = !self.ending && tries_again(&failed);
        match failed.into_parts() {
            (_, Some(buf)) if again => {
                self.wait.begin(&self.to.0.owned, libc::POLLOUT);
                self.stage = WriteStage::Waiting(buf);
                None
            }
            (_, buf) if self.ending && self.done > 0 => {
                Some(Err(BufError::with(errors::cut_short(self.done), buf)))
            }
            (error, buf) => Some(Err(BufError::with(error, buf))),
        }
    }
}

impl<B: IoBuf> Unpin for WriteStandard<'_, B> {}

impl<B: IoBuf> Future for WriteStandard<'_, B> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.stage {
                WriteStage::Trying(write) => {
                    let ended = ready!(Pin::new(write).poll(cx));
                    this.stage = WriteStage::Done;
                    match ended {
                        Err(error) if !this.ending && this.to.1.refused(&error) => {
                            if let (_, Some(buf)) = error.into_parts() {
                                this.stage = WriteStage::Waiting(buf);
                            }
                        }
                        ended => return Poll::Ready(ended),
                    }
                }
                WriteStage::Waiting(_) => ready!(this.poll_turn(cx)),
                WriteStage::Writing(write) => {
                    let ended = ready!(Pin::new(write).poll(cx));
                    this.stage = WriteStage::Done;
                    if let Some(ended) = this.wrote(ended) {
                        return Poll::Ready(ended);
                    }
                }
                WriteStage::Done => panic!("an operation was polled after it had completed"),
            }
        }
    }
}

impl<B: IoBuf> End for WriteStandard<'_, B> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        self.ending = true;
        self.queued.leave();
        self.wait.end();
        let stage = std::mem::replace(&mut self.stage, WriteStage::Done);
        match stage {
            WriteStage::Trying(mut write) => write.ask_to_end(),
            WriteStage::Waiting(buf) if self.done > 0 => {
                Some(Err(BufError::new(errors::cut_short(self.done), buf)))
            }
            WriteStage::Waiting(buf) => Some(Err(BufError::new(errors::cancelled(), buf))),
            WriteStage::Writing(mut write) => match write.ask_to_end() {
                Some(ended) => self.wrote(ended),
                None => {
                    self.stage = WriteStage::Writing(write);
                    None
                }
            },
            WriteStage::Done => None,
        }
    }
}

/// As [`WriteStandard`] of all bytes, without their number.
pub(super) struct WriteAllStandard<'a, B: IoBuf>(pub(super) WriteStandard<'a, B>);

impl<B: IoBuf> Future for WriteAllStandard<'_, B> {
    type Output = BufResult<(), B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|wrote| wrote.map(|(_, buf)| ((), buf)))
    }
}

impl<B: IoBuf> End for WriteAllStandard<'_, B> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        self.0.ask_to_end().map(|ended| ended.map(|(_, buf)| ((), buf)))
    }
}

//! Reads and writes that go on until a whole buffer is moved.
//!
//! Owns: the two futures, each of one request after the other. Invariant: whatever ends them, the
//! buffer comes back as the user gave it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::File;
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, Slice};
use crate::core::end::End;
use crate::core::errors;
use crate::core::file_op::{ReadAt, WriteAt};
use crate::core::key::Handle;
use crate::core::op::Op;

/// How far it has come.
struct Progress {
    handle: Handle,
    offset: u64,
    done: usize,
    /// It was asked to end: no further request begins.
    ending: bool,
}

impl Progress {
    fn new(file: &File, offset: u64) -> Self {
        Self { handle: file.handle(), offset, done: 0, ending: false }
    }

    fn at(&self) -> u64 {
        self.offset.saturating_add(self.done as u64)
    }

    /// The error with the whole buffer; one that was cancelled says how much was done.
    fn failed<B>(&self, failed: BufError<Slice<B>>) -> BufError<B> {
        let cancelled = failed.error().raw_os_error() == Some(libc::ECANCELED);
        let mut failed = failed.map_buf(Slice::into_inner);
        if cancelled && self.done > 0 {
            *failed.error_mut() = errors::cut_short(self.done);
        }
        failed
    }
}

/// The future of [`File::read_exact_at`]: the request in flight, or the buffer that is full
/// already.
pub(super) struct ReadExactAt<B: IoBufMut> {
    progress: Progress,
    stage: Stage<Op<ReadAt<Slice<B>>>, B>,
}

/// The future of [`File::write_all_at`].
pub(super) struct WriteAllAt<B: IoBuf> {
    progress: Progress,
    stage: Stage<Op<WriteAt<Slice<B>>>, B>,
}

enum Stage<O, B> {
    Running(O),
    Whole(B),
    Done,
}

impl<O, B> Stage<O, B> {
    /// The end, at once.
    fn whole(&mut self) -> BufResult<(), B> {
        match std::mem::replace(self, Self::Done) {
            Self::Whole(buf) => Ok(((), buf)),
            _ => panic!("an operation was polled after it had completed"),
        }
    }
}

impl<B: IoBufMut> ReadExactAt<B> {
    pub(super) fn new(file: &File, buf: B, offset: u64) -> Self {
        let progress = Progress::new(file, offset);
        let stage = Self::next(&progress, buf);
        Self { progress, stage }
    }

    fn next(progress: &Progress, buf: B) -> Stage<Op<ReadAt<Slice<B>>>, B> {
        if progress.done >= buf.bytes_capacity() {
            return Stage::Whole(buf);
        }
        let (handle, offset, done) = (progress.handle, progress.at(), progress.done);
        Stage::Running(Op::new(ReadAt { handle, buf: buf.slice_mut(done..), offset }))
    }

    /// The request has read some. Gives the error of a file that ends here.
    fn go_on(&mut self, n: usize, buf: B) -> Result<(), BufError<B>> {
        self.progress.done += n;
        if n == 0 {
            let (done, capacity) = (self.progress.done, buf.bytes_capacity());
            let error = io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the file ended after {done} of {capacity} bytes"),
            );
            return Err(BufError::new(error, buf));
        }
        self.stage = Self::next(&self.progress, buf);
        Ok(())
    }
}

impl<B: IoBuf> WriteAllAt<B> {
    pub(super) fn new(file: &File, buf: B, offset: u64) -> Self {
        let progress = Progress::new(file, offset);
        let stage = Self::next(&progress, buf);
        Self { progress, stage }
    }

    fn next(progress: &Progress, buf: B) -> Stage<Op<WriteAt<Slice<B>>>, B> {
        if progress.done >= buf.bytes_len() {
            return Stage::Whole(buf);
        }
        let (handle, offset, done) = (progress.handle, progress.at(), progress.done);
        Stage::Running(Op::new(WriteAt { handle, buf: buf.slice(done..), offset }))
    }

    /// The request has written some. Gives the error of a file that takes no more.
    fn go_on(&mut self, n: usize, buf: B) -> Result<(), BufError<B>> {
        self.progress.done += n;
        if n == 0 {
            let error = io::Error::new(io::ErrorKind::WriteZero, "the file took no more bytes");
            return Err(BufError::new(error, buf));
        }
        self.stage = Self::next(&self.progress, buf);
        Ok(())
    }
}

/// The same for both directions: awaits one request after the other.
macro_rules! whole {
    ($($future:ident: $buf:ident),*) => {$(
        impl<B: $buf> Unpin for $future<B> {}

        impl<B: $buf> Future for $future<B> {
            type Output = BufResult<(), B>;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let this = &mut *self;
                loop {
                    let Stage::Running(op) = &mut this.stage else {
                        return Poll::Ready(this.stage.whole());
                    };
                    let Poll::Ready(moved) = Pin::new(op).poll(cx) else {
                        return Poll::Pending;
                    };
                    this.stage = Stage::Done;
                    match moved {
                        Err(failed) => return Poll::Ready(Err(this.progress.failed(failed))),
                        Ok((n, slice)) => {
                            if let Err(ended) = this.go_on(n, slice.into_inner()) {
                                return Poll::Ready(Err(ended));
                            }
                            if this.progress.ending {
                                if let Some(ended) = this.ask_to_end() {
                                    return Poll::Ready(ended);
                                }
                            }
                        }
                    }
                }
            }
        }

        impl<B: $buf> End for $future<B> {
            fn ask_to_end(&mut self) -> Option<Self::Output> {
                let Stage::Running(op) = &mut self.stage else {
                    return None;
                };
                self.progress.ending = true;
                let ended = op.ask_to_end()?;
                self.stage = Stage::Done;
                Some(match ended {
                    Err(failed) => Err(self.progress.failed(failed)),
                    Ok((_, slice)) => Ok(((), slice.into_inner())),
                })
            }
        }
    )*};
}

whole!(ReadExactAt: IoBufMut, WriteAllAt: IoBuf);

//! Reads and writes that go on until a whole buffer is moved.
//!
//! Owns: the three futures, each of one request after the other, at an offset or at a cursor.
//! Invariants: whatever ends them, the buffer comes back as the user gave it; a cursor moves when
//! the result is given, and by what was moved, so dropping them leaves it.
//!
//! They are alike but for their buffers, and yet not one type with a trait for these: the compiler
//! cannot see through the types of such a trait that a future which holds one is `Send`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::cursor::{Cursor, Direction};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf, Slice};
use crate::core::cursor_op::{Here, ONWARD, Placed};
use crate::core::end::End;
use crate::core::errors;
use crate::core::file_op::{ReadAt, WriteAt};
use crate::core::key::Handle;
use crate::core::op::Op;
use crate::core::vectored_op::WriteVectoredAt;

/// Where it begins.
pub(super) enum Place<'a> {
    /// At an offset of the user's.
    Offset(u64),
    /// At a cursor, which is there.
    Cursor(&'a mut Cursor, u64),
}

/// How far it has come.
struct Progress<'a> {
    handle: Handle,
    place: Place<'a>,
    direction: Direction,
    done: usize,
    /// It was asked to end: no further request begins.
    ending: bool,
}

impl Progress<'_> {
    /// The next request.
    fn next<D: Placed>(&self, description: D) -> Op<Here<D>> {
        let done = self.done as u64;
        Op::new(match &self.place {
            Place::Offset(offset) => Here::at(description, offset.saturating_add(done)),
            Place::Cursor(_, ONWARD) => Here::at_cursor(description, ONWARD),
            Place::Cursor(_, offset) => Here::at_cursor(description, offset.saturating_add(done)),
        })
    }

    /// The result is given.
    fn finish(&mut self) {
        if let Place::Cursor(cursor, _) = &mut self.place {
            cursor.moved(self.done, self.direction);
        }
    }

    /// The error with the whole buffer; one that was cancelled says how much was done.
    fn failed<L, B>(&self, failed: BufError<L>, given_back: fn(L) -> B) -> BufError<B> {
        let cancelled = failed.error().raw_os_error() == Some(libc::ECANCELED);
        let mut failed = failed.map_buf(given_back);
        if cancelled && self.done > 0 {
            *failed.error_mut() = errors::cut_short(self.done);
        }
        failed
    }
}

/// The future of [`File::read_exact_at`](super::File::read_exact_at), and of the same at a cursor:
/// the request in flight, or the buffer that is full already.
pub(super) struct ReadExactAt<'a, B: IoBufMut> {
    progress: Progress<'a>,
    stage: Stage<Op<Here<ReadAt<Slice<B>>>>, B>,
}

/// The future of [`File::write_all_at`](super::File::write_all_at), and of the same at a cursor.
pub(super) struct WriteAllAt<'a, B: IoBuf> {
    progress: Progress<'a>,
    stage: Stage<Op<Here<WriteAt<Slice<B>>>>, B>,
}

/// The future of [`File::write_all_vectored_at`](super::File::write_all_vectored_at), and of the
/// same at a cursor: each request writes as many of the buffers as the kernel takes at once.
pub(super) struct WriteAllVectoredAt<'a, V: IoVecBuf> {
    progress: Progress<'a>,
    stage: Stage<Op<Here<WriteVectoredAt<V>>>, V>,
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

impl<'a, B: IoBufMut> ReadExactAt<'a, B> {
    pub(super) fn new(handle: Handle, buf: B, place: Place<'a>) -> Self {
        let direction = Direction::Read;
        let progress = Progress { handle, place, direction, done: 0, ending: false };
        let stage = Self::next(&progress, buf.slice_mut(..));
        Self { progress, stage }
    }

    /// Reads into the rest of the buffer.
    fn next(progress: &Progress<'_>, buf: Slice<B>) -> Stage<Op<Here<ReadAt<Slice<B>>>>, B> {
        if buf.bytes_capacity() == 0 {
            return Stage::Whole(buf.into_inner());
        }
        Stage::Running(progress.next(ReadAt { handle: progress.handle, buf, offset: 0 }))
    }

    /// The request has read some. Gives the error of a file that ends here.
    fn go_on(&mut self, n: usize, mut buf: Slice<B>) -> Result<(), BufError<B>> {
        self.progress.done += n;
        buf.advance(n);
        if n == 0 {
            let (done, capacity) = (self.progress.done, buf.end());
            let error = io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the file ended after {done} of {capacity} bytes"),
            );
            return Err(BufError::new(error, buf.into_inner()));
        }
        self.stage = Self::next(&self.progress, buf);
        Ok(())
    }
}

impl<'a, B: IoBuf> WriteAllAt<'a, B> {
    pub(super) fn new(handle: Handle, buf: B, place: Place<'a>) -> Self {
        let direction = Direction::Write;
        let progress = Progress { handle, place, direction, done: 0, ending: false };
        let stage = Self::next(&progress, buf);
        Self { progress, stage }
    }

    fn next(progress: &Progress<'_>, buf: B) -> Stage<Op<Here<WriteAt<Slice<B>>>>, B> {
        if progress.done >= buf.bytes_len() {
            return Stage::Whole(buf);
        }
        let buf = buf.slice(progress.done..);
        Stage::Running(progress.next(WriteAt { handle: progress.handle, buf, offset: 0 }))
    }

    /// The request has written some. Gives the error of a file that takes no more.
    fn go_on(&mut self, n: usize, lent: Slice<B>) -> Result<(), BufError<B>> {
        let buf = lent.into_inner();
        self.progress.done += n;
        if n == 0 {
            return Err(BufError::new(takes_no_more(), buf));
        }
        self.stage = Self::next(&self.progress, buf);
        Ok(())
    }
}

impl<'a, V: IoVecBuf> WriteAllVectoredAt<'a, V> {
    pub(super) fn new(handle: Handle, bufs: V, place: Place<'a>) -> Self {
        let direction = Direction::Write;
        let progress = Progress { handle, place, direction, done: 0, ending: false };
        let stage = Self::next(&progress, bufs);
        Self { progress, stage }
    }

    fn next(progress: &Progress<'_>, bufs: V) -> Stage<Op<Here<WriteVectoredAt<V>>>, V> {
        if progress.done >= bufs.total_len() {
            return Stage::Whole(bufs);
        }
        let rest = WriteVectoredAt::behind(progress.handle, bufs, progress.done);
        Stage::Running(progress.next(rest))
    }

    /// As [`WriteAllAt::go_on`].
    fn go_on(&mut self, n: usize, bufs: V) -> Result<(), BufError<V>> {
        self.progress.done += n;
        if n == 0 {
            return Err(BufError::new(takes_no_more(), bufs));
        }
        self.stage = Self::next(&self.progress, bufs);
        Ok(())
    }
}

fn takes_no_more() -> io::Error {
    io::Error::new(io::ErrorKind::WriteZero, "the file took no more bytes")
}

/// The same for each: awaits one request after the other, which gives the buffer back in its way.
macro_rules! whole {
    ($($future:ident: $buf:ident, $given_back:expr;)*) => {$(
        impl<B: $buf> Unpin for $future<'_, B> {}

        impl<B: $buf> $future<'_, B> {
            fn step(&mut self, cx: &mut Context<'_>) -> Poll<BufResult<(), B>> {
                loop {
                    let Stage::Running(op) = &mut self.stage else {
                        return Poll::Ready(self.stage.whole());
                    };
                    let moved = ready!(Pin::new(op).poll(cx));
                    self.stage = Stage::Done;
                    match moved {
                        Err(failed) => {
                            return Poll::Ready(Err(self.progress.failed(failed, $given_back)));
                        }
                        Ok((n, lent)) => {
                            if let Err(ended) = self.go_on(n, lent) {
                                return Poll::Ready(Err(ended));
                            }
                            if self.progress.ending {
                                if let Some(ended) = self.end() {
                                    return Poll::Ready(ended);
                                }
                            }
                        }
                    }
                }
            }

            /// Asks the request to end, and begins no other.
            fn end(&mut self) -> Option<BufResult<(), B>> {
                let Stage::Running(op) = &mut self.stage else {
                    return None;
                };
                self.progress.ending = true;
                let ended = op.ask_to_end()?;
                self.stage = Stage::Done;
                Some(match ended {
                    Err(failed) => Err(self.progress.failed(failed, $given_back)),
                    Ok((_, lent)) => Ok(((), $given_back(lent))),
                })
            }
        }

        impl<B: $buf> Future for $future<'_, B> {
            type Output = BufResult<(), B>;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let moved = ready!(self.step(cx));
                self.progress.finish();
                Poll::Ready(moved)
            }
        }

        impl<B: $buf> End for $future<'_, B> {
            fn ask_to_end(&mut self) -> Option<Self::Output> {
                let ended = self.end()?;
                self.progress.finish();
                Some(ended)
            }
        }
    )*};
}

whole! {
    ReadExactAt: IoBufMut, Slice::into_inner;
    WriteAllAt: IoBuf, Slice::into_inner;
    WriteAllVectoredAt: IoVecBuf, std::convert::identity;
}

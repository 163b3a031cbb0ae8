//! A block copied by the kernel: a read, and linked behind it a write of the same memory.
//!
//! Owns: what follows from a short read or write. Invariant: every byte that was read is written
//! once, or the error says how many were.

use std::io;

use super::File;
use crate::buf::{BufError, BufResult, IoBufMut};
use crate::core::block_op::{Block, ReadBlock, WriteBlock};
use crate::core::errors;
use crate::core::key::Handle;
use crate::core::op::Op;
use crate::op::{Cancelled, Chain, Either, Next, OpExt, Running, Sequel, Sequence, Steps, chain};

impl File {
    /// Copies a block from this file at `offset` to another one at `to_offset`, through `buf`: as
    /// much as it has room for, in one submission, with the write linked behind the read. Gives the
    /// number of bytes, fewer at the end of this file, 0 behind it; `buf` has them.
    ///
    /// Any number of blocks may be in flight, each with a buffer of its own. A read that gives less
    /// than asked breaks the link, and its bytes are written by a request of their own: so the last
    /// block of a file costs one submission more, unless `buf` is narrowed to what is left
    /// ([`IoBufMut::slice_mut`]).
    ///
    /// Without a need for the bytes in between, [`fs::copy`](super::copy()) is cheaper: the kernel
    /// copies, or shares the blocks.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at) and [`write_at`](Self::write_at). After a failed write a part
    /// of the block may have been written.
    ///
    /// # Cancel safety
    /// Dropping the future leaves any part of the block written. [`cancel`](OpExt::cancel) tells
    /// how much was.
    ///
    /// # Kernel
    /// `READ` with `IOSQE_IO_LINK`, and `WRITE`; those for registered buffers with a
    /// [`DirectBuf`](crate::buf::DirectBuf).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::fs::File;
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("copy");
    ///
    /// let (from, to) = (File::open("/etc/passwd").await?, File::create(&path).await?);
    /// let (mut buf, mut offset) = (Vec::with_capacity(64 * 1024), 0);
    /// loop {
    ///     let n;
    ///     (n, buf) = from.copy_block(offset, &to, offset, buf).await?;
    ///     if n == 0 {
    ///         break;
    ///     }
    ///     offset += n as u64;
    /// }
    /// assert_eq!(std::fs::read(&path)?, std::fs::read("/etc/passwd")?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IOSQE_IO_LINK")]
    pub fn copy_block<'a, B: IoBufMut>(
        &'a self,
        offset: u64,
        to: &'a File,
        to_offset: u64,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'a, B> {
        CopyBlock::begin((self.handle(), offset), (to.handle(), to_offset), buf)
    }
}

type Linked<B> = Chain<<(Op<ReadBlock<B>>, Op<WriteBlock<B>>) as Steps>::Chained>;

/// One block on its way.
struct CopyBlock<B> {
    /// `None` once the buffer was given back.
    block: Option<Block<B>>,
    to: Handle,
    to_offset: u64,
    read: u32,
    written: u32,
}

impl<B: IoBufMut> CopyBlock<B> {
    fn begin(
        (handle, offset): (Handle, u64),
        (to, to_offset): (Handle, u64),
        buf: B,
    ) -> Running<Self> {
        let mut this = Self { block: None, to, to_offset, read: 0, written: 0 };
        let first = match Block::new(buf) {
            Err((error, buf)) => Next::Ready(Err(BufError::new(error, buf))),
            Ok(block) => {
                let read = Op::new(ReadBlock { handle, block: block.clone(), offset });
                let write = this.write(&block, block.len());
                this.block = Some(block);
                Next::Go(Either::Left(chain((read, write))))
            }
        };
        Sequence::new(this, first)
    }

    /// Writes what is left up to here.
    fn write(&self, block: &Block<B>, end: u32) -> Op<WriteBlock<B>> {
        Op::new(WriteBlock {
            handle: self.to,
            block: block.clone(),
            from: self.written,
            to: end,
            offset: self.to_offset.saturating_add(u64::from(self.written)),
        })
    }

    /// The end, with the buffer if no request has it any more.
    fn end(
        &mut self,
        ended: io::Result<usize>,
    ) -> Next<<Self as Sequel>::Request, BufResult<usize, B>> {
        let buf = self.block.take().and_then(|block| block.into_inner(self.read as usize));
        Next::Ready(match (ended, buf) {
            (Ok(n), Some(buf)) => Ok((n, buf)),
            (Ok(_), None) => Err(BufError::without_buf(errors::handle_gone())),
            (Err(error), buf) => Err(BufError::with(error, buf)),
        })
    }

    /// Goes on behind a write, or instead of one that did not begin.
    fn go_on(&mut self, ending: bool) -> Next<<Self as Sequel>::Request, BufResult<usize, B>> {
        if self.written == self.read {
            return self.end(Ok(self.read as usize));
        }
        if ending {
            return self.end(Err(errors::cut_short(self.written as usize)));
        }
        match &self.block {
            Some(block) => Next::Go(Either::Right(self.write(block, self.read))),
            None => self.end(Err(errors::handle_gone())),
        }
    }

    fn wrote(
        &mut self,
        n: usize,
        ending: bool,
    ) -> Next<<Self as Sequel>::Request, BufResult<usize, B>> {
        self.written += n as u32;
        if n == 0 && self.written < self.read {
            let error = io::Error::new(io::ErrorKind::WriteZero, "the file took no more bytes");
            return self.end(Err(error));
        }
        self.go_on(ending)
    }
}

impl<B: IoBufMut> Sequel for CopyBlock<B> {
    type Request = Either<Linked<B>, Op<WriteBlock<B>>>;
    type Output = BufResult<usize, B>;

    fn next(
        &mut self,
        done: Either<(io::Result<usize>, io::Result<usize>), io::Result<usize>>,
        ending: bool,
    ) -> Next<Self::Request, Self::Output> {
        let wrote = match done {
            Either::Right(wrote) => wrote,
            Either::Left((Err(error), wrote)) => return self.end(Err(cause(error, wrote.err()))),
            Either::Left((Ok(n), wrote)) => {
                self.read = n as u32;
                match wrote {
                    // It never began, because the read was short.
                    Err(error) if Cancelled::of(&error).is_some() => return self.go_on(ending),
                    wrote => wrote,
                }
            }
        };
        match wrote {
            Ok(n) => self.wrote(n, ending),
            Err(error) if is_cancelled(&error) => {
                let written = self.written as usize;
                self.end(Err(errors::cut_short(written)))
            }
            Err(error) => self.end(Err(error)),
        }
    }
}

/// Why nothing was read: a chain whose write cannot begin does not begin, and the read is only told
/// that it did not.
fn cause(read: io::Error, wrote: Option<io::Error>) -> io::Error {
    let not_begun = |error: &io::Error| Cancelled::of(error).is_some();
    match wrote {
        Some(wrote) if not_begun(&read) && !not_begun(&wrote) => wrote,
        _ => read,
    }
}

fn is_cancelled(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ECANCELED)
}

//! Writes that go on until all is written, and then until it is on the device.
//!
//! Owns: the future, whose requests are a write with a flush linked behind it. Invariants: the
//! flush begins only behind a write that left nothing over, so its success says that all of the
//! buffer is on the device; a flush that has failed is never asked for again; the buffer comes
//! back.

use std::io;

use annulus_ring::abi::FsyncFlags;

use super::{File, RwOptions};
use crate::buf::{BufError, BufResult, IoBuf, Slice};
use crate::core::direct_op::{Limits, With};
use crate::core::errors;
use crate::core::file_op::{Sync, WriteAt};
use crate::core::key::Handle;
use crate::core::op::Op;
use crate::op::{Cancelled, Chain, Either, Next, OpExt, Running, Sequel, Sequence, Steps, chain};

/// What is flushed behind a write.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Synced {
    /// Data, and the metadata that reading it back needs: fdatasync(2).
    Data,
    /// All metadata, too: fsync(2).
    All,
}

impl Synced {
    fn flags(self) -> FsyncFlags {
        match self {
            Self::Data => FsyncFlags::DATASYNC,
            Self::All => FsyncFlags::EMPTY,
        }
    }
}

impl File {
    /// Writes all bytes of `buf` at `offset`, and flushes them to the device: in one submission,
    /// with the flush linked behind the write. If the kernel writes a part only, the link breaks,
    /// and the rest goes the same way.
    ///
    /// Success means that the device has told it has them. For one small write
    /// [`RwOptions::dsync`] does the same with one request, and may be cheaper; a flush serves all
    /// writes before it.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at), and those of fsync(2). **After a failed flush the pages
    /// count as clean**: the kernel has reported the error, the data may be nowhere, and another
    /// flush would succeed without having written anything. Do not try again: what was written
    /// since the last flush that succeeded has to be written anew, or taken as lost.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the bytes written in part, or written and not flushed, or both
    /// done. [`cancel`](OpExt::cancel) waits, and tells how many bytes were written; they may not
    /// be on the device.
    ///
    /// # Kernel
    /// `WRITE` with `IOSQE_IO_LINK`, and `FSYNC`; as often as it takes.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::fs::{File, Synced};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("journal");
    ///
    /// let journal = File::create(&path).await?;
    /// journal.write_synced_at("begin\n", 0, Synced::All).await?;
    /// journal.write_synced_at("commit\n", 6, Synced::Data).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IOSQE_IO_LINK")]
    pub fn write_synced_at<B: IoBuf>(
        &self,
        buf: B,
        offset: u64,
        what: Synced,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        WriteSynced::new(self, Limits::NONE, buf, (offset, Some(what)))
    }
}

type Write<B> = Op<With<WriteAt<Slice<B>>>>;
type Both<B> = Chain<<(Write<B>, Op<Sync>) as Steps>::Chained>;

/// Writes until all is written.
pub(crate) struct WriteSynced<B> {
    handle: Handle,
    how: RwOptions,
    limits: Limits,
    offset: u64,
    synced: Option<Synced>,
    len: usize,
    done: usize,
    buf: std::marker::PhantomData<fn(B)>,
}

impl<B: IoBuf> WriteSynced<B> {
    pub(super) fn new(
        file: &File,
        limits: Limits,
        buf: B,
        (offset, synced): (u64, Option<Synced>),
    ) -> Running<Self> {
        Self::begin(file, (RwOptions::new(), limits), buf, (offset, synced))
    }

    pub(super) fn with_options(file: &File, how: RwOptions, buf: B, offset: u64) -> Running<Self> {
        Self::begin(file, (how, Limits::NONE), buf, (offset, None))
    }

    fn begin(
        file: &File,
        (how, limits): (RwOptions, Limits),
        buf: B,
        (offset, synced): (u64, Option<Synced>),
    ) -> Running<Self> {
        let (handle, len) = (file.handle(), buf.bytes_len());
        let buf_type = std::marker::PhantomData;
        let this = Self { handle, how, limits, offset, synced, len, done: 0, buf: buf_type };
        let first = match (len, synced) {
            (0, None) => Next::Ready(Ok(((), buf))),
            _ => this.go(buf),
        };
        Sequence::new(this, first)
    }

    /// The request for the rest.
    fn go(&self, buf: B) -> Next<<Self as Sequel>::Request, BufResult<(), B>> {
        let transfer = WriteAt {
            handle: self.handle,
            buf: buf.slice(self.done..),
            offset: self.offset.saturating_add(self.done as u64),
        };
        let write = Op::new(With { transfer, how: self.how, limits: self.limits });
        Next::Go(match self.synced {
            None => Either::Left(write),
            Some(what) => {
                let sync = Op::new(Sync { handle: self.handle, flags: what.flags() });
                Either::Right(chain((write, sync)))
            }
        })
    }

    /// The whole buffer, and how much of it was written if it was asked to end.
    fn failed(
        &self,
        error: io::Error,
        buf: B,
    ) -> Next<<Self as Sequel>::Request, BufResult<(), B>> {
        let is_cancelled =
            Cancelled::of(&error).is_some() || error.raw_os_error() == Some(libc::ECANCELED);
        let error = match self.done {
            done if done > 0 && is_cancelled => errors::cut_short(done),
            _ => error,
        };
        Next::Ready(Err(BufError::new(error, buf)))
    }
}

impl<B: IoBuf> Sequel for WriteSynced<B> {
    type Request = Either<Write<B>, Both<B>>;
    type Output = BufResult<(), B>;

    fn next(
        &mut self,
        done: Either<BufResult<usize, Slice<B>>, (BufResult<usize, Slice<B>>, io::Result<()>)>,
        ending: bool,
    ) -> Next<Self::Request, Self::Output> {
        let (wrote, synced) = match done {
            Either::Left(wrote) => (wrote, None),
            Either::Right((wrote, synced)) => (wrote, Some(synced)),
        };
        let (n, buf) = match wrote {
            Ok((n, slice)) => (n, slice.into_inner()),
            Err(failed) => {
                let (error, slice) = failed.into_parts();
                return match slice {
                    Some(slice) => self.failed(error, slice.into_inner()),
                    None => Next::Ready(Err(BufError::without_buf(error))),
                };
            }
        };
        self.done += n;
        if self.done >= self.len {
            return match synced {
                None | Some(Ok(())) => Next::Ready(Ok(((), buf))),
                Some(Err(error)) => self.failed(error, buf),
            };
        }
        if n == 0 {
            let error = io::Error::new(io::ErrorKind::WriteZero, "the file took no more bytes");
            return self.failed(error, buf);
        }
        if ending {
            return self.failed(errors::cancelled(), buf);
        }
        self.go(buf)
    }
}

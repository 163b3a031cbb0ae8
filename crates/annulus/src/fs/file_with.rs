//! A file whose reads and writes have options.

use super::synced::WriteSynced;
use super::{File, RwOptions};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use crate::core::direct_op::{Limits, With};
use crate::core::errors;
use crate::core::file_op::{ReadAt, WriteAt};
use crate::core::op::Op;
use crate::core::vectored_op::{ReadVectoredAt, WriteVectoredAt};
use crate::op::{Linkable, OpExt, Shaped};

impl File {
    /// Reads and writes with these options: flags of preadv2(2) and pwritev2(2), and a priority.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    /// use annulus::fs::{File, RwOptions};
    ///
    /// let file = File::open("/etc/passwd").await?;
    /// let cached = file.with(RwOptions::new().nowait());
    /// match cached.read_at(Vec::with_capacity(100), 0).await {
    ///     Ok((n, _)) => println!("{n} bytes were in the page cache"),
    ///     Err(error) if error.kind() == ErrorKind::WouldBlock => println!("they were not"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "preadv2")]
    #[doc(alias = "pwritev2")]
    pub fn with(&self, options: RwOptions) -> FileWith<'_> {
        FileWith { file: self, options }
    }
}

/// A file whose reads and writes have options: [`File::with`].
///
/// Each method is that of [`File`] with the same name, and fails besides as the options do:
/// `InvalidInput` for an option of writes on a read, `Unsupported` (`EOPNOTSUPP`) for one that the
/// file system does not know, `WouldBlock` with [`RwOptions::nowait`].
#[derive(Clone, Copy, Debug)]
pub struct FileWith<'a> {
    file: &'a File,
    options: RwOptions,
}

impl<'a> FileWith<'a> {
    fn with<D>(self, transfer: D) -> With<D> {
        With { transfer, how: self.options, limits: Limits::NONE }
    }

    /// As [`File::read_at`].
    ///
    /// # Errors
    /// As there, and those of the options.
    pub fn read_at<B: IoBufMut>(
        self,
        buf: B,
        offset: u64,
    ) -> impl Linkable<Output = BufResult<usize, B>> + use<'a, B> {
        Op::new(self.with(ReadAt { handle: self.file.handle(), buf, offset }))
    }

    /// As [`File::write_at`].
    ///
    /// # Errors
    /// As there, and those of the options.
    pub fn write_at<B: IoBuf>(
        self,
        buf: B,
        offset: u64,
    ) -> impl Linkable<Output = BufResult<usize, B>> + use<'a, B> {
        Op::new(self.with(WriteAt { handle: self.file.handle(), buf, offset }))
    }

    /// As [`File::write_all_at`]. A write that the kernel does in parts has the options in each of
    /// them.
    ///
    /// # Errors
    /// As there, and those of the options.
    pub fn write_all_at<B: IoBuf>(
        self,
        buf: B,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'a, B> {
        WriteSynced::with_options(self.file, self.options, buf, offset)
    }

    /// As [`File::read_vectored_at`].
    ///
    /// # Errors
    /// As there, and those of the options.
    pub fn read_vectored_at<V: IoVecBufMut>(
        self,
        mut bufs: V,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'a, V> {
        let description = match bufs.total_capacity() {
            0 => Err(Err(BufError::new(errors::no_capacity(), bufs))),
            _ => Ok(self.with(ReadVectoredAt::new(self.file.handle(), bufs, offset))),
        };
        Shaped::new(description, |read| read)
    }

    /// As [`File::write_vectored_at`].
    ///
    /// # Errors
    /// As there, and those of the options.
    pub fn write_vectored_at<V: IoVecBuf>(
        self,
        bufs: V,
        offset: u64,
    ) -> impl Linkable<Output = BufResult<usize, V>> + use<'a, V> {
        Op::new(self.with(WriteVectoredAt::new(self.file.handle(), bufs, offset)))
    }
}

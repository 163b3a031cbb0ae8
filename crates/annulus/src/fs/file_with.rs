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

    /// Reads at `offset` into `buf`, from its start up to its capacity. Gives the number of bytes,
    /// 0 at the end of the file.
    ///
    /// # Errors
    /// As [`File::read_at`], and those of the options.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffer as soon as the kernel has let go of it. Nothing else is
    /// changed.
    ///
    /// # Kernel
    /// `READ`, 5.6, with the flags and the priority of the options; asynchronous or punted, by file
    /// system.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// # file.write_all_at("hello world", 0).await?;
    /// use annulus::fs::RwOptions;
    ///
    /// let file = file.with(RwOptions::new().nowait());
    /// let (n, buf) = file.read_at(Vec::with_capacity(5), 6).await?;
    /// assert_eq!(&buf[..n], b"world");
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_at<B: IoBufMut>(
        self,
        buf: B,
        offset: u64,
    ) -> impl Linkable<Output = BufResult<usize, B>> + use<'a, B> {
        Op::new(self.with(ReadAt { handle: self.file.handle(), buf, offset }))
    }

    /// Writes the bytes of `buf` at `offset`. Gives the number of bytes written, which may be
    /// fewer.
    ///
    /// # Errors
    /// As [`File::write_at`], and those of the options.
    ///
    /// # Cancel safety
    /// Dropping the future may or may not undo the write: any part of it may happen.
    ///
    /// # Kernel
    /// `WRITE`, 5.6, with the flags and the priority of the options; buffered writes are inline or
    /// punted, by file system.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::RwOptions;
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// let (n, _) = file.with(RwOptions::new().dsync()).write_at("hello", 0).await?; // it lasts
    /// assert_eq!(n, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_at<B: IoBuf>(
        self,
        buf: B,
        offset: u64,
    ) -> impl Linkable<Output = BufResult<usize, B>> + use<'a, B> {
        Op::new(self.with(WriteAt { handle: self.file.handle(), buf, offset }))
    }

    /// Writes all bytes of `buf` at `offset`. A write that the kernel does in parts has the options
    /// in each of them.
    ///
    /// # Errors
    /// As [`File::write_all_at`], and those of the options.
    ///
    /// # Cancel safety
    /// As [`write_at`](Self::write_at). [`cancel`](OpExt::cancel) tells how many bytes were
    /// written.
    ///
    /// # Kernel
    /// As [`write_at`](Self::write_at), as often as it takes.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::RwOptions;
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.with(RwOptions::new().dsync()).write_all_at("hello", 0).await?; // it lasts
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all_at<B: IoBuf>(
        self,
        buf: B,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'a, B> {
        WriteSynced::with_options(self.file, self.options, buf, offset)
    }

    /// Reads at `offset` into several buffers, each to its capacity before the next. Gives the
    /// number of bytes, 0 at the end of the file.
    ///
    /// # Errors
    /// As [`File::read_vectored_at`], and those of the options.
    ///
    /// # Cancel safety
    /// As [`read_at`](Self::read_at), of all buffers.
    ///
    /// # Kernel
    /// `READV`, 5.1, with the flags and the priority of the options; as `READ`.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// # file.write_all_at("hello world", 0).await?;
    /// use annulus::fs::RwOptions;
    ///
    /// let bufs = (Vec::with_capacity(5), Vec::with_capacity(6));
    /// let (n, _bufs) = file.with(RwOptions::new()).read_vectored_at(bufs, 0).await?;
    /// assert_eq!(n, 11);
    /// # Ok(())
    /// # }
    /// ```
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

    /// Writes the bytes of several buffers, one after the other, at `offset`. Gives the number of
    /// bytes written, which may be fewer.
    ///
    /// # Errors
    /// As [`File::write_vectored_at`], and those of the options.
    ///
    /// # Cancel safety
    /// As [`write_at`](Self::write_at).
    ///
    /// # Kernel
    /// `WRITEV`, 5.1, with the flags and the priority of the options; as `WRITE`.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::RwOptions;
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// let bufs = ("level=", vec![b'3']);
    /// let (n, _) = file.with(RwOptions::new().dsync()).write_vectored_at(bufs, 0).await?;
    /// assert_eq!(n, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_vectored_at<V: IoVecBuf>(
        self,
        bufs: V,
        offset: u64,
    ) -> impl Linkable<Output = BufResult<usize, V>> + use<'a, V> {
        Op::new(self.with(WriteVectoredAt::new(self.file.handle(), bufs, offset)))
    }
}

//! An open file.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::Path;

use annulus_ring::Kernel as _;
use annulus_ring::abi::FsyncFlags;

use super::{Metadata, OpenOptions};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use crate::core::file_op::{CloseFd, ReadAt, Sync, WriteAt};
use crate::core::op::Op;
use crate::core::record::Kind;
use crate::core::vectored_op::{ReadVectoredAt, WriteVectoredAt};
use crate::core::{Owned, adopted_fd, errors};

/// An open file, read and written at offsets.
///
/// All methods take `&self`: any number of reads and writes may be in flight at once. The handle is
/// `Send + Sync`, but its operations run on the core that opened it.
///
/// Dropping it closes the file when its last operation has ended; [`close`](Self::close) waits for
/// that and reports errors.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::fs::File;
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("greeting");
///
/// let file = File::create(&path).await?;
/// let (n, _) = file.write_at("hello", 0).await?;
/// assert_eq!(n, 5);
/// file.sync_all().await?;
///
/// let file = File::open(&path).await?;
/// let (n, buf) = file.read_at(Vec::with_capacity(64), 1).await?;
/// assert_eq!((n, &buf[..]), (4, &b"ello"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct File {
    owned: Owned,
}

impl File {
    pub(super) fn from_owned(owned: Owned) -> Self {
        Self { owned }
    }

    pub(super) fn owned(&self) -> &Owned {
        &self.owned
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// Those of open(2): `NotFound`, `PermissionDenied`, ….
    ///
    /// # Kernel
    /// `OPENAT`, 5.6; inline if the path is cached, else punted.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).open(path).await
    }

    /// Opens a file for writing; makes it if it is missing, empties it if not.
    ///
    /// # Errors
    /// Those of open(2).
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path).await
    }

    /// Reads at `offset` into `buf`, from its start up to its capacity. Gives the number of bytes,
    /// 0 at the end of the file.
    ///
    /// # Errors
    /// Those of pread(2), with the buffer; `InvalidInput` for a buffer without capacity and for
    /// offsets from 2^63; `IsADirectory`.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffer as soon as the kernel has let go of it. Nothing else is
    /// changed.
    ///
    /// # Kernel
    /// `READ`, 5.6; inline from the page cache, else asynchronous or punted, by file system.
    pub fn read_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>> + use<'_, B> {
        Op::new(ReadAt { handle: self.owned.handle(), buf, offset })
    }

    /// Reads exactly as much as `buf` has room for.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at); `UnexpectedEof` if the file ends before.
    pub async fn read_exact_at<B: IoBufMut>(&self, buf: B, offset: u64) -> BufResult<(), B> {
        let capacity = buf.bytes_capacity();
        let (mut buf, mut filled) = (buf, 0);
        while filled < capacity {
            let read = self.read_at(buf.slice_mut(filled..), offset + filled as u64).await;
            let (n, slice) = read.map_err(|error| error.map_buf(|slice| slice.into_inner()))?;
            buf = slice.into_inner();
            filled += n;
            if n == 0 {
                let error = io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("the file ended after {filled} of {capacity} bytes"),
                );
                return Err(BufError::new(error, buf));
            }
        }
        Ok(((), buf))
    }

    /// Writes the bytes of `buf` at `offset`. Gives the number of bytes written, which may be
    /// fewer.
    ///
    /// # Errors
    /// Those of pwrite(2), with the buffer: `StorageFull`, ….
    ///
    /// # Cancel safety
    /// Dropping the future may or may not undo the write: any part of it may happen.
    ///
    /// # Kernel
    /// `WRITE`, 5.6; buffered writes are inline or punted, by file system.
    pub fn write_at<B: IoBuf>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>> + use<'_, B> {
        Op::new(WriteAt { handle: self.owned.handle(), buf, offset })
    }

    /// Writes all bytes of `buf` at `offset`.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at); a part may have been written.
    pub async fn write_all_at<B: IoBuf>(&self, buf: B, offset: u64) -> BufResult<(), B> {
        let (mut buf, mut written) = (buf, 0);
        while written < buf.bytes_len() {
            let wrote = self.write_at(buf.slice(written..), offset + written as u64).await;
            let (n, slice) = wrote.map_err(|error| error.map_buf(|slice| slice.into_inner()))?;
            buf = slice.into_inner();
            if n == 0 {
                let error = io::Error::new(io::ErrorKind::WriteZero, "the file took no more bytes");
                return Err(BufError::new(error, buf));
            }
            written += n;
        }
        Ok(((), buf))
    }

    /// Reads at `offset` into several buffers, each to its capacity before the next. Gives the
    /// number of bytes, 0 at the end of the file.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at); `InvalidInput` for buffers without any capacity, or more than
    /// 1024.
    ///
    /// # Cancel safety
    /// As [`read_at`](Self::read_at).
    ///
    /// # Kernel
    /// `READV`, 5.1; as `READ`.
    pub async fn read_vectored_at<V: IoVecBufMut>(
        &self,
        mut bufs: V,
        offset: u64,
    ) -> BufResult<usize, V> {
        if bufs.total_capacity() == 0 {
            return Err(BufError::new(errors::no_capacity(), bufs));
        }
        Op::new(ReadVectoredAt::new(self.owned.handle(), bufs, offset)).await
    }

    /// Writes the bytes of several buffers, one after the other, at `offset`. Gives the number of
    /// bytes written, which may be fewer.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at); `InvalidInput` for more than 1024 buffers.
    ///
    /// # Cancel safety
    /// As [`write_at`](Self::write_at).
    ///
    /// # Kernel
    /// `WRITEV`, 5.1; as `WRITE`.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// let log = annulus::fs::File::create(dir.path().join("log")).await?;
    /// let (n, _) = log.write_vectored_at(("level=", vec![b'3'], "\n"), 0).await?;
    /// assert_eq!(n, 8);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_vectored_at<V: IoVecBuf>(
        &self,
        bufs: V,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, V>> + use<'_, V> {
        Op::new(WriteVectoredAt::new(self.owned.handle(), bufs, offset))
    }

    /// Flushes data and metadata to the device.
    ///
    /// After an error the pages count as clean: a second call that succeeds proves nothing about
    /// the first one's data.
    ///
    /// # Errors
    /// Those of fsync(2).
    ///
    /// # Kernel
    /// `FSYNC`, 5.1; always punted.
    pub async fn sync_all(&self) -> io::Result<()> {
        Op::new(Sync { handle: self.owned.handle(), flags: FsyncFlags::EMPTY }).await
    }

    /// Flushes data, and the metadata that reading it back needs.
    ///
    /// # Errors
    /// Those of fdatasync(2).
    ///
    /// # Kernel
    /// `FSYNC` with `IORING_FSYNC_DATASYNC`, 5.1; always punted.
    pub async fn sync_data(&self) -> io::Result<()> {
        Op::new(Sync { handle: self.owned.handle(), flags: FsyncFlags::DATASYNC }).await
    }

    /// Size, times, kind and permissions.
    ///
    /// # Errors
    /// Those of statx(2); use on a foreign core.
    ///
    /// # Kernel
    /// A system call: on an open file it does not block, and costs a thirtieth of `STATX`.
    pub fn metadata(&self) -> io::Result<Metadata> {
        let fd = self.owned.raw_fd();
        let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
        let stat = self.owned.with(|state, _| state.ring.kernel().statx(fd, mask))??;
        Ok(Metadata::from_statx(stat))
    }

    /// The file's size in bytes.
    ///
    /// # Errors
    /// As [`metadata`](Self::metadata).
    #[allow(clippy::len_without_is_empty, reason = "a file is no collection; std has none either")]
    pub fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    /// Closes the file and reports what the close reports.
    ///
    /// # Errors
    /// Those of close(2); `ResourceBusy` if operations are still in flight (the file is closed when
    /// they end).
    ///
    /// # Kernel
    /// `CLOSE`, 5.6.
    pub async fn close(self) -> io::Result<()> {
        let fd = self.take_fd()?;
        Op::new(CloseFd(fd)).await
    }

    fn take_fd(self) -> io::Result<RawFd> {
        let busy = || {
            io::Error::new(
                io::ErrorKind::ResourceBusy,
                "operations on this file are still in flight: it is closed when they end",
            )
        };
        let detached = self.owned.with(|state, key| match state.records.get(key) {
            None => Err(errors::handle_gone()),
            Some(record) if record.in_flight > 0 => Err(busy()),
            Some(_) => state.detach(key).ok_or_else(errors::handle_gone),
        })?;
        let fd = detached?;
        self.owned.forget();
        Ok(fd)
    }

    /// The file as `std` has it.
    ///
    /// # Errors
    /// As [`close`](Self::close): no operation may be in flight.
    pub fn into_std(self) -> io::Result<std::fs::File> {
        let fd = self.take_fd()?;
        Ok(std::fs::File::from(adopted_fd(fd)))
    }

    /// Takes over a file of `std`.
    ///
    /// # Errors
    /// If no runtime runs on this thread.
    pub fn from_std(file: std::fs::File) -> io::Result<Self> {
        let owned = Owned::adopt_fd(file.into(), Kind::Plain)?;
        Ok(Self { owned })
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.owned.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.owned.raw_fd()
    }
}

//! An open file.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::Path;

use annulus_ring::Kernel as _;
use annulus_ring::abi::FsyncFlags;

use super::whole::{ReadExactAt, WriteAllAt};
use super::{Metadata, OpenOptions};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use crate::core::file_op::{CloseFd, ReadAt, Sync, WriteAt};
use crate::core::key::Handle;
use crate::core::op::Op;
use crate::core::record::Kind;
use crate::core::vectored_op::{ReadVectoredAt, WriteVectoredAt};
use crate::core::{Owned, adopted_fd, errors};
use crate::op::{Linkable, OpExt, Shaped};

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

    pub(crate) fn handle(&self) -> Handle {
        self.owned.handle()
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
    ///
    /// # Cancel safety
    /// A descriptor that arrives after the future was dropped is closed.
    pub fn open<P: AsRef<Path>>(path: P) -> impl OpExt<Output = io::Result<Self>> + use<P> {
        OpenOptions::new().read(true).open_now(path.as_ref())
    }

    /// Opens a file for writing; makes it if it is missing, empties it if not.
    ///
    /// # Errors
    /// Those of open(2).
    ///
    /// # Cancel safety
    /// As [`open`](Self::open): the file may be there although the future was dropped.
    pub fn create<P: AsRef<Path>>(path: P) -> impl OpExt<Output = io::Result<Self>> + use<P> {
        OpenOptions::new().write(true).create(true).truncate(true).open_now(path.as_ref())
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
    ) -> impl Linkable<Output = BufResult<usize, B>> + use<'_, B> {
        Op::new(ReadAt { handle: self.owned.handle(), buf, offset })
    }

    /// Reads exactly as much as `buf` has room for.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at); `UnexpectedEof` if the file ends before.
    ///
    /// # Cancel safety
    /// As [`read_at`](Self::read_at).
    ///
    /// # Kernel
    /// As [`read_at`](Self::read_at), as often as it takes.
    pub fn read_exact_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        ReadExactAt::new(self, buf, offset)
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
    ) -> impl Linkable<Output = BufResult<usize, B>> + use<'_, B> {
        Op::new(WriteAt { handle: self.owned.handle(), buf, offset })
    }

    /// Writes all bytes of `buf` at `offset`.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at); a part may have been written.
    ///
    /// # Cancel safety
    /// As [`write_at`](Self::write_at). [`cancel`](OpExt::cancel) tells how many bytes were
    /// written.
    ///
    /// # Kernel
    /// As [`write_at`](Self::write_at), as often as it takes.
    pub fn write_all_at<B: IoBuf>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        WriteAllAt::new(self, buf, offset)
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
    pub fn read_vectored_at<V: IoVecBufMut>(
        &self,
        mut bufs: V,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'_, V> {
        let description = match bufs.total_capacity() {
            0 => Err(Err(BufError::new(errors::no_capacity(), bufs))),
            _ => Ok(ReadVectoredAt::new(self.owned.handle(), bufs, offset)),
        };
        Shaped::new(description, |read| read)
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
    ) -> impl Linkable<Output = BufResult<usize, V>> + use<'_, V> {
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
    pub fn sync_all(&self) -> impl Linkable<Output = io::Result<()>> + use<'_> {
        Op::new(Sync { handle: self.owned.handle(), flags: FsyncFlags::EMPTY })
    }

    /// Flushes data, and the metadata that reading it back needs.
    ///
    /// # Errors
    /// Those of fdatasync(2).
    ///
    /// # Kernel
    /// `FSYNC` with `IORING_FSYNC_DATASYNC`, 5.1; always punted.
    pub fn sync_data(&self) -> impl Linkable<Output = io::Result<()>> + use<'_> {
        Op::new(Sync { handle: self.owned.handle(), flags: FsyncFlags::DATASYNC })
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
    /// # Cancel safety
    /// Dropping the future lets the close go on, and nobody hears of its result. Nothing ends a
    /// close early, because nobody would know then whether the descriptor is closed: so it has no
    /// `cancel`, and to bound the wait is to drop it ([`time::timeout`](crate::time::timeout)).
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

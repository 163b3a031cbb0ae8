//! An open file.
//!
//! Owns: the handle, opening and closing, reads and writes at offsets. What else can be done with a
//! file is in the modules below.

mod at_cursor;
mod attributes;
mod locks;
mod now;
mod space;
mod xattrs;

pub use locks::TryLockError;
pub use space::{Advice, WriteBack};
pub use xattrs::SetXattr;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use annulus_ring::Kernel as _;
use annulus_ring::abi::FsyncFlags;

use super::cursor::Cursor;
use super::metadata::MASK;
use super::whole::{Place, ReadExactAt, WriteAllAt, WriteAllVectoredAt};
use super::{Metadata, OpenOptions};
use crate::buf::{BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use crate::core::file_op::{CloseFd, ReadAt, Sync, WriteAt};
use crate::core::key::Handle;
use crate::core::op::Op;
use crate::core::record::Kind;
use crate::core::vectored_op::{ReadVectoredAt, WriteVectoredAt};
use crate::core::{Owned, adopted_fd, errors};
use crate::op::{Linkable, OpExt};
use crate::task::{JoinError, spawn_blocking};

/// An open file, read and written at offsets or at its position.
///
/// Methods that take an offset take `&self`: any number of such reads and writes may be in flight
/// at once. The handle is `Send + Sync`, but its operations run on the core that opened it.
///
/// # The position
/// [`read`](Self::read), [`write`](Self::write) and what else takes no offset go where the handle's
/// position is, and take `&mut self`: there is one of them at a time. The position is part of the
/// handle: it moves when a result is given, so **a read or write whose future is dropped leaves it
/// where it was**, and the next one begins there again. Two consequences:
///
/// - a [clone](Self::try_clone) has a position of its own, while those of `std` share one;
/// - the kernel's position is not that of the handle. [`into_std`](Self::into_std) sets it; whoever
///   uses the descriptor beside the handle seeks first.
///
/// A file that was opened to [append](OpenOptions::append) is written at its end, wherever the
/// position is, and the position is the end then. Pipes, terminals and other streams have no
/// position: each request gets or adds what comes next, and a future that is dropped may take bytes
/// along ([`cancel`](OpExt::cancel) loses none).
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
    cursor: Cursor,
}

impl File {
    pub(super) fn from_owned(owned: Owned) -> Self {
        Self { owned, cursor: Cursor::default() }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.owned.handle()
    }

    pub(crate) fn owned(&self) -> &Owned {
        &self.owned
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// Those of open(2): `NotFound`, `PermissionDenied`, ….
    ///
    /// # Kernel
    /// `OPENAT`, 5.6; inline if the path is cached, else punted. What is inline does not wait: a
    /// named pipe whose path is cached is open for reading at once, though nobody writes to it yet,
    /// and is ENXIO for writing if nobody reads. ([`create`](Self::create) is always punted, and
    /// waits.)
    ///
    /// # Cancel safety
    /// A descriptor that arrives after the future was dropped is closed.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let file = annulus::fs::File::open("/etc/hostname").await?;
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// # Kernel
    /// `OPENAT` with `O_CREAT | O_TRUNC`, 5.6; always punted.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// let file = annulus::fs::File::create(dir.path().join("log")).await?;
    /// assert_eq!(file.len()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create<P: AsRef<Path>>(path: P) -> impl OpExt<Output = io::Result<Self>> + use<P> {
        OpenOptions::new().write(true).create(true).truncate(true).open_now(path.as_ref())
    }

    /// Makes a file and opens it for reading and writing.
    ///
    /// # Errors
    /// Those of open(2): `AlreadyExists`.
    ///
    /// # Cancel safety
    /// As [`create`](Self::create).
    ///
    /// # Kernel
    /// `OPENAT` with `O_CREAT | O_EXCL`, 5.6; always punted.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::File;
    ///
    /// let path = dir.path().join("lock");
    /// let file = File::create_new(&path).await?;
    /// assert!(File::create_new(&path).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_new<P: AsRef<Path>>(path: P) -> impl OpExt<Output = io::Result<Self>> + use<P> {
        OpenOptions::new().read(true).write(true).create_new(true).open_now(path.as_ref())
    }

    /// How to open a file otherwise: [`OpenOptions::new`].
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
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
    /// What is in the page cache comes by a call that does not wait
    /// ([`reads_cached`](crate::runtime::Builder::reads_cached)), and the future is ready when it
    /// is first polled; the rest by `READ`, 5.6, asynchronous or punted, by file system.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// # file.write_all_at("hello world", 0).await?;
    /// let (n, buf) = file.read_at(Vec::with_capacity(5), 6).await?;
    /// assert_eq!(&buf[..n], b"world");
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// # file.write_all_at("hello world", 0).await?;
    /// let ((), word) = file.read_exact_at(vec![0; 5], 6).await?;
    /// assert_eq!(word, b"world");
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_exact_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        ReadExactAt::new(self.handle(), buf, Place::Offset(offset))
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
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// let (n, _) = file.write_at("hello", 0).await?;
    /// assert!(n <= 5);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.write_all_at("hello", 0).await?;
    /// assert_eq!(file.len()?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all_at<B: IoBuf>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        WriteAllAt::new(self.handle(), buf, Place::Offset(offset))
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
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// # file.write_all_at("hello world", 0).await?;
    /// let bufs = (Vec::with_capacity(6), Vec::with_capacity(5));
    /// let (_, (hello, world)) = file.read_vectored_at(bufs, 0).await?;
    /// assert_eq!((&hello[..], &world[..]), (&b"hello "[..], &b"world"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_vectored_at<V: IoVecBufMut>(
        &self,
        bufs: V,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'_, V> {
        Op::new(ReadVectoredAt::new(self.owned.handle(), bufs, offset))
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

    /// Writes all bytes of several buffers, however many, one after the other at `offset`.
    ///
    /// # Errors
    /// As [`write_all_at`](Self::write_all_at).
    ///
    /// # Cancel safety
    /// As [`write_all_at`](Self::write_all_at).
    ///
    /// # Kernel
    /// `WRITEV`, 5.1, for 1024 buffers at once, as often as it takes; as `WRITE`.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.write_all_vectored_at(("hello ", b"world".to_vec()), 0).await?;
    /// assert_eq!(file.len()?, 11);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all_vectored_at<V: IoVecBuf>(
        &self,
        bufs: V,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<(), V>> + use<'_, V> {
        WriteAllVectoredAt::new(self.owned.handle(), bufs, Place::Offset(offset))
    }

    /// Flushes data and metadata to the device.
    ///
    /// # After an error
    /// The data is lost, and the file may look as if it were not. Linux marks the pages that could
    /// not be written as clean, so a second call finds nothing to do and succeeds; what was to be
    /// written is read back from memory until the page is evicted, and then no more. Whoever waits
    /// on the same file elsewhere is told of the error once at most. So **never try again: write
    /// the data anew**, to another file if it matters, as [`AtomicFile`](super::AtomicFile) does.
    ///
    /// # Errors
    /// Those of fsync(2).
    ///
    /// # Cancel safety
    /// Dropping the future tells nothing about what reached the device.
    ///
    /// # Kernel
    /// `FSYNC`, 5.1; always punted.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.write_all_at("hello", 0).await?;
    /// file.sync_all().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sync_all(&self) -> impl Linkable<Output = io::Result<()>> + use<'_> {
        Op::new(Sync { handle: self.owned.handle(), flags: FsyncFlags::EMPTY })
    }

    /// Flushes data, and the metadata that reading it back needs.
    ///
    /// # Errors
    /// Those of fdatasync(2); [what follows from one](Self::sync_all).
    ///
    /// # Cancel safety
    /// As [`sync_all`](Self::sync_all).
    ///
    /// # Kernel
    /// `FSYNC` with `IORING_FSYNC_DATASYNC`, 5.1; always punted.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.write_all_at("hello", 0).await?;
    /// file.sync_data().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sync_data(&self) -> impl Linkable<Output = io::Result<()>> + use<'_> {
        Op::new(Sync { handle: self.owned.handle(), flags: FsyncFlags::DATASYNC })
    }

    /// Size, times, kind and permissions.
    ///
    /// # Errors
    /// Those of statx(2); use on a foreign core.
    ///
    /// # Kernel
    /// A system call: on an open file it does not block, and costs a thirtieth of `STATX`. (A
    /// network file system may ask its server.)
    pub fn metadata(&self) -> io::Result<Metadata> {
        let (fd, mask) = (self.owned.raw_fd(), MASK);
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
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// let file = annulus::fs::File::create(dir.path().join("page")).await?;
    /// file.write_all_at("hello", 0).await?;
    /// file.close().await?;
    /// # Ok(())
    /// # }
    /// ```
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

    /// The file as `std` has it, at the position where this handle is.
    ///
    /// # Errors
    /// As [`close`](Self::close): no operation may be in flight.
    pub fn into_std(mut self) -> io::Result<std::fs::File> {
        self.cursor.hand_over(&self.owned)?;
        let fd = self.take_fd()?;
        Ok(std::fs::File::from(adopted_fd(fd)))
    }

    /// Takes over a file of `std`, where it is.
    ///
    /// # Errors
    /// If no runtime runs on this thread.
    pub fn from_std(file: std::fs::File) -> io::Result<Self> {
        Ok(Self::from_owned(Owned::adopt_fd(file.into(), Kind::Plain)?))
    }

    /// One more handle on the same open file, with a position of its own, which begins where this
    /// one's is. Locks belong to both: [`unlock`](Self::unlock) of either gives them up.
    ///
    /// # Errors
    /// Those of fcntl(2): too many open files; use on a foreign core.
    ///
    /// # Kernel
    /// A system call, `F_DUPFD_CLOEXEC`, which does not block.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # std::fs::write(dir.path().join("pairs"), "aabb")?;
    /// let mut first = annulus::fs::File::open(dir.path().join("pairs")).await?;
    /// first.read_exact(vec![0; 2]).await?;
    /// let mut second = first.try_clone()?;
    /// assert_eq!(first.read_exact(vec![0; 2]).await?.1, b"bb");
    /// assert_eq!(second.read_exact(vec![0; 2]).await?.1, b"bb");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "dup")]
    pub fn try_clone(&self) -> io::Result<Self> {
        let owned = Owned::adopt_fd(self.duplicate()?, Kind::Plain)?;
        Ok(Self { owned, cursor: self.cursor })
    }

    /// One more descriptor of the open file.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        let fd = self.owned.raw_fd();
        self.owned.with(|state, _| state.duplicate(fd))?
    }

    /// Does something with the open file on a thread where it may block. The thread has a
    /// descriptor of its own, so nothing has to be waited for if the future is dropped.
    async fn on_thread<T, F>(&self, work: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce(std::fs::File) -> io::Result<T> + Send + 'static,
    {
        let file = std::fs::File::from(self.duplicate()?);
        thread_ended(spawn_blocking(move || work(file)).await)
    }
}

/// What a thread came to.
pub(super) fn thread_ended<T>(joined: Result<io::Result<T>, JoinError>) -> io::Result<T> {
    joined.map_err(|error| io::Error::other(error.to_string()))?
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

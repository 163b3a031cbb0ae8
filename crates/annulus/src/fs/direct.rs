//! A file past the page cache.

mod alignment;

use std::io;
use std::path::Path;

use annulus_ring::Kernel as _;
use annulus_ring::op::Fallocate;

use super::synced::WriteSynced;
use super::{File, OpenOptions, ReadStream, RwOptions, Synced};
use crate::buf::{AlignedBuf, BufResult, IoBuf, IoBufMut};
use crate::core::Owned;
use crate::core::devices::{self, Polled};
use crate::core::direct_op::{Limits, With};
use crate::core::file_call::{FileCall, NO_TARGET};
use crate::core::file_op::{ReadAt, WriteAt};
use crate::core::op::Op;
use crate::op::{Linkable, OpExt, Shaped};

pub(crate) use alignment::Span;
pub use alignment::{Alignment, AtomicWrites, Misaligned, Part};

/// A file that is open with `O_DIRECT`: its reads and writes go from and to the device, past the
/// page cache, as storage engines want it that have a cache of their own.
///
/// Addresses of buffers, lengths and offsets are multiples of what the device's blocks want
/// ([`alignment`](Self::alignment)); what is not is refused before the kernel sees it, with an
/// error that names the number ([`Misaligned`]). Buffers of a
/// [`DirectPool`](crate::buf::DirectPool) fit, and are registered with the ring; [`AlignedBuf`]
/// fits as well.
///
/// That a write has resolved means that the device has the data, not that it would survive a power
/// failure: a device has a cache, too. [`sync_data`](Self::sync_data) flushes it, or
/// [`RwOptions::dsync`] for one write.
///
/// ```no_run
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::{buf::DirectPool, fs::{Direct, OpenOptions}};
///
/// let mut options = OpenOptions::new();
/// let table = Direct::open_with(options.read(true).write(true).create(true), "table").await?;
/// let block = table.alignment().block_bytes();
/// let pool = DirectPool::with_align(32, 4 * block, block)?;
///
/// let mut page = pool.take().await;
/// page.fill(7);
/// let ((), page) = table.write_all_at(page, 0).await?;
/// table.sync_data().await?;
/// let (n, page) = table.read_at(page, 0).await?;
/// assert_eq!((n, page[0]), (4 * block, 7));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[doc(alias = "O_DIRECT")]
pub struct Direct {
    file: File,
    limits: Limits,
}

impl Direct {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    ///
    /// # Cancel safety
    /// A descriptor that arrives after the future was dropped is closed.
    ///
    /// # Kernel
    /// As [`open_with`](Self::open_with).
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let table = annulus::fs::Direct::open("table").await?;
    /// println!("blocks of {} bytes", table.alignment().block_bytes());
    /// # Ok(())
    /// # }
    /// ```
    pub fn open<P: AsRef<Path>>(path: P) -> impl OpExt<Output = io::Result<Self>> + use<P> {
        Self::open_now(OpenOptions::new().read(true), path.as_ref())
    }

    /// Opens a file with these options, and `O_DIRECT` besides.
    ///
    /// # Errors
    /// Those of open(2): `InvalidInput` where the file system has no direct I/O at all,
    /// `Unsupported` where this file has none.
    ///
    /// # Cancel safety
    /// As [`open`](Self::open).
    ///
    /// # Kernel
    /// `OPENAT`, 5.6; and a statx(2), which does not block on an open file. What the alignment is,
    /// Linux tells since 6.1, file system by file system; else 4096 is taken.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::fs::{Direct, OpenOptions};
    ///
    /// let mut options = OpenOptions::new();
    /// options.read(true).write(true).create(true);
    /// let table = Direct::open_with(&options, "table").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open_with<P: AsRef<Path>>(
        options: &OpenOptions,
        path: P,
    ) -> impl OpExt<Output = io::Result<Self>> + use<P> {
        Self::open_now(options, path.as_ref())
    }

    fn open_now(
        options: &OpenOptions,
        path: &Path,
    ) -> impl OpExt<Output = io::Result<Self>> + use<> {
        let description = options.direct_description(path);
        Shaped::new(description.map_err(Err), Self::opened)
    }

    fn opened(owned: io::Result<Owned>) -> io::Result<Self> {
        let owned = owned?;
        let fd = owned.raw_fd();
        let stat = owned.with(|state, _| state.ring.kernel().statx(fd, alignment::MASK))??;
        let limits = Limits {
            alignment: Alignment::of(&stat)?,
            is_direct: true,
            atomic: AtomicWrites::of(&stat),
        };
        Ok(Self { file: File::from_owned(owned), limits })
    }

    /// What addresses, lengths and offsets have to be multiples of.
    #[must_use]
    pub fn alignment(&self) -> Alignment {
        self.limits.alignment
    }

    /// What can be written all or nothing ([`RwOptions::atomic`]); `None` if nothing can.
    #[must_use]
    pub fn atomic_writes(&self) -> Option<AtomicWrites> {
        self.limits.atomic
    }

    /// The file, for what is not special to direct I/O. Its own reads and writes are not checked.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file alone.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    /// Reads at `offset` into `buf`, up to its capacity. Gives the number of bytes: fewer at the
    /// end of the file, 0 behind it.
    ///
    /// # Errors
    /// As [`File::read_at`]; `InvalidInput` with [`Misaligned`] inside.
    ///
    /// # Cancel safety
    /// As [`File::read_at`]. A request that the device has is waited for: cancelling does not end
    /// it sooner.
    ///
    /// # Kernel
    /// `READ_FIXED`, 5.1, with a buffer that is registered on this core; else `READ`, 5.6.
    /// Asynchronous; punted where the file's blocks have to be looked up first.
    ///
    /// ```
    /// # use annulus::{buf::DirectBuf, fs::{Direct, Merge, Synced}};
    /// # async fn example(file: Direct, page: DirectBuf) -> std::io::Result<()> {
    /// let (n, page) = file.read_at(page, 0).await?;
    /// assert!(n <= page.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Linkable<Output = BufResult<usize, B>> + use<'_, B> {
        self.with(RwOptions::new()).reading(buf, offset)
    }

    /// Writes the bytes of `buf` at `offset`. Gives the number of bytes written, which may be
    /// fewer.
    ///
    /// # Errors
    /// As [`File::write_at`]; `InvalidInput` with [`Misaligned`] inside.
    ///
    /// # Cancel safety
    /// As [`File::write_at`].
    ///
    /// # Kernel
    /// `WRITE_FIXED`, 5.1, with a buffer that is registered on this core; else `WRITE`, 5.6. A
    /// write that makes the file longer is punted, and excludes others:
    /// [`allocate`](Self::allocate) first.
    ///
    /// ```
    /// # use annulus::{buf::DirectBuf, fs::{Direct, Merge, Synced}};
    /// # async fn example(file: Direct, page: DirectBuf) -> std::io::Result<()> {
    /// let (n, page) = file.write_at(page, 0).await?;
    /// assert!(n <= page.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_at<B: IoBuf>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Linkable<Output = BufResult<usize, B>> + use<'_, B> {
        self.with(RwOptions::new()).writing(buf, offset)
    }

    /// Writes all bytes of `buf` at `offset`.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at); a part may have been written.
    ///
    /// # Cancel safety
    /// As [`File::write_all_at`].
    ///
    /// # Kernel
    /// As [`write_at`](Self::write_at), as often as it takes.
    ///
    /// ```
    /// # use annulus::{buf::DirectBuf, fs::{Direct, Merge, Synced}};
    /// # async fn example(file: Direct, page: DirectBuf) -> std::io::Result<()> {
    /// let ((), _page) = file.write_all_at(page, 0).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all_at<B: IoBuf>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        WriteSynced::new(&self.file, self.limits, buf, (offset, None))
    }

    /// Writes all bytes of `buf` at `offset`, and has the device make them durable: see
    /// [`File::write_synced_at`].
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at), and those of fsync(2).
    ///
    /// # Cancel safety
    /// As [`File::write_synced_at`].
    ///
    /// # Kernel
    /// As [`write_at`](Self::write_at), with `IOSQE_IO_LINK`, 5.3, and `FSYNC`, 5.1, always punted;
    /// as often as it takes.
    ///
    /// ```
    /// # use annulus::{buf::DirectBuf, fs::{Direct, Merge, Synced}};
    /// # async fn example(file: Direct, page: DirectBuf) -> std::io::Result<()> {
    /// let ((), _page) = file.write_synced_at(page, 0, Synced::Data).await?; // it lasts
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_synced_at<B: IoBuf>(
        &self,
        buf: B,
        offset: u64,
        what: Synced,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        WriteSynced::new(&self.file, self.limits, buf, (offset, Some(what)))
    }

    /// Reads and writes with these options.
    pub fn with(&self, options: RwOptions) -> DirectWith<'_> {
        DirectWith { direct: self, options }
    }

    /// Reads and writes for whose completion the device is polled: on a core with a ring for that
    /// ([`Builder::device_polling`](crate::runtime::Builder::device_polling)).
    ///
    /// # Errors
    /// `Unsupported` on a core without one; use on a foreign core.
    pub fn polled(&self) -> io::Result<DirectPolled<'_>> {
        self.file.owned().with(|state, _| devices::are_polled(state))??;
        Ok(DirectPolled { direct: self })
    }

    /// The bytes of a range in order, read ahead: see [`File::read_stream`]. Its buffers are
    /// aligned.
    ///
    /// # Errors
    /// `InvalidInput` if the beginning of the range or the size of a chunk is not aligned, or if a
    /// chunk or the depth is 0.
    pub fn read_stream(
        &self,
        range: std::ops::Range<u64>,
        depth: usize,
        chunk_bytes: usize,
    ) -> io::Result<ReadStream<'_, AlignedBuf>> {
        let block = self.alignment().block_bytes();
        let span = Span { address: 0, len: chunk_bytes, offset: range.start };
        if let Some(error) = self.alignment().check(span, false) {
            return Err(error);
        }
        ReadStream::new(&self.file, range, (depth, chunk_bytes), block, move |bytes| {
            AlignedBuf::new(bytes, block)
        })
    }

    /// Several ranges at once, near ones with one request: see [`File::read_ranges`]. The ranges
    /// need not be aligned: whole blocks around them are read.
    ///
    /// # Errors
    /// As [`File::read_ranges`].
    ///
    /// # Cancel safety
    /// As [`File::read_ranges`].
    ///
    /// # Kernel
    /// `READ`, 5.6, one for whatever ranges are merged; asynchronous.
    ///
    /// ```
    /// # use annulus::{buf::DirectBuf, fs::{Direct, Merge, Synced}};
    /// # async fn example(file: Direct, page: DirectBuf) -> std::io::Result<()> {
    /// let ranges = file.read_ranges(&[100..200, 9000..9100], Merge::default()).await?;
    /// assert!(ranges.get(0).is_some_and(|range| range.len() <= 100));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_ranges(
        &self,
        ranges: &[std::ops::Range<u64>],
        merge: super::Merge,
    ) -> io::Result<super::Ranges<AlignedBuf>> {
        let block = self.alignment().block_bytes();
        super::coalesce::read(&self.file, ranges, (merge, block as u64), |bytes| {
            AlignedBuf::new(bytes, block)
        })
        .await
    }

    /// Makes sure that a range of the file has space, and that the file reaches to its end: writes
    /// there change no length, and need no worker thread of the kernel.
    ///
    /// # Errors
    /// Those of fallocate(2): `StorageFull`, `Unsupported`, `InvalidInput` for a length of 0.
    ///
    /// # Cancel safety
    /// Dropping the future may leave it done, or not.
    ///
    /// # Kernel
    /// `FALLOCATE`, 5.6; always punted.
    ///
    /// ```
    /// # use annulus::{buf::DirectBuf, fs::{Direct, Merge, Synced}};
    /// # async fn example(file: Direct, page: DirectBuf) -> std::io::Result<()> {
    /// file.allocate(0, 1 << 30).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "fallocate")]
    pub fn allocate(
        &self,
        offset: u64,
        len: u64,
    ) -> impl Linkable<Output = io::Result<()>> + use<'_> {
        let call = Fallocate { target: NO_TARGET, mode: 0, offset, len };
        Op::new(FileCall { handle: self.file.handle(), call })
    }

    /// Flushes the file's data and metadata to the device, and the cache of the device.
    ///
    /// # Errors
    /// As [`File::sync_all`], with what an error means.
    ///
    /// # Cancel safety
    /// Dropping the future tells nothing about what reached the device.
    ///
    /// # Kernel
    /// `FSYNC`, 5.1; always punted.
    ///
    /// ```
    /// # use annulus::{buf::DirectBuf, fs::{Direct, Merge, Synced}};
    /// # async fn example(file: Direct, page: DirectBuf) -> std::io::Result<()> {
    /// file.write_all_at(page, 0).await?;
    /// file.sync_all().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sync_all(&self) -> impl Linkable<Output = io::Result<()>> + use<'_> {
        self.file.sync_all()
    }

    /// Flushes the file's data, the metadata that reading it back needs, and the cache of the
    /// device.
    ///
    /// # Errors
    /// As [`File::sync_all`].
    ///
    /// # Cancel safety
    /// Dropping the future tells nothing about what reached the device.
    ///
    /// # Kernel
    /// `FSYNC` with `IORING_FSYNC_DATASYNC`, 5.1; always punted.
    ///
    /// ```
    /// # use annulus::{buf::DirectBuf, fs::{Direct, Merge, Synced}};
    /// # async fn example(file: Direct, page: DirectBuf) -> std::io::Result<()> {
    /// file.write_all_at(page, 0).await?;
    /// file.sync_data().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sync_data(&self) -> impl Linkable<Output = io::Result<()>> + use<'_> {
        self.file.sync_data()
    }

    /// The file's size in bytes.
    ///
    /// # Errors
    /// As [`File::metadata`].
    #[allow(clippy::len_without_is_empty, reason = "a file is no collection; std has none either")]
    pub fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

/// A direct file whose reads and writes have options: [`Direct::with`].
#[derive(Clone, Copy, Debug)]
pub struct DirectWith<'a> {
    direct: &'a Direct,
    options: RwOptions,
}

impl<'a> DirectWith<'a> {
    fn reading<B: IoBufMut>(self, buf: B, offset: u64) -> Op<With<ReadAt<B>>> {
        let transfer = ReadAt { handle: self.direct.file.handle(), buf, offset };
        Op::new(With { transfer, how: self.options, limits: self.direct.limits })
    }

    fn writing<B: IoBuf>(self, buf: B, offset: u64) -> Op<With<WriteAt<B>>> {
        let transfer = WriteAt { handle: self.direct.file.handle(), buf, offset };
        Op::new(With { transfer, how: self.options, limits: self.direct.limits })
    }

    /// Reads at `offset` into `buf`, up to its capacity. Gives the number of bytes: fewer at the
    /// end of the file, 0 behind it.
    ///
    /// # Errors
    /// As [`Direct::read_at`], and those of the options.
    ///
    /// # Cancel safety
    /// As [`Direct::read_at`]: dropping the future drops the buffer when the device has let go of
    /// it.
    ///
    /// # Kernel
    /// As [`Direct::read_at`], with the flags and the priority of the options.
    ///
    /// ```
    /// # use annulus::{buf::DirectBuf, fs::{Direct, Merge, Synced}};
    /// # async fn example(file: Direct, page: DirectBuf) -> std::io::Result<()> {
    /// use annulus::fs::RwOptions;
    ///
    /// let (n, page) = file.with(RwOptions::new().nowait()).read_at(page, 0).await?;
    /// assert!(n <= page.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_at<B: IoBufMut>(
        self,
        buf: B,
        offset: u64,
    ) -> impl Linkable<Output = BufResult<usize, B>> + use<'a, B> {
        self.reading(buf, offset)
    }

    /// Writes the bytes of `buf` at `offset`. Gives the number of bytes written, which may be
    /// fewer.
    ///
    /// # Errors
    /// As [`Direct::write_at`], and those of the options.
    ///
    /// # Cancel safety
    /// As [`Direct::write_at`]: dropping the future may or may not undo the write.
    ///
    /// # Kernel
    /// As [`Direct::write_at`], with the flags and the priority of the options.
    ///
    /// ```
    /// # use annulus::{buf::DirectBuf, fs::{Direct, Merge, Synced}};
    /// # async fn example(file: Direct, page: DirectBuf) -> std::io::Result<()> {
    /// use annulus::fs::RwOptions;
    ///
    /// let (n, page) = file.with(RwOptions::new().dsync()).write_at(page, 0).await?; // it lasts
    /// assert!(n <= page.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_at<B: IoBuf>(
        self,
        buf: B,
        offset: u64,
    ) -> impl Linkable<Output = BufResult<usize, B>> + use<'a, B> {
        self.writing(buf, offset)
    }
}

/// A direct file whose device is polled for completions: [`Direct::polled`].
///
/// A request is a few microseconds sooner done than by an interrupt, on a device that is as fast;
/// its core burns a CPU meanwhile. It cannot be cancelled: [`cancel`](OpExt::cancel) and a deadline
/// wait for its end.
#[derive(Clone, Copy, Debug)]
#[doc(alias = "RWF_HIPRI")]
pub struct DirectPolled<'a> {
    direct: &'a Direct,
}

impl<'a> DirectPolled<'a> {
    /// As [`Direct::read_at`].
    ///
    /// # Errors
    /// As there; `Unsupported` for a device without queues that can be polled.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the request to its end, and then its buffer goes.
    ///
    /// # Kernel
    /// `READ`, 5.6, or `READ_FIXED`, 5.1, on a ring with `IORING_SETUP_IOPOLL`, 5.1.
    ///
    /// ```
    /// # use annulus::{buf::DirectBuf, fs::{Direct, Merge, Synced}};
    /// # async fn example(file: Direct, page: DirectBuf) -> std::io::Result<()> {
    /// let (n, page) = file.polled()?.read_at(page, 0).await?;
    /// assert!(n <= page.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_at<B: IoBufMut>(
        self,
        buf: B,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'a, B> {
        let transfer = ReadAt { handle: self.direct.file.handle(), buf, offset };
        let (how, limits) = (RwOptions::new(), self.direct.limits);
        Op::new(Polled(With { transfer, how, limits }))
    }

    /// As [`Direct::write_at`].
    ///
    /// # Errors
    /// As there; `Unsupported` for a device without queues that can be polled.
    ///
    /// # Cancel safety
    /// As [`read_at`](Self::read_at): the bytes are written all the same.
    ///
    /// # Kernel
    /// `WRITE`, 5.6, or `WRITE_FIXED`, 5.1, on a ring with `IORING_SETUP_IOPOLL`, 5.1.
    ///
    /// ```
    /// # use annulus::{buf::DirectBuf, fs::{Direct, Merge, Synced}};
    /// # async fn example(file: Direct, page: DirectBuf) -> std::io::Result<()> {
    /// let (n, page) = file.polled()?.write_at(page, 0).await?;
    /// assert!(n <= page.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_at<B: IoBuf>(
        self,
        buf: B,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'a, B> {
        let transfer = WriteAt { handle: self.direct.file.handle(), buf, offset };
        let (how, limits) = (RwOptions::new(), self.direct.limits);
        Op::new(Polled(With { transfer, how, limits }))
    }
}

//! The length of a file, its space on the device, its pages in memory.
//!
//! Owns: what users call, and the future of a call that an older kernel's ring does not have.
//! Mirrors ftruncate(2), fallocate(2), posix_fadvise(2), sync_file_range(2), lseek(2).

use std::future::Future;
use std::io;
use std::num::NonZeroU64;
use std::ops::{Bound, Range, RangeBounds};
use std::pin::Pin;
use std::task::{Context, Poll};

use annulus_ring::abi::Opcode;
use annulus_ring::op::{Fadvise, Fallocate, Ftruncate, SyncFileRange};
use rustix::fs::SeekFrom;

use super::{File, thread_ended};
use crate::core::end::End;
use crate::core::errors;
use crate::core::file_call::{FileCall, NO_TARGET, OnFile};
use crate::core::op::Op;
use crate::op::OpExt;
use crate::task::{BlockingHandle, spawn_blocking};

/// How a range of a file will be read: a hint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Advice {
    /// As usual: some is read ahead.
    Normal,
    /// One part after the other: more is read ahead.
    Sequential,
    /// Here and there: nothing is read ahead.
    Random,
    /// Soon: reading into memory begins now.
    WillNeed,
    /// Not soon: pages that are not dirty leave the memory.
    DontNeed,
    /// Once: its pages do not push out others (Linux 6.3).
    NoReuse,
}

impl Advice {
    fn number(self) -> i32 {
        match self {
            Self::Normal => libc::POSIX_FADV_NORMAL,
            Self::Sequential => libc::POSIX_FADV_SEQUENTIAL,
            Self::Random => libc::POSIX_FADV_RANDOM,
            Self::WillNeed => libc::POSIX_FADV_WILLNEED,
            Self::DontNeed => libc::POSIX_FADV_DONTNEED,
            Self::NoReuse => libc::POSIX_FADV_NOREUSE,
        }
    }

    fn for_thread(self) -> rustix::fs::Advice {
        match self {
            Self::Normal => rustix::fs::Advice::Normal,
            Self::Sequential => rustix::fs::Advice::Sequential,
            Self::Random => rustix::fs::Advice::Random,
            Self::WillNeed => rustix::fs::Advice::WillNeed,
            Self::DontNeed => rustix::fs::Advice::DontNeed,
            Self::NoReuse => rustix::fs::Advice::NoReuse,
        }
    }
}

/// What [`File::sync_range`] does with dirty pages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum WriteBack {
    /// Begins to write those that are not being written already.
    Start,
    /// Waits until all that are there now were written.
    Finish,
}

impl WriteBack {
    fn flags(self) -> u32 {
        match self {
            Self::Start => libc::SYNC_FILE_RANGE_WRITE,
            Self::Finish => {
                libc::SYNC_FILE_RANGE_WAIT_BEFORE
                    | libc::SYNC_FILE_RANGE_WRITE
                    | libc::SYNC_FILE_RANGE_WAIT_AFTER
            }
        }
    }
}

impl File {
    /// Cuts the file off at `len` bytes, or extends it with zeroes up to there, without space on
    /// the device. The position stays.
    ///
    /// # Errors
    /// Those of ftruncate(2): `FileTooLarge`; `InvalidInput` for a file that is not open for
    /// writing and for lengths from 2^63.
    ///
    /// # Cancel safety
    /// It is done or not.
    ///
    /// # Kernel
    /// `FTRUNCATE`, 6.9; always punted. Before that, ftruncate(2) on a thread of
    /// [`spawn_blocking`], which is waited for even if it is asked to end.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.set_len(4096).await?;
    /// assert_eq!(file.len()?, 4096);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "ftruncate")]
    pub fn set_len(&self, len: u64) -> impl OpExt<Output = io::Result<()>> + use<'_> {
        if i64::try_from(len).is_err() {
            return Call::refused("a file is shorter than 2^63 bytes");
        }
        let has_op = |state: &mut crate::core::State, _| {
            state.ring.capabilities().supports(Opcode::FTRUNCATE)
        };
        if self.owned.with(has_op).unwrap_or(true) {
            return self.call(Ftruncate { target: NO_TARGET, len });
        }
        Call::elsewhere(self.duplicate(), move |file| file.set_len(len))
    }

    /// Allocates space for a range, so that writing there does not find the device full. What is
    /// new reads as zeroes, and the file is extended to the end of the range.
    ///
    /// # Errors
    /// Those of fallocate(2): `StorageFull`, `FileTooLarge`, `Unsupported` where the file system
    /// cannot; `InvalidInput` for a range that is empty or ends beyond 2^63.
    ///
    /// # Cancel safety
    /// It is done, wholly or in part, or not.
    ///
    /// # Kernel
    /// `FALLOCATE`, 5.6; always punted.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.allocate(0..4096).await?;
    /// assert_eq!(file.len()?, 4096);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "fallocate")]
    pub fn allocate(&self, range: Range<u64>) -> impl OpExt<Output = io::Result<()>> + use<'_> {
        self.fallocate(0, range)
    }

    /// Allocates space for a range, also beyond the end of the file, which stays where it is.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate).
    ///
    /// # Cancel safety
    /// As [`allocate`](Self::allocate).
    ///
    /// # Kernel
    /// As [`allocate`](Self::allocate), with `FALLOC_FL_KEEP_SIZE`.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.reserve(0..4096).await?;
    /// assert_eq!(file.len()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "FALLOC_FL_KEEP_SIZE")]
    pub fn reserve(&self, range: Range<u64>) -> impl OpExt<Output = io::Result<()>> + use<'_> {
        self.fallocate(libc::FALLOC_FL_KEEP_SIZE, range)
    }

    /// Gives the space of a range back. It reads as zeroes then, and the file is as long as before.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate).
    ///
    /// # Cancel safety
    /// As [`allocate`](Self::allocate).
    ///
    /// # Kernel
    /// As [`allocate`](Self::allocate), with `FALLOC_FL_PUNCH_HOLE`.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// let file = annulus::fs::File::create_new(dir.path().join("log")).await?;
    /// file.write_all_at(vec![7; 12288], 0).await?;
    /// file.punch_hole(4096..8192).await?;
    /// assert_eq!(file.read_exact_at(vec![1; 4096], 4096).await?.1, [0; 4096]);
    /// assert_eq!(file.len()?, 12288);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "FALLOC_FL_PUNCH_HOLE")]
    pub fn punch_hole(&self, range: Range<u64>) -> impl OpExt<Output = io::Result<()>> + use<'_> {
        self.fallocate(libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, range)
    }

    /// Lets a range read as zeroes, mostly without writing them, and keeps its space. The file is
    /// extended to the end of the range.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate).
    ///
    /// # Cancel safety
    /// As [`allocate`](Self::allocate).
    ///
    /// # Kernel
    /// As [`allocate`](Self::allocate), with `FALLOC_FL_ZERO_RANGE`.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.write_all_at(vec![7; 12288], 0).await?;
    /// file.zero_range(4096..8192).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "FALLOC_FL_ZERO_RANGE")]
    pub fn zero_range(&self, range: Range<u64>) -> impl OpExt<Output = io::Result<()>> + use<'_> {
        self.fallocate(libc::FALLOC_FL_ZERO_RANGE, range)
    }

    /// Takes a range out of the file: what was behind it moves to its place, and the file is
    /// shorter.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate); `InvalidInput` for ends that the file system has no blocks
    /// at, and for a range that reaches the end of the file.
    ///
    /// # Cancel safety
    /// As [`allocate`](Self::allocate).
    ///
    /// # Kernel
    /// As [`allocate`](Self::allocate), with `FALLOC_FL_COLLAPSE_RANGE`.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.write_all_at(vec![7; 12288], 0).await?;
    /// file.collapse_range(4096..8192).await?; // what was behind it follows on 4096
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "FALLOC_FL_COLLAPSE_RANGE")]
    pub fn collapse_range(
        &self,
        range: Range<u64>,
    ) -> impl OpExt<Output = io::Result<()>> + use<'_> {
        self.fallocate(libc::FALLOC_FL_COLLAPSE_RANGE, range)
    }

    /// Puts a hole of this range into the file: what was there moves behind it.
    ///
    /// # Errors
    /// As [`collapse_range`](Self::collapse_range).
    ///
    /// # Cancel safety
    /// As [`allocate`](Self::allocate).
    ///
    /// # Kernel
    /// As [`allocate`](Self::allocate), with `FALLOC_FL_INSERT_RANGE`.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.write_all_at(vec![7; 12288], 0).await?;
    /// file.insert_range(4096..8192).await?; // what was at 4096 is at 8192
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "FALLOC_FL_INSERT_RANGE")]
    pub fn insert_range(&self, range: Range<u64>) -> impl OpExt<Output = io::Result<()>> + use<'_> {
        self.fallocate(libc::FALLOC_FL_INSERT_RANGE, range)
    }

    /// Gives a range blocks of its own, where it shares them with copies of the file, so that
    /// writing there does not find the device full.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate).
    ///
    /// # Cancel safety
    /// As [`allocate`](Self::allocate).
    ///
    /// # Kernel
    /// As [`allocate`](Self::allocate), with `FALLOC_FL_UNSHARE_RANGE`.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.write_all_at(vec![7; 12288], 0).await?;
    /// file.unshare_range(0..4096).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "FALLOC_FL_UNSHARE_RANGE")]
    pub fn unshare_range(
        &self,
        range: Range<u64>,
    ) -> impl OpExt<Output = io::Result<()>> + use<'_> {
        self.fallocate(libc::FALLOC_FL_UNSHARE_RANGE, range)
    }

    fn fallocate(&self, mode: i32, range: Range<u64>) -> Call<'_, Fallocate> {
        match i64::try_from(range.end) {
            Ok(_) if range.start < range.end => {
                let (offset, len) = (range.start, range.end - range.start);
                self.call(Fallocate { target: NO_TARGET, mode, offset, len })
            }
            Ok(_) => Call::refused("the range is empty"),
            Err(_) => Call::refused("the range ends beyond 2^63"),
        }
    }

    /// Tells how a range will be read; `..` is the whole file.
    ///
    /// # Errors
    /// Those of posix_fadvise(2): `NotSeekable` of a pipe; `InvalidInput` for a range that ends
    /// before it begins or beyond 2^63.
    ///
    /// # Cancel safety
    /// Advice was taken or not; nothing else changes.
    ///
    /// # Kernel
    /// `FADVISE`, 5.6; inline for `Normal`, `Random` and `Sequential`, else punted. Ranges of 4 GiB
    /// and more that end before the file does: posix_fadvise(2) on a thread of [`spawn_blocking`].
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// # file.write_all_at("hello world", 0).await?;
    /// use annulus::fs::Advice;
    ///
    /// file.advise(.., Advice::Sequential).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "posix_fadvise")]
    pub fn advise<R: RangeBounds<u64>>(
        &self,
        range: R,
        advice: Advice,
    ) -> impl OpExt<Output = io::Result<()>> + use<'_, R> {
        let (offset, len) = match span(&range) {
            Ok(span) => span,
            Err(why) => return Call::refused(why),
        };
        if u32::try_from(len).is_ok() {
            let advice = advice.number();
            return self.call(Fadvise { target: NO_TARGET, offset, len, advice });
        }
        Call::elsewhere(self.duplicate(), move |file| {
            let advice = advice.for_thread();
            Ok(rustix::fs::fadvise(file, offset, NonZeroU64::new(len), advice)?)
        })
    }

    /// Begins or awaits the writing of dirty pages of a range, `..` being the whole file: for those
    /// who want to spread it out.
    ///
    /// **It makes nothing last**: neither the metadata that finds the data nor the device's cache
    /// is flushed. [`sync_data`](Self::sync_data) does that.
    ///
    /// # Errors
    /// Those of sync_file_range(2): `NotSeekable` of a pipe; [what follows from
    /// one](Self::sync_all) of writing. `InvalidInput` as for
    /// [`advise`](Self::advise).
    ///
    /// # Cancel safety
    /// What was begun goes on.
    ///
    /// # Kernel
    /// `SYNC_FILE_RANGE`, 5.2; always punted. A range of 4 GiB and more reaches to the end of the
    /// file.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// use annulus::fs::WriteBack;
    ///
    /// file.write_all_at(vec![7; 12288], 0).await?;
    /// file.sync_range(0..4096, WriteBack::Start).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "sync_file_range")]
    pub fn sync_range<R: RangeBounds<u64>>(
        &self,
        range: R,
        what: WriteBack,
    ) -> impl OpExt<Output = io::Result<()>> + use<'_, R> {
        match span(&range) {
            Ok((offset, len)) => {
                let len = u32::try_from(len).unwrap_or(0);
                let flags = what.flags();
                self.call(SyncFileRange { target: NO_TARGET, offset, len, flags })
            }
            Err(why) => Call::refused(why),
        }
    }

    /// Where data begins, from an offset on; `None` if there is none up to the end. The position
    /// stays.
    ///
    /// # Errors
    /// Those of lseek(2); `InvalidInput` for offsets from 2^63.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    ///
    /// # Kernel
    /// lseek(2) with `SEEK_DATA`, which may read from the device, on a thread of
    /// [`spawn_blocking`].
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// let sparse = annulus::fs::File::create_new(dir.path().join("sparse")).await?;
    /// sparse.set_len(1 << 20).await?;
    /// assert_eq!(sparse.seek_data(0).await?, None);
    /// assert_eq!(sparse.seek_hole(0).await?, Some(0));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SEEK_DATA")]
    pub async fn seek_data(&self, from: u64) -> io::Result<Option<u64>> {
        self.seek_for(SeekFrom::Data(from)).await
    }

    /// Where a hole begins, from an offset on: at the end of the file if not before. `None` if the
    /// offset is at the end already. The position stays.
    ///
    /// # Errors
    /// As [`seek_data`](Self::seek_data).
    ///
    /// # Cancel safety
    /// Nothing is changed.
    ///
    /// # Kernel
    /// As [`seek_data`](Self::seek_data), with `SEEK_HOLE`.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// # file.write_all_at("hello world", 0).await?;
    /// assert_eq!(file.seek_hole(0).await?, Some(11)); // its end
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SEEK_HOLE")]
    pub async fn seek_hole(&self, from: u64) -> io::Result<Option<u64>> {
        self.seek_for(SeekFrom::Hole(from)).await
    }

    async fn seek_for(&self, what: SeekFrom) -> io::Result<Option<u64>> {
        let (SeekFrom::Data(from) | SeekFrom::Hole(from)) = what else {
            unreachable!("it looks for data or for a hole");
        };
        if i64::try_from(from).is_err() {
            let why = "a file offset is below 2^63";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        self.on_thread(move |file| match rustix::fs::seek(file, what) {
            Ok(found) => Ok(Some(found)),
            Err(rustix::io::Errno::NXIO) => Ok(None),
            Err(errno) => Err(errno.into()),
        })
        .await
    }

    fn call<O: OnFile>(&self, call: O) -> Call<'_, O> {
        Call::new(Stage::Ring(Op::new(FileCall { handle: self.handle(), call })))
    }
}

/// Offset and length of a range, where the length 0 means to the end of the file.
fn span(range: &impl RangeBounds<u64>) -> Result<(u64, u64), &'static str> {
    let start = match range.start_bound() {
        Bound::Included(&start) => Some(start),
        Bound::Excluded(&before) => before.checked_add(1),
        Bound::Unbounded => Some(0),
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.checked_add(1),
        Bound::Excluded(&end) => Some(end),
        Bound::Unbounded => None,
    };
    let start = start.filter(|start| i64::try_from(*start).is_ok());
    let Some(start) = start else { return Err("the range begins beyond 2^63") };
    match end {
        None => Ok((start, 0)),
        Some(end) if i64::try_from(end).is_err() => Err("the range ends beyond 2^63"),
        Some(end) if end <= start => Err("the range is empty"),
        Some(end) => Ok((start, end - start)),
    }
}

/// The future of a call: by the ring, or on a thread.
struct Call<'a, O: OnFile> {
    stage: Stage<O>,
    _file: std::marker::PhantomData<&'a File>,
}

type Work = Box<dyn FnOnce() -> io::Result<()> + Send + Sync>;

enum Stage<O: OnFile> {
    Ring(Op<FileCall<O>>),
    /// No thread was asked yet.
    Work(Work),
    Thread(BlockingHandle<io::Result<()>>),
    Decided(io::Error),
    Done,
}

impl<O: OnFile> Call<'_, O> {
    fn new(stage: Stage<O>) -> Self {
        Self { stage, _file: std::marker::PhantomData }
    }

    fn refused(why: &'static str) -> Self {
        Self::new(Stage::Decided(io::Error::new(io::ErrorKind::InvalidInput, why)))
    }

    fn elsewhere(
        file: io::Result<std::os::fd::OwnedFd>,
        work: impl FnOnce(std::fs::File) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::new(match file {
            Ok(file) => Stage::Work(Box::new(move || work(std::fs::File::from(file)))),
            Err(error) => Stage::Decided(error),
        })
    }
}

// Nothing in it is pinned structurally.
impl<O: OnFile> Unpin for Call<'_, O> {}

impl<O: OnFile> Future for Call<'_, O> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.stage {
                Stage::Ring(op) => return Pin::new(op).poll(cx),
                Stage::Thread(thread) => return Pin::new(thread).poll(cx).map(thread_ended),
                _ => match std::mem::replace(&mut self.stage, Stage::Done) {
                    Stage::Work(work) => self.stage = Stage::Thread(spawn_blocking(work)),
                    Stage::Decided(error) => return Poll::Ready(Err(error)),
                    _ => panic!("an operation was polled after it had completed"),
                },
            }
        }
    }
}

impl<O: OnFile> End for Call<'_, O> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        match &mut self.stage {
            Stage::Ring(op) => op.ask_to_end(),
            Stage::Work(_) => {
                self.stage = Stage::Done;
                Some(Err(errors::cancelled()))
            }
            // A thread is waited for; what was decided is said by the next poll.
            Stage::Thread(_) | Stage::Decided(_) | Stage::Done => None,
        }
    }
}

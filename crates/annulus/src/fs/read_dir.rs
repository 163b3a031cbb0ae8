//! The entries of a directory, as a stream.
//!
//! Owns: [`ReadDir`], which hands out one batch while the next one is read, and [`DirEntry`]. Does
//! not own: the reading (`listing`).
//!
//! ```text
//!   read_dir ──job──> batch ──> entries ──> entries ──> …
//!                       └─job─────> batch ─┘ one ahead
//! ```
//!
//! | the stream is dropped while | what happens |
//! |---|---|
//! | nothing is read | the entries at hand are dropped; the last batch has closed the directory |
//! | a job waits or runs | its batch is dropped on its thread, and the directory closed |

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec;

use futures_core::Stream;
use rustix::fs::OFlags;

use super::aside::{aside, lost, spawn};
use super::listing::{self, Batch, Found};
use super::named::at;
use super::{FileType, Metadata};
use crate::task::BlockingHandle;

/// What it is called when it fails.
pub(super) const READ: &str = "read the directory";

/// Opens a directory, to read its entries. `.` and `..` are left out; the others come in no order.
///
/// # Errors
/// Those of open(2), with the path: `NotFound`, `NotADirectory`, `PermissionDenied`, ….
///
/// # Cancel safety
/// Dropping the future closes what was opened.
///
/// # Kernel
/// getdents64(2), which has no operation, on a thread where it may block: open and first batch at
/// once, then a batch of a thousand entries or so while the one before is handed out.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # std::fs::write(dir.path().join("page"), "hi")?;
/// let mut entries = annulus::fs::read_dir(dir.path()).await?;
/// while let Some(entry) = entries.next_entry().await? {
///     assert_eq!(entry.file_name(), "page");
///     assert!(entry.file_type().await?.is_file());
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "getdents64")]
#[doc(alias = "readdir")]
pub async fn read_dir<P: AsRef<Path>>(path: P) -> io::Result<ReadDir> {
    let path: Arc<Path> = Arc::from(path.as_ref());
    let opened = path.clone();
    let first = aside(move || {
        let directory = listing::open(&opened, OFlags::empty());
        directory.map(listing::batch).map_err(|error| at(READ, &opened, error))
    });
    let first = first.await?;
    Ok(ReadDir::begin(path, first))
}

/// The entries of a directory: a stream, or with [`next_entry`](Self::next_entry) one after the
/// other.
///
/// A file that is made or removed meanwhile may or may not be among them; the others are, once
/// each. After an error there are no more.
pub struct ReadDir {
    path: Arc<Path>,
    entries: vec::IntoIter<Found>,
    next: Next,
}

enum Next {
    Reading(BlockingHandle<Batch>),
    Failed(io::Error),
    Ended,
}

impl ReadDir {
    fn begin(path: Arc<Path>, first: Batch) -> Self {
        let mut this = Self { path, entries: Vec::new().into_iter(), next: Next::Ended };
        this.take(first);
        this
    }

    /// Of a directory that is open for reading.
    pub(super) async fn of(directory: OwnedFd, path: &Path) -> io::Result<Self> {
        let first = aside(move || Ok(listing::batch(directory))).await?;
        Ok(Self::begin(Arc::from(path), first))
    }

    /// Hands out a batch, and has the next one read.
    fn take(&mut self, batch: Batch) {
        self.entries = batch.entries.into_iter();
        let next = match batch.rest {
            Ok(Some(directory)) => spawn(move || listing::batch(directory)).map(Next::Reading),
            Ok(None) => Ok(Next::Ended),
            Err(error) => Err(error),
        };
        self.next = next.unwrap_or_else(Next::Failed);
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// Those of getdents64(2), with the path of the directory.
    ///
    /// # Cancel safety
    /// No entry is lost: those that were read stay for the next call.
    ///
    /// # Kernel
    /// getdents64(2), which reads the directory in batches, on a thread of
    /// [`spawn_blocking`](crate::task::spawn_blocking); most calls take an entry that is there.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs;
    /// # let dir = tempfile::tempdir()?;
    /// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    /// # std::fs::write(&one, "1")?;
    /// let mut entries = fs::read_dir(dir.path()).await?;
    /// while let Some(entry) = entries.next_entry().await? {
    ///     println!("{}", entry.path().display());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    /// As [`next_entry`](Self::next_entry), for those who poll.
    ///
    /// # Errors
    /// As [`next_entry`](Self::next_entry).
    pub fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        loop {
            if let Some(found) = self.entries.next() {
                return Poll::Ready(Ok(Some(DirEntry::new(&self.path, found))));
            }
            let read = match &mut self.next {
                Next::Ended => return Poll::Ready(Ok(None)),
                Next::Failed(_) => Err(()),
                Next::Reading(job) => Ok(ready!(Pin::new(job).poll(cx))),
            };
            match (read, std::mem::replace(&mut self.next, Next::Ended)) {
                (Ok(Ok(batch)), _) => self.take(batch),
                (Ok(Err(error)), _) => return Poll::Ready(Err(lost(&error))),
                (Err(()), Next::Failed(error)) => {
                    return Poll::Ready(Err(at(READ, &self.path, error)));
                }
                (Err(()), _) => return Poll::Ready(Ok(None)),
            }
        }
    }
}

impl Stream for ReadDir {
    type Item = io::Result<DirEntry>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_next_entry(cx).map(Result::transpose)
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadDir").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A name in a directory, and what the directory says about it.
#[derive(Clone)]
pub struct DirEntry {
    directory: Arc<Path>,
    name: OsString,
    kind: Option<FileType>,
    ino: u64,
}

impl DirEntry {
    pub(super) fn new(directory: &Arc<Path>, found: Found) -> Self {
        let Found { name, kind, ino } = found;
        Self { directory: directory.clone(), name, kind, ino }
    }

    /// The path that was given to [`read_dir`], and the name.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// The name alone.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        self.name.clone()
    }

    /// The name alone, lent.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// The inode number.
    #[must_use]
    pub fn ino(&self) -> u64 {
        self.ino
    }

    /// What kind of file it is; of a symbolic link, that it is one.
    ///
    /// # Errors
    /// As [`metadata`](Self::metadata), where the kind has to be looked up.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    ///
    /// # Kernel
    /// Known from the directory: no call is made, except where a file was gone when the directory
    /// was read.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs;
    /// # let dir = tempfile::tempdir()?;
    /// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    /// # std::fs::write(&one, "1")?;
    /// let mut entries = fs::read_dir(dir.path()).await?;
    /// let entry = entries.next_entry().await?.expect("an entry");
    /// assert!(entry.file_type().await?.is_file());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn file_type(&self) -> io::Result<FileType> {
        match self.kind {
            Some(kind) => Ok(kind),
            None => Ok(self.metadata().await?.file_type()),
        }
    }

    /// What is known of the file; of a symbolic link, of the link itself.
    ///
    /// # Errors
    /// As [`symlink_metadata`](super::symlink_metadata).
    ///
    /// # Cancel safety
    /// Nothing is changed.
    ///
    /// # Kernel
    /// As [`symlink_metadata`](super::symlink_metadata).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs;
    /// # let dir = tempfile::tempdir()?;
    /// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    /// # std::fs::write(&one, "1")?;
    /// let mut entries = fs::read_dir(dir.path()).await?;
    /// let entry = entries.next_entry().await?.expect("an entry");
    /// assert_eq!(entry.metadata().await?.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn metadata(&self) -> io::Result<Metadata> {
        super::symlink_metadata(self.path()).await
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirEntry").field(&self.path()).finish()
    }
}

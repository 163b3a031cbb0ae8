//! Everything below a directory, as a stream.
//!
//! Owns: [`Walk`], which has a bounded number of directories read at once, and its entries. Does
//! not own: how a directory is read (`listing`). Invariants: a directory comes before what is in
//! it; no symbolic link is followed unless that was asked for, also not one that takes the place of
//! a directory meanwhile; with links followed, no directory is entered below itself.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use rustix::fs::{AtFlags, OFlags};

use super::aside::{lost, spawn};
use super::listing::{self, Found};
use super::named::at;
use super::read_dir::READ;
use super::{FileType, Metadata};
use crate::task::BlockingHandle;

/// Directories read at once, if nothing else was asked for.
const IN_FLIGHT: usize = 8;
/// Directories that one job reads at most: a small one is read faster than a job is handed over.
const JOB_DIRECTORIES: usize = 16;

/// Walks through everything below a directory.
///
/// A directory comes before what is in it; else there is no order. What cannot be read is an error
/// in its place, with its path, and the walk goes on. The directory itself is not among the
/// entries.
///
/// # Errors
/// Items are the errors of open(2) and getdents64(2), with the path of the directory; the walk goes
/// on after each.
///
/// # Cancel safety
/// Dropping the walk lets what threads have begun to read end by itself, and nobody hears of it.
///
/// # Panics
/// Never; without a runtime the first entry is the error that says so.
///
/// # Kernel
/// open(2) and getdents64(2) for several directories at once, on threads of
/// [`spawn_blocking`](crate::task::spawn_blocking).
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # std::fs::create_dir(dir.path().join("below"))?;
/// # std::fs::write(dir.path().join("below/page"), "hi")?;
/// let mut walk = annulus::fs::walk(dir.path());
/// let mut files = 0;
/// while let Some(entry) = walk.next_entry().await {
///     files += usize::from(entry?.file_type().is_file());
/// }
/// assert_eq!(files, 1);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "nftw")]
#[doc(alias = "walkdir")]
pub fn walk<P: AsRef<Path>>(path: P) -> Walk {
    let root = Pending {
        path: Arc::from(path.as_ref()),
        depth: 1,
        through_link: true,
        above: None,
        open: None,
    };
    Walk {
        in_flight: IN_FLIGHT,
        depth_max: usize::MAX,
        follow: false,
        enter: None,
        pending: vec![root],
        jobs: Vec::new(),
        ready: VecDeque::new(),
    }
}

/// A walk; see [`walk()`]. A stream, or with [`next_entry`](Self::next_entry) one entry after the
/// other.
///
/// Dropping it lets directories that are being read be read to the end of their batch, and closes
/// them.
///
/// # Kernel
/// As [`read_dir`](super::read_dir()): each directory on a thread where that may block.
#[must_use = "nothing is walked through unless entries are asked for"]
pub struct Walk {
    in_flight: usize,
    depth_max: usize,
    follow: bool,
    enter: Option<Enter>,
    /// Directories to be read, the last first.
    pending: Vec<Pending>,
    jobs: Vec<BlockingHandle<Vec<Listed>>>,
    /// What was read and not handed out.
    ready: VecDeque<io::Result<WalkEntry>>,
}

type Enter = Box<dyn FnMut(&WalkEntry) -> bool + Send + Sync>;

/// A directory to be read.
struct Pending {
    path: Arc<Path>,
    /// Of its entries.
    depth: usize,
    /// Whether the last name of the path may be a symbolic link.
    through_link: bool,
    /// The directories that lead to it, if links are followed.
    above: Option<Arc<Step>>,
    /// It is open: some of it was read already.
    open: Option<OwnedFd>,
}

/// A directory and those above it, by device and inode.
struct Step {
    identity: (u64, u64),
    above: Option<Arc<Step>>,
}

impl Drop for Step {
    /// One after the other, however many there are above.
    fn drop(&mut self) {
        let mut above = self.above.take();
        while let Some(step) = above {
            above = Arc::into_inner(step).and_then(|mut step| step.above.take());
        }
    }
}

/// What a job found in a directory.
struct Listed {
    entries: Vec<WalkEntry>,
    /// This directory, as the last step to those below.
    step: Option<Arc<Step>>,
    rest: io::Result<Option<Pending>>,
}

impl Walk {
    /// So many directories are read at once, 8 by default; 0 counts as 1.
    pub fn in_flight(mut self, directories: usize) -> Self {
        self.in_flight = directories.max(1);
        self
    }

    /// Goes no deeper than this: the entries of the directory itself have depth 1.
    pub fn depth_max(mut self, depth: usize) -> Self {
        self.depth_max = depth;
        self
    }

    /// Whether symbolic links to directories are entered, and entries have the kind of what they
    /// lead to. Off by default.
    ///
    /// A directory that would be entered below itself is an error instead.
    pub fn follow_links(mut self, follow: bool) -> Self {
        self.follow = follow;
        self
    }

    /// Asks `enter` about each directory that is found. One that it refuses is an entry like any
    /// other, but what is below is left out.
    pub fn enter_if(
        mut self,
        enter: impl FnMut(&WalkEntry) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.enter = Some(Box::new(enter));
        self
    }

    /// The next entry, or error; `None` at the end.
    ///
    /// # Errors
    /// Those of open(2) and getdents64(2), with the path of the directory. The walk goes on after
    /// each.
    ///
    /// # Cancel safety
    /// No entry is lost: those that were found stay for the next call.
    ///
    /// # Kernel
    /// As [`walk`]; most calls take an entry that is there.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs;
    /// # let dir = tempfile::tempdir()?;
    /// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    /// # std::fs::write(&one, "1")?;
    /// let mut walk = fs::walk(dir.path());
    /// while let Some(entry) = walk.next_entry().await {
    ///     println!("{}", entry?.path().display());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_entry(&mut self) -> Option<io::Result<WalkEntry>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Starts as many jobs as there may be.
    fn read_ahead(&mut self) {
        while self.jobs.len() < self.in_flight && !self.pending.is_empty() {
            let share = self.pending.len().div_ceil(self.in_flight).min(JOB_DIRECTORIES);
            let directories = self.pending.split_off(self.pending.len() - share);
            let follow = self.follow;
            match spawn(move || list_all(directories, follow)) {
                Ok(job) => self.jobs.push(job),
                Err(error) => self.ready.push_back(Err(error)),
            }
        }
    }

    /// Polls the jobs, and takes what is done.
    fn collect(&mut self, cx: &mut Context<'_>) {
        let mut job = 0;
        while job < self.jobs.len() {
            let Poll::Ready(done) = Pin::new(&mut self.jobs[job]).poll(cx) else {
                job += 1;
                continue;
            };
            drop(self.jobs.swap_remove(job));
            match done {
                Ok(listed) => listed.into_iter().for_each(|listed| self.take(listed)),
                Err(error) => self.ready.push_back(Err(lost(&error))),
            }
        }
    }

    fn take(&mut self, listed: Listed) {
        let Listed { entries, step, rest } = listed;
        for entry in entries {
            if entry.file_type.is_dir() && entry.depth < self.depth_max && self.is_entered(&entry) {
                self.pending.push(Pending {
                    path: Arc::from(entry.path()),
                    depth: entry.depth + 1,
                    through_link: entry.through_link,
                    above: step.clone(),
                    open: None,
                });
            }
            self.ready.push_back(Ok(entry));
        }
        match rest {
            Ok(rest) => self.pending.extend(rest),
            Err(error) => self.ready.push_back(Err(error)),
        }
    }

    fn is_entered(&mut self, entry: &WalkEntry) -> bool {
        self.enter.as_mut().is_none_or(|enter| enter(entry))
    }
}

impl Stream for Walk {
    type Item = io::Result<WalkEntry>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.depth_max == 0 {
            return Poll::Ready(None);
        }
        loop {
            if let Some(entry) = this.ready.pop_front() {
                return Poll::Ready(Some(entry));
            }
            this.read_ahead();
            this.collect(cx);
            if !this.ready.is_empty() {
                // The threads are kept busy while these are handed out.
                this.read_ahead();
            } else if this.jobs.is_empty() && this.pending.is_empty() {
                return Poll::Ready(None);
            } else if this.jobs.len() == this.in_flight || this.pending.is_empty() {
                return Poll::Pending;
            }
        }
    }
}

impl fmt::Debug for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pending, jobs) = (self.pending.len(), self.jobs.len());
        f.debug_struct("Walk")
            .field("pending", &pending)
            .field("jobs", &jobs)
            .finish_non_exhaustive()
    }
}

fn list_all(directories: Vec<Pending>, follow: bool) -> Vec<Listed> {
    directories.into_iter().map(|directory| list(directory, follow)).collect()
}

/// Reads a batch of a directory. Blocks.
fn list(mut pending: Pending, follow: bool) -> Listed {
    let (mut entries, mut step) = (Vec::new(), None);
    let mut read = || {
        let directory = open(&mut pending)?;
        step = follow.then(|| enter(&directory, &pending)).transpose()?;
        let (path, depth) = (&pending.path, pending.depth);
        let more = listing::read(&directory, |found| {
            entries.extend(entry(&directory, path, found, follow).map(|entry| entry.at(depth)));
        })?;
        io::Result::Ok(more.then_some(directory))
    };
    let rest = match read() {
        Ok(None) => Ok(None),
        Ok(open) => Ok(Some(Pending { open, ..pending })),
        Err(error) => Err(at(READ, &pending.path, error)),
    };
    Listed { entries, step, rest }
}

fn open(pending: &mut Pending) -> io::Result<OwnedFd> {
    let flags = if pending.through_link { OFlags::empty() } else { OFlags::NOFOLLOW };
    pending.open.take().map_or_else(|| listing::open(&pending.path, flags), Ok)
}

/// The step into a directory.
fn enter(directory: &OwnedFd, pending: &Pending) -> io::Result<Arc<Step>> {
    let stat = rustix::fs::fstat(directory)?;
    let identity = (stat.st_dev, stat.st_ino);
    let mut above = pending.above.as_deref();
    while let Some(step) = above {
        if step.identity == identity {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        above = step.above.as_deref();
    }
    Ok(Arc::new(Step { identity, above: pending.above.clone() }))
}

/// An entry of a walk, unless it is gone already.
fn entry(directory: &OwnedFd, path: &Arc<Path>, found: Found, follow: bool) -> Option<WalkEntry> {
    let Found { name, kind, ino } = found;
    let mut file_type = kind?;
    let through_link = follow && file_type.is_symlink();
    if through_link {
        // One that leads nowhere stays what it is.
        if let Ok(stat) = rustix::fs::statat(directory.as_fd(), &name, AtFlags::empty()) {
            file_type = FileType::from_mode(stat.st_mode);
        }
    }
    Some(WalkEntry { directory: path.clone(), name, file_type, through_link, ino, depth: 0 })
}

/// What a walk has come across.
#[derive(Clone)]
pub struct WalkEntry {
    directory: Arc<Path>,
    name: OsString,
    file_type: FileType,
    through_link: bool,
    ino: u64,
    depth: usize,
}

impl WalkEntry {
    fn at(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// The path that was given to [`walk()`], and what leads from there.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// The last name of the path.
    #[must_use]
    pub fn file_name(&self) -> &OsStr {
        &self.name
    }

    /// What kind of file it is; of a symbolic link that is followed, what it leads to.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        self.file_type
    }

    /// The inode number; of a symbolic link, that of the link.
    #[must_use]
    pub fn ino(&self) -> u64 {
        self.ino
    }

    /// How far below the directory that the walk began in it is: 1 for what lies in it.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// What is known of the file; of a symbolic link, of the link, unless it is followed.
    ///
    /// # Errors
    /// As [`metadata`](super::metadata()).
    ///
    /// # Cancel safety
    /// Nothing is changed.
    ///
    /// # Kernel
    /// As [`metadata`](super::metadata()).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs;
    /// # let dir = tempfile::tempdir()?;
    /// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    /// # std::fs::write(&one, "1")?;
    /// let mut walk = fs::walk(dir.path());
    /// let entry = walk.next_entry().await.expect("an entry")?;
    /// assert_eq!(entry.metadata().await?.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn metadata(&self) -> io::Result<Metadata> {
        if self.through_link && !self.file_type.is_symlink() {
            super::metadata(self.path()).await
        } else {
            super::symlink_metadata(self.path()).await
        }
    }
}

impl fmt::Debug for WalkEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WalkEntry").field(&self.path()).field(&self.file_type).finish()
    }
}

//! Removing a directory with everything below it.
//!
//! Owns: the order in which that is done, and by whom. Nothing is removed by its path: each
//! directory is opened by its one name in the one above, not through a symbolic link, and what is
//! in it is removed by that descriptor. So a link that somebody puts in the place of a directory
//! meanwhile is removed, and nothing behind it is touched.
//!
//! ```text
//!   job: open, remove files, name subdirectories --> jobs for these, several at once
//!         |                                             '--> job: remove what is empty now
//!         '-- deep down, or with many open: all below by this one job, two open at a time
//! ```
//!
//! Invariants: a path may have any length and a tree any depth, for so many directories only are
//! open at a time; when the future is done or gone, jobs stop at their next entry.

use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::aside::{Stop, lost, spawn};
use super::listing;
use super::named::at;
use super::names::c_name;
use crate::task::BlockingHandle;

/// Jobs that run at once.
const JOBS: usize = 8;
/// Directories that one job takes at most.
const JOB_DIRECTORIES: usize = 16;
/// Directories that may be kept open while others below them are removed.
const OPEN_MAX: usize = 128;
/// How often a name is tried that is a directory and none by turns.
const ATTEMPTS: u32 = 16;
/// How deep directories are kept open.
const DEPTH_MAX: usize = 16;

/// Removes a directory with everything in it. Of a symbolic link, only the link is removed.
///
/// Links below are removed and never followed, also not those that take the place of a directory
/// while it is being removed.
///
/// # Errors
/// Those of openat(2) and unlinkat(2), with the path of what could not be removed: `NotFound`,
/// `NotADirectory`, `PermissionDenied`, …. What was removed before stays removed. What is gone when
/// its turn comes is not an error.
///
/// # Cancel safety
/// Dropping the future stops it at some entry: a part is removed.
///
/// # Kernel
/// unlinkat(2), by several threads at once. A thread is handed over to once for a directory, or for
/// several small ones; `UNLINKAT`, which is always punted, would be once for each entry.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let root = dir.path().join("root");
/// # std::fs::create_dir_all(root.join("a/b"))?;
/// annulus::fs::remove_dir_all(&root).await?;
/// assert!(!root.exists());
/// # Ok(())
/// # }
/// ```
pub async fn remove_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    let name = c_name(path.as_os_str()).map_err(|error| at(REMOVE, path, error))?;
    remove(None, name, path.to_owned()).await.map_err(|failed| failed.named())
}

/// What it is called when it fails.
const REMOVE: &str = "remove";

/// Removes the tree of a name in a directory, or in the working directory.
pub(super) async fn remove(
    base: Option<OwnedFd>,
    name: CString,
    path: PathBuf,
) -> Result<(), Failed> {
    let stop = Stop::default();
    let _stop = stop.on_drop();
    let above = Arc::new(Open { directory: base, path: PathBuf::new(), depth: 0 });
    let root = Task { above: above.clone(), name, path: Some(path), parent: None, is_root: true };
    let mut removal =
        Removal { pending: vec![root], jobs: Vec::new(), waiting: HashMap::new(), made: 0, stop };
    poll_fn(|cx| removal.poll(cx)).await
}

/// What could not be removed, and why.
pub(super) struct Failed {
    path: PathBuf,
    pub(super) error: io::Error,
}

impl Failed {
    fn named(self) -> io::Error {
        at(REMOVE, &self.path, self.error)
    }
}

/// A directory that is open while what is below it is removed.
struct Open {
    /// `None`: the working directory.
    directory: Option<OwnedFd>,
    path: PathBuf,
    depth: usize,
}

impl Open {
    fn fd(&self) -> BorrowedFd<'_> {
        self.directory.as_ref().map_or(CWD, OwnedFd::as_fd)
    }
}

/// A directory to be removed: its name in the one above.
struct Task {
    above: Arc<Open>,
    name: CString,
    /// Of the first one; the others are called by their names.
    path: Option<PathBuf>,
    /// Who waits for it.
    parent: Option<u64>,
    /// It has to be there, and to be a directory or a link.
    is_root: bool,
}

impl Task {
    fn path(&self) -> PathBuf {
        let path = || self.above.path.join(OsStr::from_bytes(self.name.to_bytes()));
        self.path.clone().unwrap_or_else(path)
    }

    fn failed(&self, error: impl Into<io::Error>) -> Failed {
        Failed { path: self.path(), error: error.into() }
    }
}

/// What became of a task.
enum Done {
    /// It is removed.
    Removed(Option<u64>),
    /// It has directories in it, and goes after these.
    Emptied { task: Task, open: Arc<Open>, below: Vec<CString> },
}

type Job = BlockingHandle<Result<Vec<Done>, Failed>>;

/// A removal under way.
struct Removal {
    pending: Vec<Task>,
    jobs: Vec<Job>,
    /// Directories that wait until so many others are removed.
    waiting: HashMap<u64, (usize, Task)>,
    /// Numbers given to those that wait.
    made: u64,
    stop: Stop,
}

impl Removal {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        loop {
            if let Err(failed) = self.start() {
                return Poll::Ready(Err(failed));
            }
            let mut has_come_on = false;
            let mut job = 0;
            while job < self.jobs.len() {
                let Poll::Ready(done) = Pin::new(&mut self.jobs[job]).poll(cx) else {
                    job += 1;
                    continue;
                };
                drop(self.jobs.swap_remove(job));
                has_come_on = true;
                let done =
                    done.map_err(|error| Failed { path: PathBuf::new(), error: lost(&error) });
                match done.and_then(|done| done) {
                    Ok(done) => done.into_iter().for_each(|done| self.take(done)),
                    Err(failed) => return Poll::Ready(Err(failed)),
                }
            }
            if self.jobs.is_empty() && self.pending.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if !has_come_on {
                return Poll::Pending;
            }
        }
    }

    /// Starts as many jobs as there may be.
    fn start(&mut self) -> Result<(), Failed> {
        while self.jobs.len() < JOBS && !self.pending.is_empty() {
            let share = self.pending.len().div_ceil(JOBS).min(JOB_DIRECTORIES);
            let tasks = self.pending.split_off(self.pending.len() - share);
            let (stop, alone) = (self.stop.clone(), self.waiting.len() >= OPEN_MAX);
            let work = move || {
                let done = tasks.into_iter().map(|task| empty(task, &stop, alone));
                done.collect::<Result<Vec<_>, _>>()
            };
            let job = spawn(work).map_err(|error| Failed { path: PathBuf::new(), error })?;
            self.jobs.push(job);
        }
        Ok(())
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Removed(parent) => {
                let Some(number) = parent else { return };
                let Some((left, _)) = self.waiting.get_mut(&number) else { return };
                *left -= 1;
                if *left == 0 {
                    // It is empty now: its turn comes again.
                    self.pending.extend(self.waiting.remove(&number).map(|(_, task)| task));
                }
            }
            Done::Emptied { task, open, below } => {
                self.made += 1;
                let parent = Some(self.made);
                self.waiting.insert(self.made, (below.len(), task));
                self.pending.extend(below.into_iter().map(|name| Task {
                    above: open.clone(),
                    name,
                    path: None,
                    parent,
                    is_root: false,
                }));
            }
        }
    }
}

/// Empties a directory of all but directories, and removes it if it is empty then. Blocks.
fn empty(task: Task, stop: &Stop, alone: bool) -> Result<Done, Failed> {
    let above = task.above.fd();
    if task.is_root && is_link(above, &task.name).map_err(|errno| task.failed(errno))? {
        unlink(above, &task.name).map_err(|errno| task.failed(errno))?;
        return Ok(Done::Removed(None));
    }
    let opened = if task.is_root {
        listing::open_child(above, &task.name).map(Some)
    } else {
        open_or_unlink(above, &task.name)
    };
    let Some(directory) = opened.map_err(|errno| task.failed(errno))? else {
        return Ok(Done::Removed(task.parent));
    };
    let below = remove_files(&directory, stop);
    let below = below.map_err(|(name, error)| Failed { path: join(task.path(), &name), error })?;
    if below.is_empty() {
        drop(directory);
    } else if alone || task.above.depth >= DEPTH_MAX {
        remove_below(directory, below, stop)
            .map_err(|(below, error)| Failed { path: task.path().join(below), error })?;
    } else {
        let (path, depth) = (task.path(), task.above.depth + 1);
        let open = Arc::new(Open { directory: Some(directory), path, depth });
        return Ok(Done::Emptied { task, open, below });
    }
    match rustix::fs::unlinkat(above, &*task.name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(Done::Removed(task.parent)),
        Err(errno) => Err(task.failed(errno)),
    }
}

fn join(mut path: PathBuf, name: &CString) -> PathBuf {
    if !name.is_empty() {
        path.push(OsStr::from_bytes(name.to_bytes()));
    }
    path
}

fn is_link(above: BorrowedFd<'_>, name: &CString) -> rustix::io::Result<bool> {
    let stat = rustix::fs::statat(above, &**name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Symlink)
}

/// Removes what is no directory. What is gone already is as good.
fn unlink(above: BorrowedFd<'_>, name: &CString) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(above, &**name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

/// Opens a directory by its name; removes what has taken its place. `None` if nothing is left.
fn open_or_unlink(above: BorrowedFd<'_>, name: &CString) -> rustix::io::Result<Option<OwnedFd>> {
    for _ in 0..ATTEMPTS {
        match listing::open_child(above, name) {
            Ok(directory) => return Ok(Some(directory)),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => return Err(errno),
        }
        match unlink(above, name) {
            Ok(()) => return Ok(None),
            // It is a directory again.
            Err(Errno::ISDIR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::ISDIR)
}

/// Removes what is no directory from a directory, and gives the names of the others; or the name of
/// what could not be removed (none for the directory itself), and why.
fn remove_files(directory: &OwnedFd, stop: &Stop) -> Result<Vec<CString>, (CString, io::Error)> {
    let mut below = Vec::new();
    let mut failed = None;
    loop {
        let more = listing::read(directory, |found| {
            if failed.is_some() {
                return;
            }
            let is_dir = found.kind.is_some_and(|kind| kind.is_dir());
            let name = listing::c_name(found.name);
            let removed = match stop.check() {
                Ok(()) if is_dir => Err(Errno::ISDIR.into()),
                Ok(()) => unlink(directory.as_fd(), &name).map_err(io::Error::from),
                Err(error) => Err(error),
            };
            match removed {
                Ok(()) => {}
                // It is one, or has become one.
                Err(error) if error.raw_os_error() == Some(libc::EISDIR) => below.push(name),
                Err(error) => failed = Some((name, error)),
            }
        });
        if let Some(failed) = failed {
            return Err(failed);
        }
        if !more.map_err(|error| (CString::default(), error))? {
            return Ok(below);
        }
    }
}

/// A directory that was left downwards.
struct Level {
    identity: (u64, u64),
    /// The name of the one below.
    name: CString,
    /// What is still to be removed in it.
    left: Vec<CString>,
}

/// Removes everything below a directory, with two directories open at a time: the way up is `..`,
/// which has to lead to where the way down came from. Gives what could not be removed, and why.
fn remove_below(
    directory: OwnedFd,
    below: Vec<CString>,
    stop: &Stop,
) -> Result<(), (PathBuf, io::Error)> {
    let (mut here, mut left, mut levels) = (directory, below, Vec::<Level>::new());
    let path = |levels: &[Level], name: &CString| {
        let names = levels.iter().map(|level| &level.name).chain([name]);
        names.map(|name| OsStr::from_bytes(name.to_bytes())).collect::<PathBuf>()
    };
    loop {
        let step = match left.pop() {
            Some(name) => down(&mut here, &mut left, &mut levels, name, stop),
            None => match levels.pop() {
                Some(level) => up(&mut here, &mut left, level),
                None => return Ok(()),
            },
        };
        step.map_err(|(name, error)| (path(&levels, &name), error))?;
    }
}

/// Goes into a directory by its name and removes its files.
fn down(
    here: &mut OwnedFd,
    left: &mut Vec<CString>,
    levels: &mut Vec<Level>,
    name: CString,
    stop: &Stop,
) -> Result<(), (CString, io::Error)> {
    let child = match open_or_unlink(here.as_fd(), &name) {
        Ok(Some(child)) => child,
        Ok(None) => return Ok(()),
        Err(errno) => return Err((name, errno.into())),
    };
    let identity = identity(here).map_err(|errno| (name.clone(), errno.into()))?;
    let below = remove_files(&child, stop);
    levels.push(Level { identity, name, left: std::mem::take(left) });
    *here = child;
    *left = below?;
    Ok(())
}

/// Goes back, and removes the directory that is empty now.
fn up(
    here: &mut OwnedFd,
    left: &mut Vec<CString>,
    level: Level,
) -> Result<(), (CString, io::Error)> {
    let Level { identity: known, name, left: others } = level;
    let back = || {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = rustix::fs::openat(&*here, c"..", flags, Mode::empty())?;
        if identity(&parent)? != known {
            return Err(io::Error::other("it was moved while it was being removed"));
        }
        match rustix::fs::unlinkat(&parent, &*name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(parent),
            Err(errno) => Err(errno.into()),
        }
    };
    let parent = back();
    *here = parent.map_err(|error| (name, error))?;
    *left = others;
    Ok(())
}

/// Device and inode.
fn identity(directory: &OwnedFd) -> rustix::io::Result<(u64, u64)> {
    let stat = rustix::fs::fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}

//! The directory that is served: [`Site`] over the runtime's files.
//!
//! Owns: how files beneath the root are opened, read, and kept open for the next request. Knows
//! nothing of HTTP.
//!
//! A file that is kept open is asked at each request whether it is still what it was: its length,
//! times, names and mode. So a file that was written, replaced, renamed, removed or forbidden is
//! opened anew at once. What a file cannot know, a directory or a symbolic link on its path that
//! leads elsewhere now, is seen when its time is over.
//!
//! Invariant: what an answer says of a file was asked of the very file that its bytes come from,
//! after the request had come.

use std::cell::RefCell;
use std::io;
use std::ops::{Deref, Range};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::{Rc, Weak};
use std::time::SystemTime;

use annulus::buf::IoBufMut;
use annulus::fs::{Dir, File, Metadata, OpenOptions};
use annulus::runtime::is_stopping;
use annulus::task::AbortHandle;
use annulus::time::{Instant, sleep};

use super::described::Described;
use super::entity::{Facts, Kind};
use super::listing::{self, Listing};
use super::open_files::{Keeping, OpenFiles};
use super::wire::Site;

/// An open file, and what was known of it when it was opened.
pub struct Opened {
    file: File,
    facts: Facts,
    state: State,
    described: RefCell<Option<Rc<Described>>>,
}

/// What changes when anything about a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    len: u64,
    modified: (i64, i64),
    /// Names and mode change it, too.
    changed: (i64, i64),
    links: u64,
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        Self {
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            links: metadata.nlink(),
        }
    }
}

impl Opened {
    fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let kind = match () {
            () if metadata.is_file() => Kind::File,
            () if metadata.is_dir() => Kind::Directory,
            () => Kind::Other,
        };
        let (modified, inode) = (metadata.modified(), metadata.ino());
        let facts = Facts { kind, len: metadata.len(), modified, inode };
        Ok(Self { file, facts, state: State::of(&metadata), described: RefCell::new(None) })
    }

    /// Whether everything is as it was when it was opened.
    fn is_unchanged(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| State::of(&metadata) == self.state)
    }
}

impl Deref for Opened {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

/// The directory that is served.
pub struct Beneath {
    root: Dir,
    options: OpenOptions,
    kept: Rc<OpenFiles<Opened>>,
    /// Who lets go of files that nobody asks for any more.
    sweeper: RefCell<Option<AbortHandle>>,
}

impl Beneath {
    /// Opens the root, for files to be kept open as `kept` says.
    ///
    /// # Errors
    /// The kernel's.
    pub async fn open(root: &Path, kept: OpenFiles<Opened>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        // A pipe must not be waited for, nor a terminal become ours; for files neither flag
        // matters.
        options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        let root = Dir::open(root).await?;
        Ok(Self { root, options, kept: Rc::new(kept), sweeper: RefCell::new(None) })
    }

    async fn open_anew(&self, path: &Path) -> io::Result<Opened> {
        Opened::new(self.root.open_beneath(path, &self.options).await?)
    }

    /// As `open_anew`; if no descriptor is left, those of the files that are kept are given up.
    async fn open_somehow(&self, path: &Path) -> io::Result<Opened> {
        match self.open_anew(path).await {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                let kept = self.kept.clear();
                if kept.is_empty() {
                    return Err(error);
                }
                // Those in use close when their users are done.
                for file in kept.into_iter().filter_map(|file| Rc::try_unwrap(file).ok()) {
                    let _ = file.file.close().await;
                }
                self.open_anew(path).await
            }
            opened => opened,
        }
    }

    /// Lets go of the files that are kept, and keeps none any more: the runtime is to stop, and
    /// would wait for the time of each to be over.
    pub fn stop(&self) {
        if let Some(sweeper) = self.sweeper.take() {
            sweeper.abort();
        }
        drop(self.kept.clear());
    }

    fn keep(&self, path: &[u8], file: &Rc<Opened>) {
        if is_stopping() {
            return;
        }
        if self.kept.keep(path, file, Instant::now()) == Keeping::First {
            let sweeper = annulus::spawn(sweep(Rc::downgrade(&self.kept), self.kept.valid()));
            let before = self.sweeper.replace(Some(sweeper.abort_handle()));
            sweeper.detach();
            if let Some(before) = before {
                before.abort();
            }
        }
    }
}

impl Drop for Beneath {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Closes files that nobody asked for, until there are none.
async fn sweep(kept: Weak<OpenFiles<Opened>>, valid: std::time::Duration) {
    loop {
        sleep(valid).await;
        let some_left = kept.upgrade().is_some_and(|kept| kept.sweep(Instant::now()));
        if !some_left {
            return;
        }
    }
}

impl Site for Beneath {
    type File = Rc<Opened>;

    async fn open(&self, path: &Path) -> io::Result<(Rc<Opened>, Facts)> {
        let name = path.as_os_str().as_bytes();
        if let Some(file) = self.kept.find(name, Instant::now()) {
            if file.is_unchanged() {
                let facts = file.facts;
                return Ok((file, facts));
            }
            self.kept.forget(name);
        }
        let file = Rc::new(self.open_somehow(path).await?);
        let facts = file.facts;
        if facts.kind == Kind::File && file.state.links > 0 {
            self.keep(name, &file);
        }
        Ok((file, facts))
    }

    fn described(
        &self,
        file: &Rc<Opened>,
        (path, facts): (&Path, &Facts),
        now: SystemTime,
    ) -> Rc<Described> {
        let mut described = file.described.borrow_mut();
        match &*described {
            Some(described) if described.holds(now) => described.clone(),
            _ => described.insert(Rc::new(Described::new(path, facts, now))).clone(),
        }
    }

    async fn append(
        &self,
        file: &Rc<Opened>,
        part: Range<u64>,
        mut buf: Vec<u8>,
    ) -> (io::Result<()>, Vec<u8>) {
        let before = buf.len();
        let bytes = (part.end - part.start) as usize;
        buf.reserve(bytes);
        // What is in memory is there at once; the ring would come back in the next turn.
        let mut buf = match file.try_read_at(buf.slice_mut(before..before + bytes), part.start) {
            Ok((n, slice)) if n == bytes => return (Ok(()), slice.into_inner()),
            Ok((_, slice)) => slice.into_inner(),
            Err(error) => match error.into_parts() {
                (_, Some(slice)) => slice.into_inner(),
                (error, None) => return (Err(error), Vec::new()),
            },
        };
        buf.truncate(before);
        match file.read_exact_at(buf.slice_mut(before..before + bytes), part.start).await {
            Ok(((), slice)) => (Ok(()), slice.into_inner()),
            Err(error) => {
                let (error, slice) = error.into_parts();
                let mut buf = slice.map(|slice| slice.into_inner()).unwrap_or_default();
                buf.truncate(before);
                (Err(error), buf)
            }
        }
    }

    async fn entries(&self, directory: &Rc<Opened>) -> io::Result<Listing> {
        listing::read_aside(directory.as_fd().try_clone_to_owned()?).await
    }
}

#[cfg(test)]
mod tests;

//! Names for a while: how they are chosen, and how they go away.
//!
//! Owns: [`Temporary`], a name that is removed when it is dropped. Does not own: what has the name.
//!
//! Removing may block, and a destructor cannot wait. So what is dropped on a core goes to one of
//! the threads for what blocks (`core/workers`), and nobody waits for it. Where there is no core
//! the destructor does it itself; so does the queue of those threads if it is dropped with the
//! runtime.
//!
//! Invariants: what is removed was made under this name, by this process: not what a stranger had
//! there before, and not that of a parent if this is a forked child.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::core::with_any;
use crate::core::workers::{Job, Refused};

/// Names that are tried before one gives up, for of 2^60 they are all taken; and how often a tree
/// is removed in which something is made meanwhile.
pub(super) const TRIES: usize = 64;

/// What has a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    File,
    /// With all that is in it.
    Tree,
}

/// A name, which goes away with this if it is there.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    kind: Kind,
    there: AtomicBool,
    process: u32,
}

impl Temporary {
    /// A name that nothing has yet.
    pub(super) fn new(path: PathBuf, kind: Kind) -> Self {
        let (there, process) = (AtomicBool::new(false), std::process::id());
        Self { path, kind, there, process }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// It was made, or is no more.
    pub(super) fn set_there(&self, there: bool) {
        // ORDERING: relaxed; the destructor, which reads it, has it to itself.
        self.there.store(there, Ordering::Relaxed);
    }

    /// Whether something has the name.
    pub(super) fn is_there(&self) -> bool {
        // ORDERING: relaxed; whoever asks has it to itself.
        self.there.load(Ordering::Relaxed)
    }

    /// Lets it stay, and gives its name.
    pub(super) fn keep(mut self) -> PathBuf {
        self.set_there(false);
        std::mem::take(&mut self.path)
    }

    /// What is to be removed, if anything is.
    fn take(&mut self) -> Option<(PathBuf, Kind)> {
        let there = std::mem::take(self.there.get_mut()) && self.process == std::process::id();
        there.then(|| (std::mem::take(&mut self.path), self.kind))
    }

    /// Removes it here and now, on a thread where that may block.
    pub(super) fn remove(mut self) -> io::Result<()> {
        self.take().map_or(Ok(()), |(path, kind)| remove(&path, kind))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some((path, kind)) = self.take() {
            elsewhere(Removal { path, kind });
        }
    }
}

/// A removal that happens when it is dropped, wherever that is.
struct Removal {
    path: PathBuf,
    kind: Kind,
}

impl Drop for Removal {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = remove(&self.path, self.kind);
    }
}

fn remove(path: &Path, kind: Kind) -> io::Result<()> {
    match kind {
        Kind::File => std::fs::remove_file(path),
        Kind::Tree => remove_tree(path),
    }
}

/// Removes a directory with all that is in it, and with what comes meanwhile: an operation whose
/// future was dropped may make a file there late.
fn remove_tree(path: &Path) -> io::Result<()> {
    for _ in 1..TRIES {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            removed => return removed,
        }
    }
    std::fs::remove_dir_all(path)
}

/// Drops it on a thread where it may block.
fn elsewhere(removal: Removal) {
    let Ok(workers) = with_any(|core| core.blocking.clone()) else {
        return; // No core waits for this thread.
    };
    let job: Job = Box::new(move || drop(removal));
    if let Err(Refused::Full(job)) = workers.push(job, None) {
        // Too many wait already. Without a thread of its own it is done here, late but not never.
        let _ = thread::Builder::new().name("annulus-remove".into()).spawn(job);
    }
}

/// A name that hardly anybody else chooses at the same time.
pub(super) fn unlikely_name(prefix: &str) -> String {
    // The keys of a map's hasher are random, and differ from call to call. A forked child has its
    // parent's, so the process counts too.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    let mut bits = hasher.finish();
    let mut name = String::from(prefix);
    for _ in 0..12 {
        name.push(char::from(b"abcdefghijklmnopqrstuvwxyz234567"[(bits & 31) as usize]));
        bits >>= 5;
    }
    name
}

/// A name in a directory that hardly anybody else chooses.
pub(super) fn unlikely_path(directory: &Path, prefix: &str) -> PathBuf {
    directory.join(unlikely_name(prefix))
}

/// All names that were tried were taken.
pub(super) fn all_taken(directory: &Path) -> io::Error {
    let text = format!("{TRIES} random names were taken in `{}`", directory.display());
    io::Error::new(io::ErrorKind::AlreadyExists, text)
}

/// A path that stays the same wherever the process goes.
pub(super) fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

#[cfg(test)]
mod tests;

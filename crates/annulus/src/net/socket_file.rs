//! The file of a Unix socket: whose it is, and when it goes.
//!
//! Owns: removing files of sockets, of this process or of one that is no more. Does not own: the
//! sockets (`unix_listener`, `serve`). Mirrors unix(7).
//!
//! Invariant: a file is removed only if it is the one that was meant, by device and inode.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// The file of a listener, removed with it.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    id: FileId,
}

/// Which one of the files that were ever at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    /// Of no file.
    const NONE: Self = Self { device: 0, inode: 0 };

    fn at(path: &Path) -> io::Result<Self> {
        fs::symlink_metadata(path).map(|file| Self::of(&file))
    }

    fn of(file: &fs::Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino() }
    }
}

impl SocketFile {
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        // The working directory may be another one by then.
        let path = std::path::absolute(path)?;
        let id = FileId::at(&path)?;
        Ok(Self { path, id })
    }

    /// The one that another process made; whatever else may be at the path by now stays.
    pub(crate) fn of_other(path: &Path, id: FileId) -> io::Result<Self> {
        Ok(Self { path: std::path::absolute(path)?, id })
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Somebody else listens there now: the file stays.
    pub(crate) fn leave(mut self) {
        self.id = FileId::NONE;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if FileId::at(&self.path).is_ok_and(|id| id == self.id) {
            // There is nobody to tell, and the next one to bind will hear of it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket at this path that no process has any more, if that is what is there.
///
/// Between looking and removing, another process may remove it as well, and put a socket of its own
/// in its place. So what is there is moved aside first, and goes only if it is what was looked at;
/// else it is moved back. What remains: who looks for that other process in between finds no name,
/// and if a third one takes the name in between, the name of the other is lost to it.
pub(crate) fn remove_leftover(path: &Path) -> io::Result<()> {
    match leftover(path)? {
        Some(found) => take_away(path, FileId::of(&found.metadata()?)),
        None => Ok(()),
    }
}

/// The file of a socket that no process has any more. While it is open, no other file is taken for
/// it; and such a socket is never listened to again, because bind(2) makes a new file.
fn leftover(path: &Path) -> io::Result<Option<File>> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    let found = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !found.metadata()?.file_type().is_socket() {
        return Ok(None);
    }
    // A socket of datagrams cannot connect to one of streams, so this neither waits nor bothers
    // whoever listens: EPROTOTYPE if there is somebody, ECONNREFUSED if not.
    let connected = UnixDatagram::unbound()?.connect(path);
    let is_refused = connected.is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
    Ok(is_refused.then_some(found))
}

/// Removes the file at this path if it is this one.
fn take_away(path: &Path, id: FileId) -> io::Result<()> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    // ORDERING: Relaxed; it counts, and nothing is read because of it.
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let aside = path.with_file_name(format!(".{:x}.aside.{number:x}", std::process::id()));
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        moved => moved?,
    }
    if FileId::at(&aside)? == id {
        return fs::remove_file(&aside);
    }
    // Whoever has come meanwhile has its name again, by a rename or, where the file system has none
    // that spares others, by a second name. If somebody else has that, it stays aside.
    let moved = renameat_with(CWD, &aside, CWD, path, RenameFlags::NOREPLACE);
    if moved.is_err() && fs::hard_link(&aside, path).is_ok() {
        fs::remove_file(&aside)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

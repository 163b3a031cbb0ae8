//! Reading directories, on threads where that may block: getdents64(2) has no operation.
//!
//! Owns: how a directory is opened and a batch of its entries is read. Does not own: the threads,
//! nor who asks for the next batch (`read_dir`, `walk`, `remove_tree`). Invariant: a batch owns the
//! descriptor that the next one needs, so whoever drops it closes the directory.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::FileType;

/// What one getdents64(2) may give, in bytes.
const DENTS_BYTES: usize = 32 * 1024;
/// How many entries a batch has at least, if the directory has more.
const BATCH_ENTRIES: usize = 1024;
/// Longer paths have to be walked in pieces.
const PIECE_BYTES: usize = libc::PATH_MAX as usize - 1;

/// An entry as the directory has it.
pub(super) struct Found {
    pub(super) name: OsString,
    /// `None` if neither the directory nor a look at the file says so: it is gone, perhaps.
    pub(super) kind: Option<FileType>,
    pub(super) ino: u64,
}

/// Some entries of a directory.
pub(super) struct Batch {
    pub(super) entries: Vec<Found>,
    /// The directory, if there is more; or why there is not.
    pub(super) rest: io::Result<Option<OwnedFd>>,
}

/// Opens a directory for reading it.
///
/// # Errors
/// Those of openat(2).
pub(super) fn open(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
        Err(Errno::NAMETOOLONG) if path.as_os_str().len() >= PIECE_BYTES => {
            open_in_pieces(path.as_os_str().as_bytes(), flags)
        }
        opened => Ok(opened?),
    }
}

/// Opens what has a longer path than the kernel takes at once.
fn open_in_pieces(path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let mut at: Option<OwnedFd> = None;
    let mut rest = path;
    while rest.len() >= PIECE_BYTES {
        let slash = rest[..PIECE_BYTES].iter().rposition(|&byte| byte == b'/');
        // A path that begins with a slash is not cut there.
        let Some(end) = slash.filter(|&end| end > 0) else {
            return Err(Errno::NAMETOOLONG.into());
        };
        let dir = at.as_ref().map_or(CWD, OwnedFd::as_fd);
        let steps = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        at = Some(rustix::fs::openat(dir, OsStr::from_bytes(&rest[..end]), steps, Mode::empty())?);
        // What follows is relative, however many slashes are between.
        let next = rest[end..].iter().position(|&byte| byte != b'/');
        rest = next.map_or(b".", |next| &rest[end + next..]);
    }
    let dir = at.as_ref().map_or(CWD, OwnedFd::as_fd);
    Ok(rustix::fs::openat(dir, OsStr::from_bytes(rest), flags, Mode::empty())?)
}

/// Opens a directory by its name in another one; not through a symbolic link.
///
/// # Errors
/// Those of openat(2): `NotADirectory`, also for a symbolic link.
pub(super) fn open_child(dir: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// Reads the next entries of a directory.
pub(super) fn batch(dir: OwnedFd) -> Batch {
    let mut entries = Vec::new();
    let rest = match read(&dir, |found| entries.push(found)) {
        Ok(true) => Ok(Some(dir)),
        Ok(false) => Ok(None),
        Err(error) => Err(error),
    };
    Batch { entries, rest }
}

/// Shows the next entries of a directory, a batch of them. False at its end.
///
/// # Errors
/// Those of getdents64(2). A directory that was removed is empty.
pub(super) fn read(dir: &OwnedFd, mut see: impl FnMut(Found)) -> io::Result<bool> {
    let mut buffer = Vec::with_capacity(DENTS_BYTES);
    let mut raw = RawDir::new(dir.as_fd(), buffer.spare_capacity_mut());
    let mut seen = 0;
    while seen < BATCH_ENTRIES || !raw.is_buffer_empty() {
        let entry = match raw.next() {
            None | Some(Err(Errno::NOENT)) => return Ok(false),
            Some(Err(Errno::INTR)) => continue,
            Some(entry) => entry?,
        };
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = kind_of(dir.as_fd(), name, entry.file_type());
        see(Found { name: OsString::from_vec(name.to_bytes().to_vec()), kind, ino: entry.ino() });
        seen += 1;
    }
    Ok(true)
}

/// What kind of file an entry is: the directory says it, or else its file.
fn kind_of(dir: BorrowedFd<'_>, name: &CStr, known: rustix::fs::FileType) -> Option<FileType> {
    if known != rustix::fs::FileType::Unknown {
        return Some(FileType::from_mode(known.as_raw_mode()));
    }
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_mode(stat.st_mode))
}

/// The name of an entry as the kernel takes it.
pub(super) fn c_name(name: OsString) -> CString {
    // The kernel gave it with a zero byte at its end, so it has none elsewhere.
    CString::new(name.into_vec()).unwrap_or_default()
}

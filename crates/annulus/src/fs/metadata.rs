//! What is known of a file besides its contents.

mod details;

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::FileType;
use super::named::at;
use super::open_options::c_path;
use super::request::{Request, Told, named, path_of};
use crate::core::name_op::Failed;
use crate::core::path_op::{StatPath, blank_statx};
use crate::op::OpExt;

pub(super) use details::MASK;

/// Metadata of a path; symbolic links are followed.
///
/// # Errors
/// Those of statx(2): `NotFound`, `PermissionDenied`, …, with the path.
///
/// # Cancel safety
/// Nothing is changed.
///
/// # Kernel
/// `STATX`, 5.6; always punted, because resolving a path may block. For an open file,
/// [`File::metadata`](super::File::metadata) costs a thirtieth.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// assert!(annulus::fs::metadata("/").await?.is_dir());
/// # Ok(())
/// # }
/// ```
pub fn metadata<P: AsRef<Path>>(path: P) -> impl OpExt<Output = io::Result<Metadata>> + use<P> {
    stat(path.as_ref(), 0)
}

/// Metadata of a path; a symbolic link at its end is not followed.
///
/// # Errors
/// As [`metadata`].
///
/// # Cancel safety
/// Nothing is changed.
///
/// # Kernel
/// `STATX` with `AT_SYMLINK_NOFOLLOW`, 5.6; always punted, because resolving a path may block.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// let link = dir.path().join("link");
/// annulus::fs::symlink("/", &link).await?;
/// assert!(annulus::fs::symlink_metadata(&link).await?.is_symlink());
/// # Ok(())
/// # }
/// ```
pub fn symlink_metadata<P: AsRef<Path>>(
    path: P,
) -> impl OpExt<Output = io::Result<Metadata>> + use<P> {
    stat(path.as_ref(), libc::AT_SYMLINK_NOFOLLOW)
}

/// The future of a look at a path.
type Looking = Request<'static, StatPath, io::Result<Metadata>>;

fn stat(path: &Path, flags: i32) -> Looking {
    let description = match c_path(path) {
        Ok(c_path) => Ok(StatPath { path: c_path, flags, out: blank_statx() }),
        Err(error) => Err(Err(at(LOOK, path, error))),
    };
    Request::new(description, looked)
}

fn looked(stat: Result<Box<libc::statx>, Failed<StatPath>>) -> io::Result<Metadata> {
    stat.map(|stat| Metadata::from_statx(*stat)).map_err(named)
}

/// What it is called when it fails.
const LOOK: &str = "look at";

impl Told for StatPath {
    fn tell(&self, error: io::Error) -> io::Error {
        at(LOOK, path_of(&self.path), error)
    }
}

/// Size, times, kind and permissions of a file.
#[derive(Clone, Copy)]
pub struct Metadata {
    stat: libc::statx,
}

impl Metadata {
    pub(super) fn from_statx(stat: libc::statx) -> Self {
        Self { stat }
    }

    /// The size in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a file is no collection; std has none either")]
    pub fn len(&self) -> u64 {
        self.stat.stx_size
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind() == libc::S_IFREG
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind() == libc::S_IFDIR
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.kind() == libc::S_IFLNK
    }

    /// What kind of file it is.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        FileType::from_mode(self.mode())
    }

    fn kind(&self) -> u32 {
        u32::from(self.stat.stx_mode) & libc::S_IFMT
    }

    /// Kind and permission bits, as in `st_mode`.
    #[must_use]
    pub fn mode(&self) -> u32 {
        u32::from(self.stat.stx_mode)
    }

    /// The inode number.
    #[must_use]
    pub fn ino(&self) -> u64 {
        self.stat.stx_ino
    }

    /// When the contents were last changed.
    #[must_use]
    pub fn modified(&self) -> SystemTime {
        system_time(self.stat.stx_mtime)
    }

    /// When the contents were last read, as far as the mount keeps track.
    #[must_use]
    pub fn accessed(&self) -> SystemTime {
        system_time(self.stat.stx_atime)
    }

    /// When the file was made, where the file system knows.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        (self.stat.stx_mask & libc::STATX_BTIME != 0).then(|| system_time(self.stat.stx_btime))
    }
}

impl std::fmt::Debug for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metadata")
            .field("mode", &format_args!("{:o}", self.mode()))
            .field("len", &self.len())
            .field("modified", &self.modified())
            .finish_non_exhaustive()
    }
}

fn system_time(time: libc::statx_timestamp) -> SystemTime {
    let whole = Duration::from_secs(time.tv_sec.unsigned_abs());
    let part = Duration::from_nanos(u64::from(time.tv_nsec));
    if time.tv_sec >= 0 { UNIX_EPOCH + whole + part } else { UNIX_EPOCH - whole + part }
}

//! What a file has besides its contents, set by its path; and what its file system has room for.
//!
//! Owns: the functions. None of these calls has an operation of the ring, so each is made on a
//! thread where it may block.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT};

use super::aside::aside;
use super::named::at;

/// Sets the permissions of a file or directory; symbolic links are followed.
///
/// # Errors
/// Those of chmod(2), with the path: `NotFound`, `PermissionDenied`, ….
///
/// # Cancel safety
/// Dropping the future lets a call that has begun go on.
///
/// # Kernel
/// chmod(2), on a thread where it may block.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # use annulus::fs;
/// # let dir = tempfile::tempdir()?;
/// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
/// # std::fs::write(&one, "1")?;
/// use std::fs::Permissions;
/// use std::os::unix::fs::PermissionsExt as _;
///
/// fs::set_permissions(&one, Permissions::from_mode(0o600)).await?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "chmod")]
pub async fn set_permissions<P: AsRef<Path>>(
    path: P,
    permissions: std::fs::Permissions,
) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    aside(move || {
        let set = std::fs::set_permissions(&path, permissions);
        set.map_err(|error| at("set the permissions of", &path, error))
    })
    .await
}

/// Sets when a file was last read and changed; what is `None` stays. Symbolic links are followed.
///
/// # Errors
/// Those of utimensat(2), with the path; `InvalidInput` for a time that the kernel has no number
/// for.
///
/// # Cancel safety
/// Dropping the future lets a call that has begun go on.
///
/// # Kernel
/// utimensat(2), on a thread where it may block.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file");
/// # std::fs::write(&path, "text")?;
/// use std::time::UNIX_EPOCH;
///
/// annulus::fs::set_times(&path, None, Some(UNIX_EPOCH)).await?;
/// assert_eq!(annulus::fs::metadata(&path).await?.modified(), UNIX_EPOCH);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "utimensat")]
pub async fn set_times<P: AsRef<Path>>(
    path: P,
    accessed: Option<SystemTime>,
    modified: Option<SystemTime>,
) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    aside(move || {
        let set = || {
            let last_access = timespec(accessed)?;
            let times = Timestamps { last_access, last_modification: timespec(modified)? };
            Ok(rustix::fs::utimensat(CWD, &path, &times, AtFlags::empty())?)
        };
        set().map_err(|error| at("set the times of", &path, error))
    })
    .await
}

fn timespec(time: Option<SystemTime>) -> io::Result<Timespec> {
    let Some(time) = time else {
        return Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT });
    };
    let seconds = |part: Duration| i64::try_from(part.as_secs());
    let found = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => seconds(since).map(|whole| (whole, since.subsec_nanos())),
        // The nanoseconds count forwards, so the second is the one before.
        Err(before) => {
            let before = before.duration();
            seconds(before).map(|whole| match before.subsec_nanos() {
                0 => (-whole, 0),
                part => (-whole - 1, 1_000_000_000 - part),
            })
        }
    };
    let (tv_sec, nanoseconds) = found.map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "the kernel has no number for this time")
    })?;
    Ok(Timespec { tv_sec, tv_nsec: i64::from(nanoseconds) })
}

/// Gives a file to a user and a group; what is `None` stays. Symbolic links are followed.
///
/// # Errors
/// Those of chown(2), with the path: `PermissionDenied`, ….
///
/// # Cancel safety
/// Dropping the future lets a call that has begun go on.
///
/// # Kernel
/// chown(2), on a thread where it may block.
///
/// ```no_run
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # use annulus::fs;
/// # let dir = tempfile::tempdir()?;
/// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
/// # std::fs::write(&one, "1")?;
/// fs::chown(&one, Some(1000), None).await?;
/// # Ok(())
/// # }
/// ```
pub async fn chown<P: AsRef<Path>>(path: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    aside(move || {
        let given = std::os::unix::fs::chown(&path, uid, gid);
        given.map_err(|error| at("give away", &path, error))
    })
    .await
}

/// As [`chown`], of a symbolic link itself.
///
/// # Errors
/// As [`chown`].
///
/// # Cancel safety
/// Dropping the future lets a call that has begun go on.
///
/// # Kernel
/// lchown(2), on a thread where it may block.
///
/// ```no_run
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # use annulus::fs;
/// # let dir = tempfile::tempdir()?;
/// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
/// # std::fs::write(&one, "1")?;
/// fs::lchown(&one, Some(1000), None).await?;
/// # Ok(())
/// # }
/// ```
pub async fn lchown<P: AsRef<Path>>(path: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    aside(move || {
        let given = std::os::unix::fs::lchown(&path, uid, gid);
        given.map_err(|error| at("give away", &path, error))
    })
    .await
}

/// How much room a file system has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// In all, in bytes.
    pub total_bytes: u64,
    /// Not in use, in bytes.
    pub free_bytes: u64,
    /// Not in use and not kept for root, in bytes.
    pub available_bytes: u64,
}

/// How much room there is on the file system that a path is on.
///
/// # Errors
/// Those of statvfs(3), with the path.
///
/// # Cancel safety
/// Nothing is changed.
///
/// # Kernel
/// statfs(2), on a thread where it may block.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// let space = annulus::fs::space("/").await?;
/// assert!(space.available_bytes <= space.total_bytes);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "statvfs")]
#[doc(alias = "statfs")]
pub async fn space<P: AsRef<Path>>(path: P) -> io::Result<Space> {
    let path = path.as_ref().to_owned();
    aside(move || {
        let found = rustix::fs::statvfs(&path);
        let found = found.map_err(|errno| at("look at the file system of", &path, errno.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Space {
            total_bytes: bytes(found.f_blocks),
            free_bytes: bytes(found.f_bfree),
            available_bytes: bytes(found.f_bavail),
        })
    })
    .await
}

//! Making directories, one or with all above it.

use std::io;
use std::path::Path;

use super::names::{Doing, with_one};
use crate::core::name_op::MakeDir;
use crate::op::OpExt;

/// Permissions of a new directory, before the umask.
const MODE: u32 = 0o777;

/// Makes a directory. What is above it has to be there.
///
/// # Errors
/// Those of mkdir(2), with the path: `AlreadyExists`, `NotFound`, `PermissionDenied`, ….
///
/// # Cancel safety
/// Dropping the future may or may not undo it.
///
/// # Kernel
/// `MKDIRAT`, 5.15; always punted. mkdirat(2) on a thread where the ring may not do it.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// annulus::fs::create_dir(dir.path().join("below")).await?;
/// assert!(dir.path().join("below").is_dir());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "mkdir")]
pub fn create_dir<P: AsRef<Path>>(path: P) -> impl OpExt<Output = io::Result<()>> + use<P> {
    make(path.as_ref(), MODE)
}

/// Makes a directory and those above it that are missing. One that is there already is not an
/// error.
///
/// # Errors
/// As [`create_dir`], with the path of the directory that could not be made.
///
/// # Cancel safety
/// Dropping the future leaves those that were made so far.
///
/// # Kernel
/// As [`create_dir`], for each directory that is missing.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// annulus::fs::create_dir_all(dir.path().join("a/b/c")).await?;
/// assert!(dir.path().join("a/b/c").is_dir());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "mkdir")]
pub async fn create_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    make_all(path.as_ref(), MODE).await
}

/// How a directory is made: the options of `std::fs::DirBuilder`.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::fs::DirBuilder;
/// # let dir = tempfile::tempdir()?;
///
/// DirBuilder::new().recursive(true).mode(0o700).create(dir.path().join("a/b")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DirBuilder {
    mode: u32,
    recursive: bool,
}

impl Default for DirBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl DirBuilder {
    /// One directory, of mode `0o777` before the umask.
    #[must_use]
    pub fn new() -> Self {
        Self { mode: MODE, recursive: false }
    }

    /// Those above it, too, where they are missing; what is there already is not an error then.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// Permission bits of every directory that is made, before the umask.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// As [`create_dir`], or [`create_dir_all`] if it is recursive.
    ///
    /// # Cancel safety
    /// As there.
    ///
    /// # Kernel
    /// As there.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::DirBuilder;
    ///
    /// DirBuilder::new().mode(0o700).create(dir.path().join("private")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        if self.recursive {
            make_all(path.as_ref(), self.mode).await
        } else {
            make(path.as_ref(), self.mode).await
        }
    }
}

fn make(path: &Path, mode: u32) -> Doing<MakeDir> {
    with_one(path, mode)
}

async fn make_all(path: &Path, mode: u32) -> io::Result<()> {
    // Up to the first that is there or can be made, then down again.
    let mut missing = Vec::new();
    for ancestor in path.ancestors() {
        if ancestor.as_os_str().is_empty() || made(ancestor, mode).await? {
            break;
        }
        missing.push(ancestor);
    }
    for directory in missing.into_iter().rev() {
        if !made(directory, mode).await? {
            // What was above it a moment ago is not there any more.
            return make(directory, mode).await;
        }
    }
    Ok(())
}

/// Makes one, if there is none. False if what should be above it is missing.
async fn made(path: &Path, mode: u32) -> io::Result<bool> {
    let error = match make(path, mode).await {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => error,
    };
    match super::metadata(path).await {
        Ok(there) if there.is_dir() => Ok(true),
        _ => Err(error),
    }
}

//! Directories for a while.
//!
//! Owns: [`TempDir`]. Does not own: names, and how they go away (`temporary`). Mirrors mkdtemp(3).

use std::env;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::file::thread_ended;
use super::temp_file::removed;
use super::temporary::{Kind, TRIES, Temporary, absolute, all_taken, unlikely_path};
use crate::task::spawn_blocking;

/// A directory that is removed, with all that is in it, when this is dropped.
///
/// Dropped on a core, a thread for what blocks removes it, so that the core goes on; the end of the
/// runtime waits for that. Dropped where no core is, it is removed there and then.
/// [`close`](Self::close) waits, and reports errors.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::fs::{File, TempDir};
///
/// let directory = TempDir::new().await?;
/// File::create(directory.path().join("scratch")).await?.write_all_at("text", 0).await?;
/// let path = directory.path().to_owned();
/// directory.close().await?;
/// assert!(!path.exists());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TempDir {
    name: Temporary,
}

impl TempDir {
    /// One in the directory for temporary files (`TMPDIR`, else `/tmp`).
    ///
    /// # Errors
    /// As [`new_in`](Self::new_in).
    ///
    /// # Cancel safety
    /// As [`new_in`](Self::new_in).
    ///
    /// # Kernel
    /// As [`new_in`](Self::new_in).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let dir = annulus::fs::TempDir::new().await?;
    /// assert!(dir.path().is_dir());
    /// dir.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn new() -> io::Result<Self> {
        Self::new_in(env::temp_dir()).await
    }

    /// One in a directory, which only its owner may open.
    ///
    /// # Errors
    /// Those of mkdir(2).
    ///
    /// # Cancel safety
    /// Dropping the future leaves no directory.
    ///
    /// # Kernel
    /// mkdir(2) on a thread of [`spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # let parent = dir.path();
    /// let dir = annulus::fs::TempDir::new_in(parent).await?;
    /// assert!(dir.path().starts_with(parent));
    /// dir.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "mkdtemp")]
    pub async fn new_in<P: AsRef<Path>>(parent: P) -> io::Result<Self> {
        let parent = absolute(parent.as_ref())?;
        let make = move || {
            for _ in 0..TRIES {
                let name = Temporary::new(unlikely_path(&parent, "tmp-"), Kind::Tree);
                match std::fs::DirBuilder::new().mode(0o700).create(name.path()) {
                    Ok(()) => {
                        // From here on it goes away with this, also if nobody takes the result.
                        name.set_there(true);
                        return Ok(Self { name });
                    }
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
            }
            Err(all_taken(&parent))
        };
        thread_ended(spawn_blocking(make).await)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.name.path()
    }

    /// Lets it stay.
    #[must_use = "who knows its name can remove it"]
    pub fn keep(self) -> PathBuf {
        self.name.keep()
    }

    /// Removes it, with all that is in it, and reports what that reports.
    ///
    /// # Errors
    /// Those of [`std::fs::remove_dir_all`].
    ///
    /// # Cancel safety
    /// Dropping the future lets a removal that has begun go on, and one that waits for a thread is
    /// made all the same.
    ///
    /// # Kernel
    /// unlinkat(2) on a thread of [`spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let dir = annulus::fs::TempDir::new().await?;
    /// let path = dir.path().to_owned();
    /// dir.close().await?;
    /// assert!(!path.exists());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(self) -> io::Result<()> {
        removed(self.name).await
    }
}

impl AsRef<Path> for TempDir {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}

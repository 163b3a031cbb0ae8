//! An open directory, as the root of what may be reached.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::Path;

use super::open_options::Opening;
use super::{File, OpenOptions};
use crate::op::{OpExt, Shaped};

/// A directory, below which files are opened safely.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::fs::Dir;
/// # let root = tempfile::tempdir()?;
/// # std::fs::write(root.path().join("page"), "hi")?;
///
/// let dir = Dir::open(root.path()).await?;
/// let page = dir.open_file("page").await?;
/// assert_eq!(page.len()?, 2);
/// assert!(dir.open_file("../../etc/passwd").await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Dir {
    file: File,
}

impl Dir {
    /// Opens a directory.
    ///
    /// # Errors
    /// Those of open(2); `NotADirectory`.
    ///
    /// # Cancel safety
    /// A descriptor that arrives after the future was dropped is closed.
    ///
    /// # Kernel
    /// `OPENAT` with `O_PATH | O_DIRECTORY`, 5.6.
    pub fn open<P: AsRef<Path>>(path: P) -> impl OpExt<Output = io::Result<Self>> + use<P> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY);
        let description = options.description(path.as_ref());
        Shaped::new(description.map_err(Err), |opened| {
            opened.map(|owned| Self { file: File::from_owned(owned) })
        })
    }

    /// Opens a file below this directory for reading; see [`open_beneath`](Self::open_beneath).
    ///
    /// # Errors
    /// As [`open_beneath`](Self::open_beneath).
    pub fn open_file<P: AsRef<Path>>(
        &self,
        path: P,
    ) -> impl OpExt<Output = io::Result<File>> + use<'_, P> {
        self.open_now(path.as_ref(), OpenOptions::new().read(true))
    }

    /// Opens a file below this directory. `..`, absolute paths and symbolic links that lead outside
    /// are refused by the kernel itself, however the tree changes meanwhile.
    ///
    /// # Errors
    /// Those of openat2(2): `CrossesDevices` (EXDEV) for a path that leaves the directory.
    ///
    /// # Kernel
    /// `OPENAT2` with `RESOLVE_BENEATH`, 5.6.
    pub fn open_beneath<P: AsRef<Path>>(
        &self,
        path: P,
        options: &OpenOptions,
    ) -> impl OpExt<Output = io::Result<File>> + use<'_, P> {
        self.open_now(path.as_ref(), options)
    }

    fn open_now(&self, path: &Path, options: &OpenOptions) -> Opening {
        let owned = self.file.owned();
        let resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
        options.open_beneath((owned.raw_fd(), owned.handle()), path, resolve)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for Dir {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

//! An open directory, as the root of what may be reached.
//!
//! Owns: [`Dir`] and how files below it are opened. Does not own: what is done with names below it
//! (`dir_names`). Mirrors openat2(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::Path;

use super::opening_below::OpeningBelow;
use super::{File, OpenOptions};
use crate::core::Owned;
use crate::core::key::Handle;
use crate::op::{OpExt, Shaped};

/// A directory, below which files are opened, made, renamed and removed safely.
///
/// A path is resolved by the kernel with `RESOLVE_BENEATH` and `RESOLVE_NO_MAGICLINKS`, however the
/// tree changes meanwhile:
///
/// | in the path | |
/// |---|---|
/// | `..` | as long as it stays below: `a/../b` is `b`; else EXDEV |
/// | an absolute path, an absolute symbolic link | EXDEV, also if it leads below |
/// | a relative symbolic link | as long as it stays below; else EXDEV |
/// | a magic link (`/proc/self/fd/3`, `/proc/1/root`) | ELOOP |
/// | a mount point | is entered: what is mounted below is below |
///
/// What is done with the last name of a path (made, renamed, removed, linked) is done with that
/// name in the directory that was found, and does not follow it. A directory is the one that was
/// opened, whatever it is called later: one that is moved elsewhere takes what is below it along.
///
/// If anything in the system is renamed while a path with `..` is resolved (or one with a symbolic
/// link that has it), the kernel cannot tell where it leads, and says EAGAIN. All methods try again
/// then, up to 64 times; only where all of these fail they end with it, as `WouldBlock`.
///
/// Errors are the kernel's, as they are: [`io::Error::raw_os_error`] tells EXDEV from ELOOP.
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
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::Dir;
    ///
    /// let dir = Dir::open(dir.path()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open<P: AsRef<Path>>(path: P) -> impl OpExt<Output = io::Result<Self>> + use<P> {
        Shaped::new(directory().description(path.as_ref()).map_err(Err), opened)
    }

    /// Opens a file below this directory for reading; see [`open_beneath`](Self::open_beneath).
    ///
    /// # Errors
    /// As [`open_beneath`](Self::open_beneath).
    ///
    /// # Cancel safety
    /// A descriptor that arrives after the future was dropped is closed.
    ///
    /// # Kernel
    /// `OPENAT2` with `RESOLVE_BENEATH`, 5.6.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// let page = dir.open_file("page").await?;
    /// assert_eq!(page.len()?, 5);
    /// # Ok(())
    /// # }
    /// ```
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
    /// # Cancel safety
    /// A descriptor that arrives after the future was dropped is closed.
    ///
    /// # Kernel
    /// `OPENAT2` with `RESOLVE_BENEATH`, 5.6.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// use annulus::fs::OpenOptions;
    ///
    /// let log = dir.open_beneath("log", OpenOptions::new().append(true).create(true)).await?;
    /// assert!(dir.open_beneath("../log", OpenOptions::new().read(true)).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn open_beneath<P: AsRef<Path>>(
        &self,
        path: P,
        options: &OpenOptions,
    ) -> impl OpExt<Output = io::Result<File>> + use<'_, P> {
        self.open_now(path.as_ref(), options)
    }

    fn open_now(&self, path: &Path, options: &OpenOptions) -> OpeningBelow<File> {
        OpeningBelow::new(options.description_below(self.place(), path, RESOLVE), File::from_owned)
    }

    pub(super) fn opening_dir(&self, path: &Path) -> OpeningBelow<Self> {
        let description = directory().description_below(self.place(), path, RESOLVE);
        OpeningBelow::new(description, Self::from_owned)
    }

    fn from_owned(owned: Owned) -> Self {
        Self { file: File::from_owned(owned) }
    }

    pub(crate) fn owned(&self) -> &Owned {
        self.file.owned()
    }

    fn place(&self) -> (RawFd, Handle) {
        (self.owned().raw_fd(), self.owned().handle())
    }
}

/// How paths below a directory are resolved.
const RESOLVE: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;

fn directory() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY);
    options
}

fn opened(owned: io::Result<Owned>) -> io::Result<Dir> {
    owned.map(Dir::from_owned)
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

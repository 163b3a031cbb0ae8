//! Files for a while.
//!
//! Owns: [`TempFile`] and what it falls back to. Does not own: names (`temporary`), how one gets
//! its last (`in_place`). Mirrors `O_TMPFILE` of open(2).

use std::io;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::{env, fmt};

use super::in_place::{Held, beside, over};
use super::temporary::{Kind, TRIES, Temporary, absolute, all_taken, unlikely_path};
use super::{File, OpenOptions};

/// A file that is open for reading and writing and goes away when it is closed, unless it is given
/// a name first.
///
/// It has no name while it is written, so nothing of it is left after a crash, and nobody else can
/// open it. Where the file system has no such files it has a random one, which only its owner may
/// open and which is removed when this is dropped: by a thread for what blocks, so dropping it
/// never blocks the core.
///
/// It is a [`File`]: all methods of that are here.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// use annulus::fs::TempFile;
///
/// let mut upload = TempFile::new_in(dir.path()).await?;
/// upload.write_all("all of it").await?;
/// upload.persist(dir.path().join("upload")).await?;
/// assert_eq!(std::fs::read(dir.path().join("upload"))?, b"all of it");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TempFile {
    held: Held,
}

impl TempFile {
    /// One in the directory for temporary files (`TMPDIR`, else `/tmp`).
    ///
    /// # Errors
    /// As [`new_in`](Self::new_in).
    ///
    /// # Cancel safety
    /// Nothing is left of it.
    ///
    /// # Kernel
    /// As [`new_in`](Self::new_in).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::fs::TempFile;
    ///
    /// let mut scratch = TempFile::new().await?;
    /// scratch.write_all("hello").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn new() -> io::Result<Self> {
        Self::new_in(env::temp_dir()).await
    }

    /// One in a directory. To give it a name later, take one of the file system on which that will
    /// be.
    ///
    /// # Errors
    /// Those of open(2).
    ///
    /// # Cancel safety
    /// Nothing is left of it where the file system has files without names; else its random name
    /// may be.
    ///
    /// # Kernel
    /// `OPENAT` with `O_TMPFILE`, 5.6; punted. Where the file system refuses that, with `O_EXCL`.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::TempFile;
    ///
    /// let mut scratch = TempFile::new_in(dir.path()).await?;
    /// scratch.write_all("hello").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "O_TMPFILE")]
    pub async fn new_in<P: AsRef<Path>>(directory: P) -> io::Result<Self> {
        Self::with_mode(directory.as_ref(), 0o600).await
    }

    /// One with these permission bits, before the umask.
    pub(super) async fn with_mode(directory: &Path, mode: u32) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).mode(mode);
        match options.tmpfile(directory).await {
            Ok(file) => Ok(Self { held: Held { file, directory: None, name: None } }),
            Err(error) if is_unknown(&error) => Self::named(directory, mode).await,
            Err(error) => Err(error),
        }
    }

    /// One that has a name, for programs that want one: it is removed when this is dropped.
    ///
    /// # Errors
    /// Those of open(2).
    ///
    /// # Cancel safety
    /// The file may be left.
    ///
    /// # Kernel
    /// `OPENAT` with `O_CREAT | O_EXCL`, 5.6.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::TempFile;
    ///
    /// let scratch = TempFile::named_in(dir.path()).await?;
    /// assert!(scratch.path().is_some_and(|path| path.exists()));
    /// scratch.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn named_in<P: AsRef<Path>>(directory: P) -> io::Result<Self> {
        Self::named(directory.as_ref(), 0o600).await
    }

    async fn named(directory: &Path, mode: u32) -> io::Result<Self> {
        let directory = absolute(directory)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(mode);
        for _ in 0..TRIES {
            let name =
                Temporary::new(unlikely_path(&directory, super::in_place::PREFIX), Kind::File);
            match options.open(name.path()).await {
                Ok(file) => {
                    name.set_there(true);
                    return Ok(Self { held: Held { file, directory: None, name: Some(name) } });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(all_taken(&directory))
    }

    /// Its name, if it has one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.held.name.as_ref().map(Temporary::path)
    }

    /// Gives it a name that nothing has, so that it stays.
    ///
    /// What was written is not flushed: [`sync_all`](File::sync_all) first, or use
    /// [`AtomicFile`](super::AtomicFile), if it has to outlast a crash of the system.
    ///
    /// # Errors
    /// Those of linkat(2), with the file: `AlreadyExists`, `CrossesDevices` for a name on another
    /// file system, `NotFound` for one in no directory.
    ///
    /// # Cancel safety
    /// It has the name or is gone.
    ///
    /// # Kernel
    /// `LINKAT`, 5.15; always punted. `RENAMEAT` with `RENAME_NOREPLACE`, 5.11, if it has a name.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::TempFile;
    ///
    /// let mut scratch = TempFile::new_in(dir.path()).await?;
    /// scratch.write_all("hello").await?;
    /// let file = scratch.persist(dir.path().join("page")).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "linkat")]
    pub async fn persist<P: AsRef<Path>>(self, path: P) -> Result<File, PersistError> {
        let Self { held } = self;
        match beside(held, path.as_ref()).await {
            Ok(held) => Ok(held.file),
            Err(failed) => Err(PersistError::new(*failed)),
        }
    }

    /// Gives it a name, and replaces what has that name.
    ///
    /// # Errors
    /// Those of linkat(2) and rename(2), with the file; not `AlreadyExists`.
    ///
    /// # Cancel safety
    /// It has the name, or is gone and what was there is there.
    ///
    /// # Kernel
    /// `LINKAT`, 5.15, and `RENAMEAT`, 5.11, linked; always punted.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::TempFile;
    ///
    /// let mut scratch = TempFile::new_in(dir.path()).await?;
    /// scratch.write_all("hello").await?;
    /// let path = dir.path().join("page");
    /// let file = scratch.persist_over(path).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn persist_over<P: AsRef<Path>>(self, path: P) -> Result<File, PersistError> {
        let Self { held } = self;
        let target = match absolute(path.as_ref()) {
            Ok(target) => target,
            Err(error) => return Err(PersistError::new((error, Some(held)))),
        };
        match over(held, &target).await {
            Ok(held) => Ok(held.file),
            Err(failed) => Err(PersistError::new(*failed)),
        }
    }

    /// Closes it, removes it, and reports what that reports.
    ///
    /// # Errors
    /// Those of close(2) and unlink(2); `ResourceBusy` as for [`File::close`].
    ///
    /// # Cancel safety
    /// It is removed in any case.
    ///
    /// # Kernel
    /// `CLOSE`, 5.6; unlink(2) on a thread of [`spawn_blocking`](crate::task::spawn_blocking) if it
    /// has a name.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::TempFile;
    ///
    /// let scratch = TempFile::named_in(dir.path()).await?;
    /// scratch.close().await?; // and its name is gone
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(self) -> io::Result<()> {
        let Held { file, name, .. } = self.held;
        let removed = match name {
            Some(name) => removed(name).await,
            None => Ok(()),
        };
        file.close().await.and(removed)
    }

    pub(super) fn into_held(self) -> Held {
        self.held
    }
}

/// Removes a name on a thread where that may block.
pub(super) async fn removed(name: Temporary) -> io::Result<()> {
    super::file::thread_ended(crate::task::spawn_blocking(move || name.remove()).await)
}

/// Whether a file system, or a kernel, says that it has no files without names.
fn is_unknown(error: &io::Error) -> bool {
    let known = [libc::EOPNOTSUPP, libc::EISDIR, libc::ENOENT, libc::EINVAL];
    error.raw_os_error().is_some_and(|errno| known.contains(&errno))
}

impl Deref for TempFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.held.file
    }
}

impl DerefMut for TempFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.held.file
    }
}

/// Why a file got no name, and the file. `?` makes an [`io::Error`] of it, and drops the file.
pub struct PersistError {
    error: io::Error,
    file: Option<Box<TempFile>>,
}

impl PersistError {
    fn new((error, held): (io::Error, Option<Held>)) -> Self {
        Self { error, file: held.map(|held| Box::new(TempFile { held })) }
    }

    /// What went wrong.
    #[must_use]
    pub fn error(&self) -> &io::Error {
        &self.error
    }

    /// The file, as it was before. `None` if the kernel still has it, because the future was polled
    /// on a core that does not own the file.
    #[must_use]
    pub fn into_file(self) -> Option<TempFile> {
        self.file.map(|file| *file)
    }
}

impl From<PersistError> for io::Error {
    fn from(failed: PersistError) -> Self {
        failed.error
    }
}

impl fmt::Debug for PersistError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersistError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl fmt::Display for PersistError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl std::error::Error for PersistError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

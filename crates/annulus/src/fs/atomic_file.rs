//! A file that takes the place of another when it is whole.
//!
//! Owns: [`AtomicFile`]: where it is written, and with which permissions. Does not own: how it gets
//! its name (`in_place`).

use std::fs::Permissions;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::{PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::in_place::{Held, over};
use super::temporary::absolute;
use super::{File, Metadata, OpenOptions, TempFile, symlink_metadata};

/// The next contents of a file, which take the place of the present ones when they are whole.
///
/// Whoever opens the file finds the old one or the new one, and nothing between, before, during and
/// after; a process that is killed and a system that crashes leave one of both. Until
/// [`commit`](Self::commit) has returned, the old file is as it was; dropped without it, nothing
/// has happened.
///
/// It is a [`File`]: all methods of that are here. [`fs::replace`](super::replace) is the same for
/// contents that are there already.
///
/// # How it is done
/// It is written to a file without a name in the same directory (or with a random one beginning
/// with `.tmp-`, where the file system has no such files). Commit flushes it, gives it a temporary
/// name, renames that to the name of the old file, and flushes the directory: four requests of
/// which each starts when the one before has succeeded, in one submission.
///
/// A file that is replaced is another file afterwards: hard links keep the old one, whoever has it
/// open too, and a symbolic link at the path is replaced itself. Two that commit at once both
/// succeed, one after the other. The new file has the permission bits of the old one, and its owner
/// as far as one may give files away; extended attributes and ACLs are not carried over.
///
/// # If it cannot be flushed
/// Commit fails, the old file is in its place, and the new one is gone. That is as it must be:
/// after a failed flush the pages count as clean, so flushing them once more would succeed and mean
/// nothing ([`File::sync_all`](File::sync_all)). Begin anew with another
/// `AtomicFile`.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("index");
/// use annulus::fs::AtomicFile;
///
/// std::fs::write(&path, "old")?;
/// let mut next = AtomicFile::create(&path).await?;
/// next.write_all("the first line\n").await?;
/// next.write_all("the second line\n").await?;
/// assert_eq!(std::fs::read_to_string(&path)?, "old");
/// next.commit().await?;
/// assert_eq!(std::fs::read_to_string(&path)?, "the first line\nthe second line\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AtomicFile {
    held: Held,
    target: PathBuf,
}

impl AtomicFile {
    /// Begins the next contents of a file, which keeps its permissions and its owner; of one that
    /// is not there yet, with those of any new file.
    ///
    /// # Errors
    /// Those of open(2) for a new file in its directory; `IsADirectory` if there is a directory.
    ///
    /// # Cancel safety
    /// Nothing has happened to the old file.
    ///
    /// # Kernel
    /// `STATX`, and two `OPENAT`, 5.6; fchmod(2) and fchown(2) on a thread of
    /// [`spawn_blocking`](crate::task::spawn_blocking), if there is an old file.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::AtomicFile;
    ///
    /// let mut next = AtomicFile::create(dir.path().join("index")).await?;
    /// next.write_all("new").await?;
    /// next.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        let target = absolute(path.as_ref())?;
        match symlink_metadata(&target).await {
            Ok(old) if old.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            // What a symbolic link says of permissions is nothing.
            Ok(old) if !old.is_symlink() => {
                let this = Self::open(target, 0o600).await?;
                this.take_after(old).await?;
                Ok(this)
            }
            Ok(_) => Self::open(target, 0o666).await,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::open(target, 0o666).await
            }
            Err(error) => Err(error),
        }
    }

    /// Begins the next contents of a file, with permissions that do not depend on the old one, nor
    /// on the umask.
    ///
    /// # Errors
    /// Those of open(2) for a new file in its directory.
    ///
    /// # Cancel safety
    /// As [`create`](Self::create).
    ///
    /// # Kernel
    /// As [`create`](Self::create), without `STATX` and fchown(2).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::AtomicFile;
    /// use std::fs::Permissions;
    /// use std::os::unix::fs::PermissionsExt as _;
    ///
    /// let path = dir.path().join("secret");
    /// let next = AtomicFile::create_with(&path, Permissions::from_mode(0o600)).await?;
    /// next.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create_with<P: AsRef<Path>>(
        path: P,
        permissions: Permissions,
    ) -> io::Result<Self> {
        let this = Self::open(absolute(path.as_ref())?, 0o600).await?;
        this.set_permissions(permissions).await?;
        Ok(this)
    }

    async fn open(target: PathBuf, mode: u32) -> io::Result<Self> {
        let Some(parent) = target.parent().filter(|_| target.file_name().is_some()) else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        let mut options = OpenOptions::new();
        let options = options.read(true).custom_flags(libc::O_DIRECTORY);
        let directory = options.open(parent).await?;
        let mut held = TempFile::with_mode(parent, mode).await?.into_held();
        held.directory = Some(directory);
        Ok(Self { held, target })
    }

    /// Takes over owner and permissions.
    async fn take_after(&self, old: Metadata) -> io::Result<()> {
        let new = self.metadata()?;
        let is_foreign = (old.uid(), old.gid()) != (new.uid(), new.gid());
        let file = std::fs::File::from(self.held.file.duplicate()?);
        let take = move || {
            if is_foreign {
                // Who may not give files away has one of their own instead.
                let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
            }
            // Last, because a change of owner clears bits.
            file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))
        };
        super::file::thread_ended(crate::task::spawn_blocking(take).await)
    }

    /// Where it goes.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Puts it in the place of the old file, so that it lasts.
    ///
    /// # Errors
    /// Those of fsync(2), linkat(2) and rename(2): the old file is in its place, and the new one is
    /// gone. If only the flush of the directory failed, the new file is in its place, and it is
    /// unknown which one a crash would leave; whoever has to know commits once more, with another
    /// one.
    ///
    /// # Cancel safety
    /// The file is the old one or the new one; which, and whether it lasts, is unknown.
    ///
    /// # Kernel
    /// `FSYNC`, 5.1; `LINKAT`, 5.15; `RENAMEAT`, 5.11; `FSYNC`: linked, always punted.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::AtomicFile;
    ///
    /// let path = dir.path().join("index");
    /// let mut next = AtomicFile::create(&path).await?;
    /// next.write_all("new").await?;
    /// assert!(!path.exists());
    /// next.commit().await?;
    /// assert!(path.exists());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "rename")]
    #[doc(alias = "fsync")]
    pub async fn commit(self) -> io::Result<()> {
        let Self { held, target } = self;
        match over(held, &target).await {
            Ok(_held) => Ok(()),
            Err(failed) => Err(failed.0),
        }
    }
}

impl Deref for AtomicFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.held.file
    }
}

impl DerefMut for AtomicFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.held.file
    }
}

//! What is done with names below an open directory.
//!
//! Owns: how a path of several names is taken apart. Only openat2(2) can be told to stay below a
//! directory; the calls that make, rename and remove cannot. So the directory that the last name is
//! in is opened that way, and the call is given this descriptor and the one name, which none of
//! them follows if it is a symbolic link. Invariant: no call is given a path with a slash between
//! names.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::aside::aside;
use super::dir::Dir;
use super::names::{c_name, os_string};
use super::request::{Request, plain};
use super::{File, Metadata, OpenOptions, ReadDir, remove_tree};
use crate::core::name_op::{Base, Deed, Link, MakeDir, Names, Rename, Symlink, Unlink};
use crate::op::OpExt;

impl Dir {
    /// Opens a directory below this one.
    ///
    /// # Errors
    /// As [`open_beneath`](Self::open_beneath); `NotADirectory`.
    ///
    /// # Cancel safety
    /// A descriptor that arrives after the future was dropped is closed.
    ///
    /// # Kernel
    /// `OPENAT2` with `O_PATH | O_DIRECTORY` and `RESOLVE_BENEATH`, 5.6.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// dir.create_dir("below").await?;
    /// let below = dir.open_dir("below").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open_dir<P: AsRef<Path>>(
        &self,
        path: P,
    ) -> impl OpExt<Output = io::Result<Self>> + use<'_, P> {
        self.opening_dir(path.as_ref())
    }

    /// Makes a directory below this one, with mode `0o777` before the umask.
    ///
    /// # Errors
    /// Those of mkdir(2), and of [`open_beneath`](Self::open_beneath) for what is before the last
    /// name.
    ///
    /// # Cancel safety
    /// Dropping the future may or may not undo it.
    ///
    /// # Kernel
    /// `MKDIRAT`, 5.15; always punted. Before it `OPENAT2`, if the path has several names.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// dir.create_dir("below").await?;
    /// dir.create_dir("below/deeper").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create_dir<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.one::<MakeDir>(path.as_ref(), 0o777).await
    }

    /// Removes a file below this directory; of a symbolic link, the link.
    ///
    /// # Errors
    /// Those of unlink(2), and of [`open_beneath`](Self::open_beneath) for what is before the last
    /// name.
    ///
    /// # Cancel safety
    /// Dropping the future may or may not undo it.
    ///
    /// # Kernel
    /// `UNLINKAT`, 5.11; always punted. Before it `OPENAT2`, if the path has several names.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// dir.remove_file("page").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn remove_file<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.one::<Unlink>(path.as_ref(), 0).await
    }

    /// Removes an empty directory below this one.
    ///
    /// # Errors
    /// Those of rmdir(2), and of [`open_beneath`](Self::open_beneath) for what is before the last
    /// name.
    ///
    /// # Cancel safety
    /// Dropping the future may or may not undo it.
    ///
    /// # Kernel
    /// As [`remove_file`](Self::remove_file), with `AT_REMOVEDIR`.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// dir.create_dir("empty").await?;
    /// dir.remove_dir("empty").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn remove_dir<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.one::<Unlink>(path.as_ref(), libc::AT_REMOVEDIR as u32).await
    }

    /// Removes a directory below this one, with everything in it; see
    /// [`fs::remove_dir_all`](super::remove_dir_all).
    ///
    /// # Errors
    /// As there, without the path.
    ///
    /// # Cancel safety
    /// As there.
    ///
    /// # Kernel
    /// As there. Before it `OPENAT2`, if the path has several names.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// dir.create_dir("below").await?;
    /// dir.rename("page", &dir, "below/page").await?;
    /// dir.remove_dir_all("below").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn remove_dir_all<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let path = path.as_ref();
        let (parent, name) = self.parent(path).await?;
        let base = parent.as_ref().unwrap_or(self).owned().duplicate()?;
        drop(parent);
        remove_tree::remove(Some(base), name, path.to_owned()).await.map_err(|failed| failed.error)
    }

    /// Gives a file or directory below this one another name, below this directory or below
    /// another. What had that name is replaced.
    ///
    /// # Errors
    /// Those of rename(2), and of [`open_beneath`](Self::open_beneath) for what is before the last
    /// names.
    ///
    /// # Cancel safety
    /// Dropping the future may or may not undo it.
    ///
    /// # Kernel
    /// `RENAMEAT`, 5.11; always punted. Before it `OPENAT2`, for each path of several names.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// dir.rename("page", &dir, "moved").await?;
    /// assert_eq!(dir.metadata("moved").await?.len(), 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn rename<P, Q>(&self, from: P, to_dir: &Dir, to: Q) -> io::Result<()>
    where
        P: AsRef<Path>,
        Q: AsRef<Path>,
    {
        self.two::<Rename>(from.as_ref(), (to_dir, to.as_ref()), 0).await
    }

    /// As [`rename`](Self::rename), but what has the new name stays.
    ///
    /// # Errors
    /// As [`rename`](Self::rename); `AlreadyExists`.
    ///
    /// # Cancel safety
    /// As [`rename`](Self::rename).
    ///
    /// # Kernel
    /// As [`rename`](Self::rename), with `RENAME_NOREPLACE`.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// dir.create_dir("taken").await?;
    /// assert!(dir.rename_noreplace("page", &dir, "taken").await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn rename_noreplace<P, Q>(&self, from: P, to_dir: &Dir, to: Q) -> io::Result<()>
    where
        P: AsRef<Path>,
        Q: AsRef<Path>,
    {
        let flags = libc::RENAME_NOREPLACE;
        self.two::<Rename>(from.as_ref(), (to_dir, to.as_ref()), flags).await
    }

    /// Exchanges a name below this directory and one below the same or another.
    ///
    /// # Errors
    /// As [`rename`](Self::rename); `NotFound` if either is missing.
    ///
    /// # Cancel safety
    /// As [`rename`](Self::rename).
    ///
    /// # Kernel
    /// As [`rename`](Self::rename), with `RENAME_EXCHANGE`.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// dir.create_dir("other").await?;
    /// dir.rename_exchange("page", &dir, "other").await?;
    /// assert!(dir.metadata("page").await?.is_dir());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn rename_exchange<P, Q>(&self, one: P, other_dir: &Dir, other: Q) -> io::Result<()>
    where
        P: AsRef<Path>,
        Q: AsRef<Path>,
    {
        let flags = libc::RENAME_EXCHANGE;
        self.two::<Rename>(one.as_ref(), (other_dir, other.as_ref()), flags).await
    }

    /// Gives a file below this directory one more name, below this directory or another. If it is a
    /// symbolic link, it is the link that gets the name.
    ///
    /// # Errors
    /// Those of link(2), and of [`open_beneath`](Self::open_beneath) for what is before the last
    /// names.
    ///
    /// # Cancel safety
    /// Dropping the future may or may not undo it.
    ///
    /// # Kernel
    /// `LINKAT`, 5.15; always punted. Before it `OPENAT2`, for each path of several names.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// dir.hard_link("page", &dir, "second").await?;
    /// assert_eq!(dir.metadata("second").await?.len(), 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn hard_link<P, Q>(&self, original: P, link_dir: &Dir, link: Q) -> io::Result<()>
    where
        P: AsRef<Path>,
        Q: AsRef<Path>,
    {
        let original = original.as_ref();
        if original.as_os_str().as_bytes().ends_with(b"/") {
            // The one call that would follow a link with a slash behind it.
            return Err(io::Error::from_raw_os_error(libc::ENOTDIR));
        }
        self.two::<Link>(original, (link_dir, link.as_ref()), 0).await
    }

    /// Makes a symbolic link below this directory. What it says is not looked at: a link that leads
    /// outside can be made, and is refused by whatever would follow it below a `Dir`.
    ///
    /// # Errors
    /// Those of symlink(2), and of [`open_beneath`](Self::open_beneath) for what is before the last
    /// name of `link`.
    ///
    /// # Cancel safety
    /// Dropping the future may or may not undo it.
    ///
    /// # Kernel
    /// `SYMLINKAT`, 5.15; always punted. Before it `OPENAT2`, if the path has several names.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// dir.symlink("page", "link").await?;
    /// assert_eq!(dir.metadata("link").await?.len(), 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn symlink<P, Q>(&self, original: P, link: Q) -> io::Result<()>
    where
        P: AsRef<Path>,
        Q: AsRef<Path>,
    {
        let text = c_name(original.as_ref().as_os_str())?;
        let (parent, name) = self.parent(link.as_ref()).await?;
        let dir = parent.as_ref().unwrap_or(self);
        let names = Names::<Symlink>::two((base_of(dir), name), (Base::cwd(), text), 0);
        Request::new(Ok(names), plain).await
    }

    /// What a symbolic link below this directory says.
    ///
    /// # Errors
    /// As [`open_beneath`](Self::open_beneath); `InvalidInput` if it is no symbolic link.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    ///
    /// # Kernel
    /// `OPENAT2` with `O_PATH | O_NOFOLLOW`, 5.6; then readlinkat(2), on a thread where it may
    /// block.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// dir.symlink("page", "link").await?;
    /// assert_eq!(dir.read_link("link").await?.to_str(), Some("page"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_link<P: AsRef<Path>>(&self, path: P) -> io::Result<PathBuf> {
        let link = self.look(path.as_ref(), libc::O_PATH | libc::O_NOFOLLOW).await?;
        if !link.metadata()?.is_symlink() {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let link = OwnedFd::from(link.into_std()?);
        aside(move || {
            let text = rustix::fs::readlinkat(&link, c"", Vec::new())?;
            Ok(PathBuf::from(os_string(text)))
        })
        .await
    }

    /// Metadata of what is below this directory; symbolic links are followed, as long as they stay
    /// below.
    ///
    /// # Errors
    /// As [`open_beneath`](Self::open_beneath).
    ///
    /// # Cancel safety
    /// Nothing is changed.
    ///
    /// # Kernel
    /// `OPENAT2` with `O_PATH`, 5.6, inline if the path is cached; then statx(2) as a call, which
    /// does not block on what is open.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// assert_eq!(dir.metadata("page").await?.len(), 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn metadata<P: AsRef<Path>>(&self, path: P) -> io::Result<Metadata> {
        self.look(path.as_ref(), libc::O_PATH).await?.metadata()
    }

    /// Metadata of what is below this directory; a symbolic link at the end is not followed.
    ///
    /// # Errors
    /// As [`open_beneath`](Self::open_beneath).
    ///
    /// # Cancel safety
    /// Nothing is changed.
    ///
    /// # Kernel
    /// As [`metadata`](Self::metadata), with `O_NOFOLLOW`.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// dir.symlink("page", "link").await?;
    /// assert!(dir.symlink_metadata("link").await?.is_symlink());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn symlink_metadata<P: AsRef<Path>>(&self, path: P) -> io::Result<Metadata> {
        self.look(path.as_ref(), libc::O_PATH | libc::O_NOFOLLOW).await?.metadata()
    }

    /// The entries of a directory below this one, `.` for those of this one. Their paths begin with
    /// `path`.
    ///
    /// # Errors
    /// As [`open_beneath`](Self::open_beneath); `NotADirectory`.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    ///
    /// # Kernel
    /// `OPENAT2`, 5.6; then as [`fs::read_dir`](super::read_dir()).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// let mut entries = dir.read_dir(".").await?;
    /// while let Some(entry) = entries.next_entry().await? {
    ///     println!("{}", entry.path().display());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_dir<P: AsRef<Path>>(&self, path: P) -> io::Result<ReadDir> {
        let path = path.as_ref();
        let directory = self.look(path, libc::O_DIRECTORY | libc::O_NONBLOCK).await?;
        ReadDir::of(OwnedFd::from(directory.into_std()?), path).await
    }

    /// Flushes the directory to the device: after it, the names that were made, changed and removed
    /// in it survive a crash. Those further below do not.
    ///
    /// # Errors
    /// Those of fsync(2); `PermissionDenied` if the directory may not be read.
    ///
    /// # Cancel safety
    /// Dropping the future may or may not undo it.
    ///
    /// # Kernel
    /// `OPENAT2`, 5.6, because what is open with `O_PATH` cannot be flushed; then `FSYNC`, always
    /// punted.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::fs::Dir;
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = Dir::open(temporary.path()).await?;
    /// # std::fs::write(temporary.path().join("page"), "hello")?;
    /// dir.rename("page", &dir, "moved").await?;
    /// dir.sync().await?; // and the new name lasts
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "fsync")]
    pub async fn sync(&self) -> io::Result<()> {
        let directory = self.look(Path::new("."), libc::O_DIRECTORY).await?;
        directory.sync_all().await
    }

    /// Opens something below with these flags.
    async fn look(&self, path: &Path, flags: i32) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags);
        self.open_beneath(path, &options).await
    }

    /// The directory that the last name of a path is in, unless it is this one; and that name.
    async fn parent(&self, path: &Path) -> io::Result<(Option<Self>, CString)> {
        let (parent, name) = split(path);
        let name = c_name(name)?;
        let Some(parent) = parent else { return Ok((None, name)) };
        Ok((Some(self.open_dir(parent).await?), name))
    }

    async fn one<D: Deed>(&self, path: &Path, flags: u32) -> io::Result<()> {
        let (parent, name) = self.parent(path).await?;
        let dir = parent.as_ref().unwrap_or(self);
        Request::new(Ok(Names::<D>::one(base_of(dir), name, flags)), plain).await
    }

    async fn two<D: Deed>(
        &self,
        path: &Path,
        (other_dir, other): (&Dir, &Path),
        flags: u32,
    ) -> io::Result<()> {
        let (parent, name) = self.parent(path).await?;
        let (other_parent, other_name) = other_dir.parent(other).await?;
        let dir = parent.as_ref().unwrap_or(self);
        let beside = other_parent.as_ref().unwrap_or(other_dir);
        let other_base = Base::beside(dir.owned(), beside.owned())?;
        let names = Names::<D>::two((base_of(dir), name), (other_base, other_name), flags);
        Request::new(Ok(names), plain).await
    }
}

fn base_of(dir: &Dir) -> Base {
    Base::record(dir.owned())
}

/// What is before the last name of a path, if anything is, and the last name with slashes that
/// follow it.
fn split(path: &Path) -> (Option<&Path>, &OsStr) {
    let bytes = path.as_os_str().as_bytes();
    let end = bytes.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    match bytes[..end].iter().rposition(|&byte| byte == b'/') {
        Some(slash) => {
            let parent = OsStr::from_bytes(&bytes[..=slash]);
            (Some(Path::new(parent)), OsStr::from_bytes(&bytes[slash + 1..]))
        }
        // Nothing but slashes is the root, which is not below.
        None if end == 0 && !bytes.is_empty() => (Some(Path::new("/")), OsStr::from_bytes(b".")),
        None => (None, OsStr::from_bytes(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart_before_its_last_name() {
        for (path, parent, name) in [
            ("a", None, "a"),
            ("a/", None, "a/"),
            ("a/b", Some("a/"), "b"),
            ("a//b//", Some("a//"), "b//"),
            ("./b", Some("./"), "b"),
            ("../b", Some("../"), "b"),
            ("a/..", Some("a/"), ".."),
            ("/b", Some("/"), "b"),
            ("/", Some("/"), "."),
            ("///", Some("/"), "."),
            ("", None, ""),
        ] {
            let expected = (parent.map(Path::new), OsStr::new(name));
            assert_eq!(split(Path::new(path)), expected, "{path}");
        }
    }
}

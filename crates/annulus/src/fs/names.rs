//! What is done with paths: remove, rename, link, follow.
//!
//! Owns: the functions. Does not own: the operations (`core::name_op`), directories that are made
//! with those above them (`dir_builder`), nor whole trees (`remove_tree`, `walk`).

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::aside::aside;
use super::named::{at, between};
use super::open_options::c_path;
use super::request::{Request, telling};
use crate::core::name_op::{Base, Deed, Link, Names, Rename, Symlink, Unlink};
use crate::op::OpExt;

/// The future of a deed.
pub(super) type Doing<D> = Request<'static, Names<D>, io::Result<()>>;

/// With one path.
pub(super) fn with_one<D: Deed>(path: &Path, flags: u32) -> Doing<D> {
    let description = match c_path(path) {
        Ok(name) => Ok(Names::one(Base::cwd(), name, flags)),
        Err(error) => Err(Err(at(D::CALLED, path, error))),
    };
    Request::new(description, telling)
}

/// With two.
fn with_two<D: Deed>(path: &Path, other: &Path, flags: u32) -> Doing<D> {
    let both = || io::Result::Ok((c_path(path)?, c_path(other)?));
    let description = match both() {
        Ok((name, second)) => Ok(Names::two((Base::cwd(), name), (Base::cwd(), second), flags)),
        Err(error) => Err(Err(between(D::CALLED, path, other, error))),
    };
    Request::new(description, telling)
}

/// Gives a file or directory another name. What had that name is replaced: a file by a file, an
/// empty directory by a directory.
///
/// # Errors
/// Those of rename(2), with both paths: `NotFound`, `CrossesDevices` between file systems,
/// `DirectoryNotEmpty`, `IsADirectory`, `NotADirectory`, ….
///
/// # Cancel safety
/// Dropping the future may or may not undo it. It is done whole or not at all.
///
/// # Kernel
/// `RENAMEAT`, 5.11; always punted. renameat2(2) on a thread where the ring may not do it.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let (old, new) = (dir.path().join("old"), dir.path().join("new"));
/// use annulus::fs;
/// # std::fs::write(&old, "text")?;
///
/// fs::rename(&old, &new).await?;
/// assert!(fs::exists(&new).await? && !fs::exists(&old).await?);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "renameat2")]
pub fn rename<P: AsRef<Path>, Q: AsRef<Path>>(
    from: P,
    to: Q,
) -> impl OpExt<Output = io::Result<()>> + use<P, Q> {
    with_two::<Rename>(from.as_ref(), to.as_ref(), 0)
}

/// As [`rename`], but what has the new name stays.
///
/// # Errors
/// As [`rename`]; `AlreadyExists`. `InvalidInput` if the file system cannot tell.
///
/// # Cancel safety
/// As [`rename`].
///
/// # Kernel
/// `RENAMEAT` with `RENAME_NOREPLACE`, 5.11; always punted.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # use annulus::fs;
/// # let dir = tempfile::tempdir()?;
/// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
/// # std::fs::write(&one, "1")?;
/// fs::rename_noreplace(&one, &two).await?;
/// # std::fs::write(&one, "1")?;
/// assert!(fs::rename_noreplace(&one, &two).await.is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "RENAME_NOREPLACE")]
pub fn rename_noreplace<P: AsRef<Path>, Q: AsRef<Path>>(
    from: P,
    to: Q,
) -> impl OpExt<Output = io::Result<()>> + use<P, Q> {
    with_two::<Rename>(from.as_ref(), to.as_ref(), libc::RENAME_NOREPLACE)
}

/// Exchanges two names: each leads to what the other led to, and at no moment does either lead to
/// nothing.
///
/// # Errors
/// As [`rename`]; `NotFound` if either is missing. `InvalidInput` if the file system cannot do it.
///
/// # Cancel safety
/// As [`rename`].
///
/// # Kernel
/// `RENAMEAT` with `RENAME_EXCHANGE`, 5.11; always punted.
///
/// ```no_run
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # use annulus::fs;
/// # let dir = tempfile::tempdir()?;
/// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
/// # std::fs::write(&one, "1")?;
/// # std::fs::write(&two, "2")?;
/// fs::rename_exchange(&one, &two).await?;
/// assert_eq!(fs::read(&one).await?, b"2");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "RENAME_EXCHANGE")]
pub fn rename_exchange<P: AsRef<Path>, Q: AsRef<Path>>(
    one: P,
    other: Q,
) -> impl OpExt<Output = io::Result<()>> + use<P, Q> {
    with_two::<Rename>(one.as_ref(), other.as_ref(), libc::RENAME_EXCHANGE)
}

/// Removes a name, and with its last name the file. A symbolic link is removed itself.
///
/// # Errors
/// Those of unlink(2), with the path: `NotFound`, `IsADirectory`, `PermissionDenied`, ….
///
/// # Cancel safety
/// Dropping the future may or may not undo it.
///
/// # Kernel
/// `UNLINKAT`, 5.11; always punted. unlinkat(2) on a thread where the ring may not do it.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # use annulus::fs;
/// # let dir = tempfile::tempdir()?;
/// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
/// # std::fs::write(&one, "1")?;
/// fs::remove_file(&one).await?;
/// assert!(!fs::exists(&one).await?);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "unlink")]
pub fn remove_file<P: AsRef<Path>>(path: P) -> impl OpExt<Output = io::Result<()>> + use<P> {
    with_one::<Unlink>(path.as_ref(), 0)
}

/// Removes an empty directory.
///
/// # Errors
/// Those of rmdir(2), with the path: `DirectoryNotEmpty`, `NotADirectory`, `NotFound`, ….
///
/// # Cancel safety
/// Dropping the future may or may not undo it.
///
/// # Kernel
/// `UNLINKAT` with `AT_REMOVEDIR`, 5.11; always punted.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// use annulus::fs;
///
/// let empty = dir.path().join("empty");
/// fs::create_dir(&empty).await?;
/// fs::remove_dir(&empty).await?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "rmdir")]
pub fn remove_dir<P: AsRef<Path>>(path: P) -> impl OpExt<Output = io::Result<()>> + use<P> {
    with_one::<Unlink>(path.as_ref(), libc::AT_REMOVEDIR as u32)
}

/// Gives a file one more name on its file system. If `original` is a symbolic link, it is the link
/// that gets the name.
///
/// # Errors
/// Those of link(2), with both paths: `AlreadyExists`, `CrossesDevices`, `NotFound`, ….
///
/// # Cancel safety
/// Dropping the future may or may not undo it.
///
/// # Kernel
/// `LINKAT`, 5.15; always punted. linkat(2) on a thread where the ring may not do it.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # use annulus::fs;
/// # let dir = tempfile::tempdir()?;
/// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
/// # std::fs::write(&one, "1")?;
/// fs::hard_link(&one, &two).await?;
/// assert_eq!(fs::read(&two).await?, b"1");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "linkat")]
pub fn hard_link<P: AsRef<Path>, Q: AsRef<Path>>(
    original: P,
    link: Q,
) -> impl OpExt<Output = io::Result<()>> + use<P, Q> {
    with_two::<Link>(original.as_ref(), link.as_ref(), 0)
}

/// Makes a symbolic link at `link` that says `original`, whatever that leads to.
///
/// # Errors
/// Those of symlink(2), with both paths: `AlreadyExists`, `NotFound`, ….
///
/// # Cancel safety
/// Dropping the future may or may not undo it.
///
/// # Kernel
/// `SYMLINKAT`, 5.15; always punted. symlinkat(2) on a thread where the ring may not do it.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # use annulus::fs;
/// # let dir = tempfile::tempdir()?;
/// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
/// # std::fs::write(&one, "1")?;
/// fs::symlink("one", &two).await?;
/// assert_eq!(fs::read(&two).await?, b"1");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "symlinkat")]
pub fn symlink<P: AsRef<Path>, Q: AsRef<Path>>(
    original: P,
    link: Q,
) -> impl OpExt<Output = io::Result<()>> + use<P, Q> {
    with_two::<Symlink>(link.as_ref(), original.as_ref(), 0)
}

/// What a symbolic link says.
///
/// # Errors
/// Those of readlink(2), with the path: `NotFound`; `InvalidInput` if it is no symbolic link.
///
/// # Cancel safety
/// Nothing is changed.
///
/// # Kernel
/// readlink(2), which has no operation, on a thread where it may block.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # use annulus::fs;
/// # let dir = tempfile::tempdir()?;
/// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
/// # std::fs::write(&one, "1")?;
/// fs::symlink("one", &two).await?;
/// assert_eq!(fs::read_link(&two).await?.to_str(), Some("one"));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "readlink")]
pub async fn read_link<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    aside(move || std::fs::read_link(&path).map_err(|error| at("read the link", &path, error)))
        .await
}

/// The absolute form of a path, without `.`, `..` and symbolic links.
///
/// # Errors
/// Those of realpath(3), with the path: all of it has to exist.
///
/// # Cancel safety
/// Nothing is changed.
///
/// # Kernel
/// A handful of readlink(2), on a thread where they may block.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # use annulus::fs;
/// # let dir = tempfile::tempdir()?;
/// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
/// # std::fs::write(&one, "1")?;
/// let path = fs::canonicalize(dir.path().join("./one")).await?;
/// assert!(path.is_absolute() && path.ends_with("one"));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "realpath")]
pub async fn canonicalize<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    aside(move || std::fs::canonicalize(&path).map_err(|error| at("resolve", &path, error))).await
}

/// Whether a path leads to something. A symbolic link that leads nowhere does not.
///
/// # Errors
/// As [`metadata`](super::metadata()), but for `NotFound`.
///
/// # Cancel safety
/// Nothing is changed.
///
/// # Kernel
/// As [`metadata`](super::metadata()).
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// assert!(annulus::fs::exists(dir.path()).await?);
/// # Ok(())
/// # }
/// ```
pub async fn exists<P: AsRef<Path>>(path: P) -> io::Result<bool> {
    match super::metadata(path).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// As [`exists`], by the name that tokio gives it.
///
/// # Errors
/// As [`exists`].
///
/// # Cancel safety
/// Nothing is changed.
///
/// # Kernel
/// As [`metadata`](super::metadata()).
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// assert!(!annulus::fs::try_exists(dir.path().join("missing")).await?);
/// # Ok(())
/// # }
/// ```
pub async fn try_exists<P: AsRef<Path>>(path: P) -> io::Result<bool> {
    exists(path).await
}

/// What the kernel gave as bytes.
pub(super) fn os_string(text: CString) -> OsString {
    OsString::from_vec(text.into_bytes())
}

/// One name as the kernel takes it.
pub(super) fn c_name(name: &OsStr) -> io::Result<CString> {
    c_path(Path::new(OsStr::from_bytes(name.as_bytes())))
}

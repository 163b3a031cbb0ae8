//! Extended attributes of what a path leads to.
//!
//! Owns: the functions. Does not own: those of an open file. Mirrors xattr(7).

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use rustix::buffer::spare_capacity;

use super::SetXattr;
use super::aside::aside;
use super::named::at;
use super::names::c_name;
use super::open_options::c_path;
use super::request::{Request, Told, path_of, telling};
use crate::core::path_xattr_op::{GetPathXattr, SetPathXattr};
use crate::op::OpExt;

/// Room that most values do with.
const FIRST_BYTES: usize = 256;
/// The largest value, and the longest list, that Linux has (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
const LAST_BYTES: usize = 64 * 1024;

/// The value of an extended attribute, or `None` if the file has none of this name. Symbolic links
/// are followed.
///
/// Attributes are small values under names of their own, which begin with a namespace: `user.…` is
/// for everybody. A value has 64 KiB at most, and ext4 gives all of a file about 4 KiB.
///
/// ```no_run
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::fs::{self, SetXattr};
///
/// let path = "page";
/// fs::set_xattr(path, "user.origin", "https://example.org/", SetXattr::Always).await?;
/// let origin = fs::xattr(path, "user.origin").await?.expect("it was just set");
/// assert_eq!(origin, b"https://example.org/");
/// assert_eq!(fs::list_xattrs(path).await?, ["user.origin"]);
/// fs::remove_xattr(path, "user.origin").await?;
/// assert_eq!(fs::xattr(path, "user.origin").await?, None);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of getxattr(2), with the path: `NotFound` if there is no such file; `Unsupported` if the
/// file system has no attributes.
///
/// # Cancel safety
/// Nothing is changed.
///
/// # Kernel
/// `GETXATTR`, 5.19; always punted. getxattr(2) on a thread where the ring may not do it.
#[doc(alias = "getxattr")]
pub async fn xattr<P, N>(path: P, name: N) -> io::Result<Option<Vec<u8>>>
where
    P: AsRef<Path>,
    N: AsRef<OsStr>,
{
    let (path, name) = strings(GET, path.as_ref(), name.as_ref())?;
    let mut room = FIRST_BYTES;
    loop {
        let value = Vec::with_capacity(room);
        let get = GetPathXattr { path: path.clone(), name: name.clone(), value };
        let error = match Request::new(Ok(get), telling).await {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        match number(&error) {
            Some(libc::ENODATA) => return Ok(None),
            Some(libc::ERANGE) if room < LAST_BYTES => room = LAST_BYTES,
            _ => return Err(error),
        }
    }
}

/// Sets an extended attribute. Symbolic links are followed.
///
/// # Errors
/// Those of setxattr(2), with the path: `NotFound`, `PermissionDenied`, `StorageFull`, what
/// [`SetXattr`] says;
/// `Unsupported` if the file system has no attributes, or none of this namespace; E2BIG for more
/// than 64 KiB.
///
/// # Cancel safety
/// Dropping the future may or may not undo it. A value is set whole or not at all.
///
/// # Kernel
/// `SETXATTR`, 5.19; always punted. setxattr(2) on a thread where the ring may not do it.
///
/// ```no_run
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::fs::{self, SetXattr};
///
/// fs::set_xattr("page", "user.origin", "here", SetXattr::Always).await?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "setxattr")]
pub fn set_xattr<P, N, V>(
    path: P,
    name: N,
    value: V,
    how: SetXattr,
) -> impl OpExt<Output = io::Result<()>> + use<P, N, V>
where
    P: AsRef<Path>,
    N: AsRef<OsStr>,
    V: Into<Vec<u8>>,
{
    let strings = strings(SET, path.as_ref(), name.as_ref());
    let value = value.into();
    let description = match strings {
        Ok((path, name)) => Ok(SetPathXattr { path, name, value, flags: how.flags() }),
        Err(error) => Err(Err(error)),
    };
    Request::new(description, telling)
}

/// The names of all extended attributes of a file that the caller may see, in no order.
///
/// # Errors
/// Those of listxattr(2), with the path.
///
/// # Cancel safety
/// Nothing is changed.
///
/// # Kernel
/// listxattr(2), which has no operation, on a thread where it may block.
///
/// ```no_run
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// for name in annulus::fs::list_xattrs("page").await? {
///     println!("{}", name.display());
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "listxattr")]
pub async fn list_xattrs<P: AsRef<Path>>(path: P) -> io::Result<Vec<OsString>> {
    let path = path.as_ref().to_owned();
    aside(move || {
        let mut names = Vec::with_capacity(LAST_BYTES);
        rustix::fs::listxattr(&path, spare_capacity(&mut names))
            .map_err(|errno| at("list the attributes of", &path, errno.into()))?;
        let names = names.split(|&byte| byte == 0).filter(|name| !name.is_empty());
        Ok(names.map(|name| OsString::from_vec(name.to_vec())).collect())
    })
    .await
}

/// Removes an extended attribute. Symbolic links are followed.
///
/// # Errors
/// Those of removexattr(2), with the path; ENODATA if the file has none of this name.
///
/// # Cancel safety
/// Dropping the future lets a call that has begun go on.
///
/// # Kernel
/// removexattr(2), which has no operation, on a thread where it may block.
///
/// ```no_run
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// annulus::fs::remove_xattr("page", "user.origin").await?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "removexattr")]
pub async fn remove_xattr<P: AsRef<Path>, N: AsRef<OsStr>>(path: P, name: N) -> io::Result<()> {
    let (path, name) = strings(REMOVE, path.as_ref(), name.as_ref())?;
    aside(move || {
        rustix::fs::removexattr(path.as_c_str(), name.as_c_str())
            .map_err(|errno| at(REMOVE, path_of(&path), errno.into()))
    })
    .await
}

const GET: &str = "get an attribute of";
const SET: &str = "set an attribute of";
const REMOVE: &str = "remove an attribute of";

fn strings(doing: &'static str, path: &Path, name: &OsStr) -> io::Result<(CString, CString)> {
    let both = || io::Result::Ok((c_path(path)?, c_name(name)?));
    let refused = |error: io::Error| match name.as_bytes().contains(&0) {
        true => io::Error::new(error.kind(), "the name of an attribute has no zero byte"),
        false => error,
    };
    both().map_err(|error| at(doing, path, refused(error)))
}

/// The kernel's number of an error, whether or not a path is around it.
fn number(error: &io::Error) -> Option<i32> {
    super::PathError::of(error).map_or(error, super::PathError::io_error).raw_os_error()
}

impl Told for GetPathXattr {
    fn tell(&self, error: io::Error) -> io::Error {
        at(GET, path_of(&self.path), error)
    }
}

impl Told for SetPathXattr {
    fn tell(&self, error: io::Error) -> io::Error {
        at(SET, path_of(&self.path), error)
    }
}

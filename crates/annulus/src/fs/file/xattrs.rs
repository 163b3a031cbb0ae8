//! Extended attributes of an open file.
//!
//! Owns: what users call, how an attribute is set, and what its name may be. Mirrors xattr(7),
//! fgetxattr(2), fsetxattr(2), flistxattr(2), fremovexattr(2).

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use super::File;
use crate::core::fxattr_op::{SetXattrOf, XattrOf};
use crate::core::op::Op;
use crate::op::{OpExt, Shaped};

/// Whether an attribute that is set may be there already, or must be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SetXattr {
    /// Makes it, or replaces its value.
    #[default]
    Always,
    /// Makes it; `AlreadyExists` if it is there.
    Create,
    /// Replaces its value; ENODATA if it is not there.
    Replace,
}

impl SetXattr {
    pub(in crate::fs) fn flags(self) -> i32 {
        match self {
            Self::Always => 0,
            Self::Create => libc::XATTR_CREATE,
            Self::Replace => libc::XATTR_REPLACE,
        }
    }
}

impl File {
    /// The value of an extended attribute, `None` if there is no such attribute. The name begins
    /// with its namespace: `user.mime_type`.
    ///
    /// # Errors
    /// Those of fgetxattr(2): `Unsupported` where the file system has none; `InvalidInput` for a
    /// name with a zero byte.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    ///
    /// # Kernel
    /// `FGETXATTR`, 5.19; always punted. Once for values up to 256 bytes, else twice.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::fs::{File, SetXattr};
    ///
    /// let page = File::open("page").await?;
    /// page.set_xattr("user.mime_type", "text/html", SetXattr::Always).await?;
    /// assert_eq!(page.xattr("user.mime_type").await?.as_deref(), Some(&b"text/html"[..]));
    /// assert_eq!(page.list_xattrs().await?, ["user.mime_type"]);
    /// page.remove_xattr("user.mime_type").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "fgetxattr")]
    pub async fn xattr<N: AsRef<OsStr>>(&self, name: N) -> io::Result<Option<Vec<u8>>> {
        let handle = self.handle();
        let mut room = VALUE_BYTES;
        loop {
            let (name, value) = (xattr_name(name.as_ref())?, Vec::with_capacity(room));
            match Op::new(XattrOf { handle, name, value }).await {
                Ok(value) => return Ok(Some(value)),
                Err(error) => match error.raw_os_error() {
                    Some(libc::ENODATA) => return Ok(None),
                    Some(libc::ERANGE) if room < VALUE_BYTES_MAX => room = VALUE_BYTES_MAX,
                    _ => return Err(error),
                },
            }
        }
    }

    /// Sets an extended attribute.
    ///
    /// # Errors
    /// Those of fsetxattr(2): `Unsupported` where the file system has none, `StorageFull`, E2BIG
    /// for values above 64 KiB; `InvalidInput` for a name with a zero byte; what [`SetXattr`] says.
    ///
    /// # Cancel safety
    /// It is done or not.
    ///
    /// # Kernel
    /// `FSETXATTR`, 5.19; always punted.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// use annulus::fs::SetXattr;
    ///
    /// file.set_xattr("user.origin", "here", SetXattr::Always).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "fsetxattr")]
    pub fn set_xattr<N: AsRef<OsStr>, V: Into<Vec<u8>>>(
        &self,
        name: N,
        value: V,
        how: SetXattr,
    ) -> impl OpExt<Output = io::Result<()>> + use<'_, N, V> {
        let (handle, flags) = (self.handle(), how.flags());
        let parts =
            xattr_name(name.as_ref()).and_then(|name| Ok((name, xattr_value(value.into())?)));
        let description = parts.map(|(name, value)| SetXattrOf { handle, name, value, flags });
        Shaped::new(description.map_err(Err), |set| set)
    }

    /// The names of all extended attributes that the caller may see.
    ///
    /// # Errors
    /// Those of flistxattr(2): `Unsupported` where the file system has none.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    ///
    /// # Kernel
    /// flistxattr(2), which has no operation of the ring, on a thread of
    /// [`spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// for name in file.list_xattrs().await? {
    ///     println!("{}", name.display());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "flistxattr")]
    pub async fn list_xattrs(&self) -> io::Result<Vec<OsString>> {
        self.on_thread(|file| {
            let mut list = vec![0; VALUE_BYTES_MAX];
            let len = rustix::fs::flistxattr(&file, &mut list[..])?;
            Ok(xattr_names(&list[..len]))
        })
        .await
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// Those of fremovexattr(2): ENODATA if there is no such attribute; `InvalidInput` for a name
    /// with a zero byte.
    ///
    /// # Cancel safety
    /// As [`File::set_permissions`].
    ///
    /// # Kernel
    /// fremovexattr(2), as [`list_xattrs`](Self::list_xattrs).
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.remove_xattr("user.origin").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "fremovexattr")]
    pub async fn remove_xattr<N: AsRef<OsStr>>(&self, name: N) -> io::Result<()> {
        let name = xattr_name(name.as_ref())?;
        self.on_thread(move |file| Ok(rustix::fs::fremovexattr(&file, name.as_c_str())?)).await
    }
}

/// Room for a value, at first.
const VALUE_BYTES: usize = 256;
/// The longest value and the longest list of names (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
const VALUE_BYTES_MAX: usize = 65536;

/// A name as the kernel takes it.
fn xattr_name(name: &OsStr) -> io::Result<CString> {
    CString::new(name.as_bytes()).map_err(|_| {
        let why = "the name of an attribute cannot contain a zero byte";
        io::Error::new(io::ErrorKind::InvalidInput, why)
    })
}

/// A value that the kernel takes.
fn xattr_value(value: Vec<u8>) -> io::Result<Vec<u8>> {
    if value.len() <= VALUE_BYTES_MAX {
        return Ok(value);
    }
    // What the kernel would say.
    Err(io::Error::from_raw_os_error(libc::E2BIG))
}

/// The names in a list, in which each ends with a zero byte.
fn xattr_names(list: &[u8]) -> Vec<OsString> {
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| OsString::from_vec(name.to_vec())).collect()
}

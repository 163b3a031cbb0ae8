//! Permissions and times of an open file.
//!
//! Owns: what users call. Mirrors fchmod(2), futimens(3).

use std::fs::{FileTimes, Permissions};
use std::io;
use std::time::SystemTime;

use super::File;

impl File {
    /// Sets the permission bits.
    ///
    /// # Errors
    /// Those of fchmod(2): `PermissionDenied` if the file is somebody else's.
    ///
    /// # Cancel safety
    /// Dropping the future lets a call that has begun go on.
    ///
    /// # Kernel
    /// fchmod(2), which may write to a journal and has no operation of the ring, on a thread of
    /// [`spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// use std::fs::Permissions;
    /// use std::os::unix::fs::PermissionsExt as _;
    ///
    /// file.set_permissions(Permissions::from_mode(0o600)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "fchmod")]
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.on_thread(move |file| file.set_permissions(permissions)).await
    }

    /// Sets the times of the last access and of the last change of contents.
    ///
    /// # Errors
    /// Those of futimens(3): `PermissionDenied` if the file is somebody else's; `InvalidInput` for
    /// times that it cannot hold.
    ///
    /// # Cancel safety
    /// As [`set_permissions`](Self::set_permissions).
    ///
    /// # Kernel
    /// utimensat(2), as [`set_permissions`](Self::set_permissions).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// use std::{fs::FileTimes, time::SystemTime};
    ///
    /// file.set_times(FileTimes::new().set_accessed(SystemTime::now())).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "futimens")]
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        self.on_thread(move |file| file.set_times(times)).await
    }

    /// Sets the time of the last change of contents.
    ///
    /// # Errors
    /// As [`set_times`](Self::set_times).
    ///
    /// # Cancel safety
    /// As [`set_permissions`](Self::set_permissions).
    ///
    /// # Kernel
    /// As [`set_times`](Self::set_times).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// use std::time::UNIX_EPOCH;
    ///
    /// file.set_modified(UNIX_EPOCH).await?;
    /// assert_eq!(file.metadata()?.modified(), UNIX_EPOCH);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time)).await
    }
}

//! Pipes that have a name.
//!
//! Owns: how one is opened. Mirrors fifo(7).

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::{Receiver, Sender, check};
use crate::core::Owned;
use crate::core::path_op::Open;
use crate::op::{OpExt, Shaped};

/// How a FIFO is opened, with the rules of `tokio::net::unix::pipe::OpenOptions`: an open never
/// waits for the other side.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::pipe::OpenOptions;
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("fifo");
/// # assert!(std::process::Command::new("mkfifo").arg(&path).status()?.success());
///
/// let receiver = OpenOptions::new().open_receiver(&path).await?;
/// let sender = OpenOptions::new().open_sender(&path).await?;
/// sender.write_all("through the file system").await?;
/// let (n, buf) = receiver.read(Vec::with_capacity(64)).await?;
/// assert_eq!((n, &buf[..]), (23, &b"through the file system"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    read_write: bool,
}

impl OpenOptions {
    /// One direction only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens it for both directions, whichever end it becomes. So a receiver never sees the end,
    /// because there is a sender, and a sender is opened although nobody reads.
    pub fn read_write(&mut self, read_write: bool) -> &mut Self {
        self.read_write = read_write;
        self
    }

    /// Opens a FIFO for reading, at once. While nobody has opened it for writing, a read gives 0,
    /// as at the end: wait with [`read_write`](Self::read_write), which has no end, or with
    /// [`readable`](Receiver::readable) after the first sender has come.
    ///
    /// # Errors
    /// Those of open(2); `InvalidInput` if the file is no FIFO, or for a path with a zero byte.
    ///
    /// # Cancel safety
    /// A descriptor that arrives after the future was dropped is closed.
    ///
    /// # Kernel
    /// `OPENAT` with `O_NONBLOCK`, 5.6.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::pipe::OpenOptions;
    ///
    /// let receiver = OpenOptions::new().open_receiver("/run/requests").await?;
    /// receiver.readable().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open_receiver<P: AsRef<Path>>(
        &self,
        path: P,
    ) -> impl OpExt<Output = io::Result<Receiver>> + use<P> {
        Shaped::new(self.description(path.as_ref(), libc::O_RDONLY).map_err(Err), receiver)
    }

    /// Opens a FIFO for writing, at once.
    ///
    /// # Errors
    /// ENXIO if nobody has opened it for reading; as [`open_receiver`](Self::open_receiver).
    ///
    /// # Cancel safety
    /// A descriptor that arrives after the future was dropped is closed.
    ///
    /// # Kernel
    /// `OPENAT` with `O_NONBLOCK`, 5.6.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::pipe::OpenOptions;
    ///
    /// let sender = OpenOptions::new().open_sender("/run/requests").await?;
    /// sender.write_all("stop\n").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open_sender<P: AsRef<Path>>(
        &self,
        path: P,
    ) -> impl OpExt<Output = io::Result<Sender>> + use<P> {
        Shaped::new(self.description(path.as_ref(), libc::O_WRONLY).map_err(Err), sender)
    }

    fn description(&self, path: &Path, access: i32) -> io::Result<Open> {
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, "a path cannot contain a zero byte")
        })?;
        let access = if self.read_write { libc::O_RDWR } else { access };
        let flags = access | libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY;
        Ok(Open { path, flags, mode: 0 })
    }
}

fn receiver(opened: io::Result<Owned>) -> io::Result<Receiver> {
    let owned = opened?;
    check(&owned, libc::O_RDONLY)?;
    Ok(Receiver { owned, flags: 0 })
}

fn sender(opened: io::Result<Owned>) -> io::Result<Sender> {
    let owned = opened?;
    check(&owned, libc::O_WRONLY)?;
    Ok(Sender { owned, flags: 0 })
}

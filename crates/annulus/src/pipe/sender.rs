//! The end of a pipe to write to.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::{WriteAllNow, WriteNow, end, ready_for};
use crate::buf::{BufResult, IoBuf};
use crate::core::Owned;
use crate::core::now::Now;
use crate::io::AsyncWrite;
use crate::op::OpExt;

/// The end of a pipe to write to; see the [module](super).
///
/// Several tasks may write to it. What each writes at once stays in one piece up to
/// [`ATOMIC_BYTES`](super::ATOMIC_BYTES).
#[derive(Debug)]
pub struct Sender {
    pub(crate) owned: Owned,
    /// `RWF_NOWAIT` where the open file is shared, and so not nonblocking.
    pub(crate) flags: i32,
}

impl Sender {
    /// Writes as many of the bytes as there is room for, and gives how many that were; waits until
    /// there is some room, for up to [`ATOMIC_BYTES`](super::ATOMIC_BYTES) until there is enough.
    ///
    /// # Errors
    /// `BrokenPipe` when all receivers are gone; use on a foreign core.
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing was written.
    ///
    /// # Kernel
    /// pwritev2(2) with `RWF_NOSIGNAL` (6.18) or write(2), which do not wait, and `POLL_ADD`, 5.1,
    /// if there is no room.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::pipe::pipe;
    /// # let (sender, receiver) = pipe()?;
    /// let (n, _) = sender.write("hello").await?;
    /// assert_eq!(n, 5);
    /// # drop(receiver);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write<B: IoBuf>(&self, buf: B) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        WriteNow::new(&self.owned, buf, (self.flags, false))
    }

    /// Writes all of the bytes.
    ///
    /// # Errors
    /// As [`write`](Self::write); a part may have been written.
    ///
    /// # Cancel safety
    /// If the future is dropped, a part may have been written; of a buffer of up to
    /// [`ATOMIC_BYTES`](super::ATOMIC_BYTES), nothing was. [`cancel`](OpExt::cancel) tells how
    /// much.
    ///
    /// # Kernel
    /// As [`write`](Self::write), as often as it takes.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::pipe::pipe;
    /// # let (sender, receiver) = pipe()?;
    /// sender.write_all("hello").await?;
    /// drop(sender);
    /// assert_eq!(receiver.read(vec![0; 64]).await?.0, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all<B: IoBuf>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        WriteAllNow(WriteNow::new(&self.owned, buf, (self.flags, true)))
    }

    /// Writes what there is room for, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room; as [`write`](Self::write).
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.owned.write_now(bytes, self.flags)? {
            Now::Done(written) => Ok(written),
            Now::Wait => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Waits until a write would not wait: there is room, or all receivers are gone.
    ///
    /// # Errors
    /// Use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// # Kernel
    /// `POLL_ADD`, 5.1; polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::pipe::pipe;
    /// # let (sender, receiver) = pipe()?;
    /// sender.writable().await?;
    /// assert_eq!(sender.try_write(b"hello")?, 5);
    /// # drop(receiver);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn writable(&self) -> io::Result<()> {
        ready_for(&self.owned, libc::POLLOUT).await
    }
}

end!(Sender, libc::O_WRONLY);

/// The end that a child reads from.
impl TryFrom<std::process::ChildStdin> for Sender {
    type Error = io::Error;

    fn try_from(end: std::process::ChildStdin) -> io::Result<Self> {
        Self::from_owned_fd(end.into())
    }
}

macro_rules! writes {
    ($($writer:ty),*) => {$(
        impl AsyncWrite for $writer {
            fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
                Sender::write(self, buf)
            }

            /// What was written is in the pipe: there is nothing to wait for.
            async fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }

            /// Does nothing: a receiver hears of the end when the last sender is dropped.
            async fn shutdown(&mut self) -> io::Result<()> {
                Ok(())
            }

            fn write_all<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
                Sender::write_all(self, buf)
            }

            fn as_pipe_target(&self) -> Option<&Sender> {
                Some(self)
            }
        }
    )*};
}

writes!(Sender, &Sender);

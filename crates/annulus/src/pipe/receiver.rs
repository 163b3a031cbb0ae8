//! The end of a pipe to read from.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::{ReadNow, end, ready_for};
use crate::buf::{BufResult, IoBufMut, Lease};
use crate::core::Owned;
use crate::core::now::Now;
use crate::io::AsyncRead;
use crate::op::OpExt;

/// What [`AsyncRead::recv`] reads at most: as much as a pipe holds.
const PIECE_BYTES: usize = 64 * 1024;

/// The end of a pipe to read from; see the [module](super).
///
/// Several tasks may read from it: each byte goes to one of them, in no particular order.
#[derive(Debug)]
pub struct Receiver {
    pub(crate) owned: Owned,
    /// `RWF_NOWAIT` where the open file is shared, and so not nonblocking.
    pub(crate) flags: i32,
}

impl Receiver {
    /// Reads what is there, up to the buffer's capacity; waits until something is. Gives 0 when
    /// all senders are gone.
    ///
    /// # Errors
    /// `InvalidInput` for a buffer without capacity; use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing but the buffer.
    ///
    /// # Kernel
    /// read(2), which does not wait, and `POLL_ADD`, 5.1, if there is nothing.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::pipe::pipe;
    /// # let (sender, receiver) = pipe()?;
    /// sender.write_all("hello").await?;
    /// let (n, buf) = receiver.read(vec![0; 64]).await?;
    /// assert_eq!(&buf[..n], b"hello");
    /// # Ok(())
    /// # }
    /// ```
    pub fn read<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        ReadNow::new(&self.owned, buf, self.flags)
    }

    /// Reads what is there, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing; use on a foreign core.
    pub fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.owned.read_slice_now(bytes, self.flags)? {
            Now::Done(read) => Ok(read),
            Now::Wait => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Waits until a read would not wait: something is there, or all senders are gone.
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
    /// sender.write_all("hello").await?;
    /// receiver.readable().await?;
    /// assert_eq!(receiver.try_read(&mut [0; 64])?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn readable(&self) -> io::Result<()> {
        ready_for(&self.owned, libc::POLLIN).await
    }

    /// The next piece, in memory of its own size; none is held while it waits.
    pub(super) async fn piece(&self) -> io::Result<Option<Lease>> {
        loop {
            let mut room = Vec::with_capacity(PIECE_BYTES);
            if let Now::Done(bytes) = self.owned.read_now(&mut room, self.flags)? {
                if bytes < PIECE_BYTES / 2 {
                    room.shrink_to_fit();
                }
                return Ok((bytes > 0).then(|| Lease::from(room)));
            }
            drop(room);
            ready_for(&self.owned, libc::POLLIN).await?;
        }
    }
}

end!(Receiver, libc::O_RDONLY);

/// The end that a child writes to.
impl TryFrom<std::process::ChildStdout> for Receiver {
    type Error = io::Error;

    fn try_from(end: std::process::ChildStdout) -> io::Result<Self> {
        Self::from_owned_fd(end.into())
    }
}

/// The end that a child writes to.
impl TryFrom<std::process::ChildStderr> for Receiver {
    type Error = io::Error;

    fn try_from(end: std::process::ChildStderr) -> io::Result<Self> {
        Self::from_owned_fd(end.into())
    }
}

macro_rules! reads {
    ($($reader:ty),*) => {$(
        impl AsyncRead for $reader {
            fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
                Receiver::read(self, buf)
            }

            async fn recv(&mut self) -> io::Result<Option<Lease>> {
                self.piece().await
            }

            fn as_pipe_source(&self) -> Option<&Receiver> {
                Some(self)
            }
        }
    )*};
}

reads!(Receiver, &Receiver);

//! Bytes that go on without being copied: the kernel passes pages from a pipe to another, to a
//! socket, and between pipes and files.
//!
//! Owns: the loops around splice(2) and tee(2). Does not own: the calls (`core/now`), nor the
//! request that moves from and to files (`core/splice_op`).
//!
//! As a request of the ring a splice always goes to a worker thread: 56 µs of CPU for a pair of
//! 64 KiB, where two calls take 1.9. So between ends that can be waited for it is the call, and the
//! ring waits until both are ready. A file may have to be read from its device, so there it is the
//! request, which does not wait for the pipe: the worker is never held up by a peer.

use std::future::Future;
use std::io;

use annulus_task::coop;

use super::{Receiver, Sender, ready_for};
use crate::core::Owned;
use crate::core::now::Now;
use crate::core::op::Op;
use crate::core::splice_op::SpliceFile;
use crate::fs::File;

/// Where bytes can be moved to from a pipe: another pipe, or a stream socket.
///
/// This trait is sealed.
#[allow(private_bounds, reason = "the private bound seals it")]
pub trait SpliceTarget: Moves {}

impl<T: Moves> SpliceTarget for T {}

pub(crate) trait Moves {
    fn owned(&self) -> &Owned;

    /// Waits until what was accepted before is on its way.
    fn settled(&self) -> impl Future<Output = io::Result<()>>;
}

impl Moves for Sender {
    fn owned(&self) -> &Owned {
        &self.owned
    }

    async fn settled(&self) -> io::Result<()> {
        Ok(())
    }
}

impl<T: Moves + ?Sized> Moves for &T {
    fn owned(&self) -> &Owned {
        (**self).owned()
    }

    fn settled(&self) -> impl Future<Output = io::Result<()>> {
        (**self).settled()
    }
}

/// Gives others their turn, as often as the budget of a task says.
async fn step() {
    std::future::poll_fn(|cx| {
        std::task::ready!(coop::poll_proceed(cx));
        coop::made_progress();
        std::task::Poll::Ready(())
    })
    .await;
}

/// Waits until one end can be read from and the other written to.
async fn both_ready(from: &Owned, to: &Owned) -> io::Result<()> {
    ready_for(from, libc::POLLIN).await?;
    ready_for(to, libc::POLLOUT).await
}

/// Moves up to so many bytes, once there are some and there is room for them.
pub(crate) async fn move_on(from: &Owned, to: &Owned, bytes: usize) -> io::Result<usize> {
    step().await;
    loop {
        match from.splice_now(to.live_fd()?, bytes)? {
            Now::Done(moved) => return Ok(moved),
            Now::Wait => both_ready(from, to).await?,
        }
    }
}

impl Receiver {
    /// Moves up to `bytes` bytes from this pipe to another one, or to a stream socket, without
    /// copying them; waits until there are some, and room for them. Gives how many that were, 0
    /// when all senders of this pipe are gone.
    ///
    /// On a socket they follow what was accepted for sending before; send nothing else meanwhile.
    ///
    /// # Errors
    /// `BrokenPipe` when nobody reads the target; `InvalidInput` for two ends of the same pipe;
    /// those of splice(2); use on a foreign core.
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing was moved.
    ///
    /// # Kernel
    /// splice(2), which does not wait, and `POLL_ADD`, 5.1, of both ends.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::{net::UnixStream, pipe::pipe};
    ///
    /// let ((sender, receiver), (left, right)) = (pipe()?, UnixStream::pair()?);
    /// sender.write_all("from the pipe").await?;
    /// assert_eq!(receiver.splice_to(&left, 8).await?, 8);
    /// assert_eq!(right.read_exact(vec![0; 8]).await?.1, b"from the");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IORING_OP_SPLICE")]
    pub async fn splice_to<T: SpliceTarget>(&self, target: &T, bytes: usize) -> io::Result<usize> {
        refuse_nothing(bytes)?;
        target.settled().await?;
        move_on(&self.owned, target.owned(), bytes).await
    }

    /// Puts up to `bytes` of this pipe's next bytes into another pipe as well, without copying or
    /// consuming them; waits until there are some, and room for them. Gives how many that were, 0
    /// when all senders of this pipe are gone.
    ///
    /// It always begins with the next byte of this pipe: consume what was doubled (by a read or a
    /// splice) before doubling more.
    ///
    /// # Errors
    /// As [`splice_to`](Self::splice_to).
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing was doubled.
    ///
    /// # Kernel
    /// tee(2), which does not wait, and `POLL_ADD`, 5.1, of both ends.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::pipe::pipe;
    /// # let (sender, receiver) = pipe()?;
    /// let (second, copy) = pipe()?;
    /// sender.write_all("hello").await?;
    /// assert_eq!(receiver.tee_to(&second, 64).await?, 5);
    /// assert_eq!(copy.read(vec![0; 64]).await?.0, 5); // and it is in the first one still
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IORING_OP_TEE")]
    pub async fn tee_to(&self, target: &Sender, bytes: usize) -> io::Result<usize> {
        refuse_nothing(bytes)?;
        step().await;
        loop {
            match self.owned.tee_now(target.owned.live_fd()?, bytes)? {
                Now::Done(doubled) => return Ok(doubled),
                Now::Wait => both_ready(&self.owned, &target.owned).await?,
            }
        }
    }

    /// Moves up to `bytes` bytes from this pipe into a file at `offset`; waits until there are
    /// some. Gives how many that were, 0 when all senders are gone.
    ///
    /// # Errors
    /// Those of splice(2): `InvalidInput` for a file that is open for appending, `StorageFull`; use
    /// on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future may or may not undo the move: any part of it may happen. While there is
    /// nothing in the pipe, nothing does.
    ///
    /// # Kernel
    /// `POLL_ADD`, 5.1, then `SPLICE`, 5.7; punted, so move much at once.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::pipe::pipe;
    /// # let (sender, receiver) = pipe()?;
    /// # let file = annulus::fs::TempFile::new().await?;
    /// sender.write_all("hello").await?;
    /// assert_eq!(receiver.splice_to_file(&file, 0, 64).await?, 5);
    /// assert_eq!(file.len()?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn splice_to_file(
        &self,
        file: &File,
        offset: u64,
        bytes: usize,
    ) -> io::Result<usize> {
        refuse_nothing(bytes)?;
        // Before it waits: whether there will be bytes does not matter then.
        file.owned().live_fd()?;
        loop {
            ready_for(&self.owned, libc::POLLIN).await?;
            let splice = SpliceFile::out_of_pipe(self.owned.handle(), file, (offset, bytes))?;
            match Op::new(splice).await {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                moved => return moved,
            }
        }
    }
}

impl Sender {
    /// Moves up to `bytes` bytes of a file from `offset` on into this pipe; waits until there is
    /// room for some. Gives how many that were, 0 at the end of the file.
    ///
    /// # Errors
    /// `BrokenPipe` when nobody reads; those of splice(2); use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future may or may not undo the move: any part of it may happen.
    ///
    /// # Kernel
    /// `POLL_ADD`, 5.1, then `SPLICE`, 5.7; punted, so move much at once.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::pipe::pipe;
    /// # let (sender, receiver) = pipe()?;
    /// # let file = annulus::fs::TempFile::new().await?;
    /// file.write_all_at("hello", 0).await?;
    /// assert_eq!(sender.splice_from_file(&file, 0, 64).await?, 5);
    /// assert_eq!(receiver.read(vec![0; 64]).await?.0, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn splice_from_file(
        &self,
        file: &File,
        offset: u64,
        bytes: usize,
    ) -> io::Result<usize> {
        refuse_nothing(bytes)?;
        // As in `splice_to_file`.
        file.owned().live_fd()?;
        loop {
            ready_for(&self.owned, libc::POLLOUT).await?;
            let splice = SpliceFile::into_pipe(self.owned.handle(), file, (offset, bytes))?;
            match Op::new(splice).await {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                moved => return moved,
            }
        }
    }
}

/// A move of no bytes would look like the end.
fn refuse_nothing(bytes: usize) -> io::Result<()> {
    if bytes > 0 {
        return Ok(());
    }
    let text = "a move of 0 bytes could only return 0, which means the end";
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

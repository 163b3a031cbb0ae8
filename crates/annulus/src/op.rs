//! What can be done with an operation besides awaiting it: end it early, bound it in time, link it
//! to others.
//!
//! The futures of this crate that carry a request of the kernel implement [`OpExt`]. Dropping such
//! a future is always sound, and gives up its result; [`cancel`](OpExt::cancel) does not give it
//! up. It asks the kernel to end the request, waits until it has, and resolves as the operation
//! itself does: with its result if that was faster, else with an error, and with the buffer either
//! way.
//!
//! ```
//! # #[annulus::main]
//! # async fn main() -> std::io::Result<()> {
//! use annulus::{OpExt as _, net::UnixStream, op::Cancelled, select};
//!
//! let (left, right) = UnixStream::pair()?;
//! let mut read = left.read(Vec::with_capacity(64));
//! select! {
//!     got = &mut read => println!("{} bytes", got?.0),
//!     wrote = right.write_all("too late?") => {
//!         wrote?;
//!         match read.cancel().await {
//!             Ok((n, buf)) => println!("they came in time: {n} bytes in {buf:?}"),
//!             Err(error) if Cancelled::of(error.error()).is_some() => {
//!                 let buf = error.into_buf().expect("the buffer came back");
//!                 println!("still free: {} bytes", buf.capacity());
//!             }
//!             Err(error) => return Err(error.into()),
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`timeout`](OpExt::timeout) and [`deadline`](OpExt::deadline) are the same, asked by the clock.
//! Unlike [`time::timeout`](crate::time::timeout), which drops what is late, they lose neither a
//! late result nor the buffer. [`chain`] has the kernel start one operation when the one before has
//! succeeded.

mod cancel;
mod chain;
mod deadline;
mod outcome;
mod sequence;
mod shaped;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::core::chain::Link;
use crate::core::end::End;
use crate::time::Instant;

pub use cancel::{Cancel, Cancelled};
pub use chain::{Chain, Chained, Step, Steps, chain};
pub use deadline::Deadline;
pub use outcome::Outcome;
pub(crate) use sequence::{Either, Next, Running, Sequel, Sequence};
pub(crate) use shaped::Shaped;

/// A future of an operation, which can be asked to end and still gives its result.
///
/// | has it | |
/// |---|---|
/// | files | opening ([`fs::File`](crate::fs::File), [`OpenOptions`](crate::fs::OpenOptions), [`Dir`](crate::fs::Dir)), every read, write and sync of one request or one buffer, `set_len`, `allocate` and its like, `advise`, `set_xattr`, [`fs::metadata`](crate::fs::metadata()), [`fs::read_once`](crate::fs::read_once), [`copy_block`](crate::fs::File::copy_block), [`write_synced_at`](crate::fs::File::write_synced_at), [`fs::rename`](crate::fs::rename) and what else the ring does with names |
/// | sockets | `connect`, `accept`, `recv`, `peek`, `read`, `read_exact`, `read_vectored`, `write`, `write_all`, `write_vectored`, `write_all_vectored`, `write_all_zc`, `write_all_vectored_zc`, `flush`, `send_file`, `send_file_after` |
/// | sockets of datagrams | `connect` of a socket, every receive, peek and send |
/// | pipes, standard streams | opening a FIFO, `read`, `write`, `write_all` |
/// | memory | [`Futex::wait`](crate::futex::Futex::wait), [`wait_any`](crate::futex::wait_any), [`advise`](crate::mem::advise) |
/// | any | [`submit`](crate::submit), [`chain`], and all of these with a [`deadline`](Self::deadline) |
///
/// | has it not | because |
/// |---|---|
/// | `with_data`, `fill_buf`, `fill_more` | dropping them loses nothing: bytes that were not consumed stay with the stream. [`time::timeout`](crate::time::timeout) bounds them |
/// | `read_to_end`, `read_to_string`, and functions that take a path and read or write it whole | of several requests, dropping them leaves the position: [`time::timeout`](crate::time::timeout) bounds them |
/// | `set_permissions`, `set_times`, `lock`, `list_xattrs`, `remove_xattr`, `seek_data`, `seek_hole`, temporary directories | a thread does it, which nobody interrupts |
/// | [`AtomicFile::commit`](crate::fs::AtomicFile::commit) | it leaves the old file or the new one whenever it is dropped |
/// | [`File::close`](crate::fs::File::close) | nobody would know whether the descriptor is closed; dropped, it goes on |
/// | [`UnixSeqpacket::connect`](crate::net::UnixSeqpacket::connect) | dropping it closes the socket: [`time::timeout`](crate::time::timeout) bounds it |
/// | `into_std`, `into_portable` | all that they wait for is what `flush` waits for: bound that first |
/// | [`AsyncFd`](crate::io::AsyncFd), streams (`leases`, `incoming`, [`Readiness`](crate::io::Readiness)) | between two items there is nothing to end, and dropping the wait for one loses none |
/// | splices and tees of [pipes](crate::pipe), [`Child::wait`](crate::process::Child::wait), [signals](crate::signal) | they wait by a poll, and dropping the wait loses nothing |
/// | [`CommitLog::append`](crate::fs::CommitLog::append), [`read_ranges`](crate::fs::File::read_ranges) | dropping them loses nothing but what they would have given |
/// | sleeps, locks, channels, joins | the kernel has nothing of them, and dropping them loses nothing |
///
/// This trait is sealed: the operations of this crate implement it, and references to them (so an
/// operation that is kept, pinned or not, can be bounded and cancelled as well).
#[allow(private_bounds, reason = "the private bound seals it")]
pub trait OpExt: Future<Output: Outcome> + Unpin + End {
    /// Asks the operation to end, and resolves when it has: with its result if that was faster,
    /// else with an error of kind `Interrupted` that [`Cancelled::of`] recognises. The buffer comes
    /// back in either.
    ///
    /// An operation that was not polled yet ends at once and does nothing. One that waits for
    /// received data or for a connection leaves its queue, with what is there for it and without
    /// losing anything. One that the kernel cannot interrupt any more (a write to a disk that has
    /// begun) is waited for.
    ///
    /// A send that had begun may have sent a part: `write` then gives the number of its bytes, the
    /// error of `write_all` has it as [`Cancelled::bytes_done`].
    ///
    /// # Errors
    /// Those of the operation; [`Cancelled`], with the buffer, if the kernel ended it before it was
    /// done.
    ///
    /// # Panics
    /// When polled, if the operation had completed before.
    ///
    /// # Cancel safety
    /// Dropping the future is dropping the operation: the kernel's memory is safe, the result is
    /// given up.
    ///
    /// # Kernel
    /// `ASYNC_CANCEL`, 5.5; inline. It takes effect with the turn's submission.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::{OpExt as _, fs::File, op::Cancelled};
    ///
    /// let file = File::open("/etc/passwd").await?;
    /// let mut read = file.read_at(Vec::with_capacity(100), 0);
    /// // … polled or not, in a `select!` for instance, and then:
    /// match read.cancel().await {
    ///     Ok((n, _buf)) => println!("{n} bytes"),
    ///     Err(error) => {
    ///         let (error, buf) = error.into_parts();
    ///         assert!(Cancelled::of(&error).is_some());
    ///         assert_eq!(buf.map(|buf| buf.capacity()), Some(100));
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IORING_OP_ASYNC_CANCEL")]
    fn cancel(self) -> Cancel<Self>
    where
        Self: Sized,
    {
        Cancel::new(self)
    }

    /// Asks the operation to end if it has not by `at`. Resolves as the operation does, or with an
    /// error of kind `TimedOut` and the buffer, if the time was over first. A result that came late
    /// is given all the same.
    ///
    /// The operation is polled before the clock is looked at. It resolves when the kernel has let
    /// go of the buffer, which may be after `at` for what cannot be interrupted.
    ///
    /// # Errors
    /// `TimedOut`, with the buffer, if the time was over first; those of the operation.
    ///
    /// # Panics
    /// When polled, if no runtime runs on this thread.
    ///
    /// # Cancel safety
    /// As for [`cancel`](Self::cancel).
    ///
    /// # Kernel
    /// A timer of the core, which costs no request, and `ASYNC_CANCEL`, 5.5, if it fires.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// use annulus::{OpExt as _, time::Instant};
    /// use std::time::Duration;
    ///
    /// let soon = Instant::now() + Duration::from_millis(1);
    /// let silent = left.recv().deadline(soon).await;
    /// assert_eq!(silent.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    /// # drop(right);
    /// # Ok(())
    /// # }
    /// ```
    fn deadline(self, at: Instant) -> Deadline<Self>
    where
        Self: Sized,
    {
        Deadline::new(self, at)
    }

    /// As [`deadline`](Self::deadline), so long from now: the time starts with this call.
    ///
    /// # Errors
    /// As for [`deadline`](Self::deadline).
    ///
    /// # Cancel safety
    /// As for [`cancel`](Self::cancel).
    ///
    /// # Kernel
    /// A timer of the core, which costs no request, and `ASYNC_CANCEL`, 5.5, if it fires.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use std::{io::ErrorKind, time::Duration};
    /// use annulus::{OpExt as _, net::UnixStream};
    ///
    /// let (left, _right) = UnixStream::pair()?;
    /// let silent = left.read(vec![0; 64]).timeout(Duration::from_millis(1)).await;
    /// let (error, buf) = silent.expect_err("nobody writes").into_parts();
    /// assert_eq!(error.kind(), ErrorKind::TimedOut);
    /// assert_eq!(buf, Some(vec![0; 64]));
    /// # Ok(())
    /// # }
    /// ```
    fn timeout(self, duration: Duration) -> Deadline<Self>
    where
        Self: Sized,
    {
        Deadline::new(self, Instant::now() + duration)
    }
}

impl<F: Future<Output: Outcome> + Unpin + End> OpExt for F {}

/// An operation of one request, which can be a step of a [`chain`]: reads, writes and syncs of
/// files, and what [`submit`](crate::submit) takes.
///
/// This trait is sealed.
#[allow(private_bounds, reason = "the private bound seals it")]
pub trait Linkable: OpExt + Link {}

impl<F: OpExt + Link> Linkable for F {}

impl<F: End + Unpin + ?Sized> End for &mut F {
    fn ask_to_end(&mut self) -> Option<F::Output> {
        (**self).ask_to_end()
    }
}

impl<F: End + Unpin + ?Sized> End for Box<F> {
    fn ask_to_end(&mut self) -> Option<F::Output> {
        (**self).ask_to_end()
    }
}

impl<F: End + Unpin + ?Sized> End for Pin<&mut F> {
    fn ask_to_end(&mut self) -> Option<F::Output> {
        self.as_mut().get_mut().ask_to_end()
    }
}

impl<F: End + Unpin + ?Sized> End for Pin<Box<F>> {
    fn ask_to_end(&mut self) -> Option<F::Output> {
        self.as_mut().get_mut().ask_to_end()
    }
}

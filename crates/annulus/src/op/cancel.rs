//! An operation that is asked to end by its user.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, io};

use super::OpExt;
use super::outcome::Revise as _;

/// The future of [`OpExt::cancel`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Cancel<F: OpExt> {
    op: F,
    asked: bool,
}

impl<F: OpExt> Cancel<F> {
    pub(super) fn new(op: F) -> Self {
        Self { op, asked: false }
    }
}

impl<F: OpExt> Future for Cancel<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let ended = |mut output: F::Output| {
            output.revise(&mut |error| Cancelled::replace(error, io::ErrorKind::Interrupted));
            Poll::Ready(output)
        };
        if !this.asked {
            this.asked = true;
            if let Some(output) = this.op.ask_to_end() {
                return ended(output);
            }
        }
        match Pin::new(&mut this.op).poll(cx) {
            Poll::Ready(output) => ended(output),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Why an operation ended before its time: somebody asked it to. It is inside the [`io::Error`].
///
/// The error's kind says who asked: `TimedOut` for [`OpExt::timeout`] and [`OpExt::deadline`],
/// `Interrupted` for [`OpExt::cancel`] and for the steps of a [`chain`](super::chain) that did not
/// begin because one before them failed. (`Interrupted` alone can also be a signal's.)
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::{OpExt as _, net::TcpListener, op::Cancelled};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let error = listener.accept().cancel().await.expect_err("nobody connects");
/// assert_eq!(Cancelled::of(&error).map(Cancelled::bytes_done), Some(0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cancelled {
    bytes_done: usize,
}

impl Cancelled {
    /// What is inside the error of an operation that was asked to end; `None` for other errors.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// How many bytes an operation that means to move all of its buffer (`write_all`,
    /// `write_all_at`, …) had moved before.
    ///
    /// `read_exact` of a socket gives its bytes back to the stream: 0.
    #[must_use]
    pub fn bytes_done(&self) -> usize {
        self.bytes_done
    }

    pub(crate) fn error(kind: io::ErrorKind, bytes_done: usize) -> io::Error {
        io::Error::new(kind, Self { bytes_done })
    }

    /// Gives the error of an operation that was asked to end its kind. Other errors stay.
    pub(super) fn replace(error: &mut io::Error, kind: io::ErrorKind) {
        let bytes_done = match Self::of(error) {
            Some(cancelled) => cancelled.bytes_done,
            None if is_cancellation(error) => 0,
            None => return,
        };
        *error = Self::error(kind, bytes_done);
    }
}

/// How the kernel says that a request was cancelled. One that a worker thread had begun is
/// interrupted by a signal, and some file systems let the code through that restarts a system call.
fn is_cancellation(error: &io::Error) -> bool {
    const RESTART: std::ops::RangeInclusive<i32> = 512..=516;
    match error.raw_os_error() {
        Some(libc::ECANCELED | libc::EINTR) => true,
        Some(errno) => RESTART.contains(&errno),
        None => false,
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes_done {
            0 => f.write_str("the operation was cancelled"),
            bytes => write!(f, "the operation was cancelled after {bytes} bytes"),
        }
    }
}

impl std::error::Error for Cancelled {}

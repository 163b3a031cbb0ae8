//! Pipes: bytes from one end to the other, within a process or between processes.
//!
//! [`pipe`] makes one, [`OpenOptions`] opens one that has a name (a FIFO), and
//! [`process`](crate::process) gives those that lead to a child. Both ends take `&self`, are
//! `Send + Sync`, and are used on the core that made them.
//!
//! Reads and writes are calls that do not wait, and between them the ring waits until the pipe is
//! ready. What is in a pipe is in memory, so that costs less than a request for each piece while
//! there is something to move, and nothing is ever in flight that could carry bytes: **dropping or
//! cancelling a future of a pipe loses none**.
//!
//! | what happens | is |
//! |---|---|
//! | all senders are dropped, and everything was read | 0 bytes: the end |
//! | all receivers are dropped | a write fails with `BrokenPipe`. No signal is sent by it since Linux 6.18 (`RWF_NOSIGNAL`); before, SIGPIPE is, which the programs of Rust ignore |
//! | a write of at most [`ATOMIC_BYTES`] | goes in whole and in one piece, whoever else writes |
//! | a larger write | may be mixed with those of others |
//!
//! Half of a pipe is closed by dropping it, which is how the other half hears of the end.
//!
//! [`Receiver::splice_to`], [`Receiver::tee_to`] and their like move pages instead of bytes:
//! from pipe to pipe, to a socket, from and to files, and to many pipes at once.
//!
//! ```
//! # #[annulus::main]
//! # async fn main() -> std::io::Result<()> {
//! use annulus::io::AsyncRead as _;
//!
//! let (sender, mut receiver) = annulus::pipe::pipe()?;
//! sender.write_all("hello").await?;
//! drop(sender);
//! let (n, text) = receiver.read_to_string(String::new()).await?;
//! assert_eq!((n, text.as_str()), (5, "hello"));
//! # Ok(())
//! # }
//! ```

mod fan;
mod fifo;
mod moving;
mod receiver;
mod sender;
mod transfer;

pub use fifo::OpenOptions;
pub use moving::SpliceTarget;
pub use receiver::Receiver;
pub use sender::Sender;

pub(crate) use moving::{Moves, move_on};
pub(crate) use transfer::{ReadNow, Wait, WriteAllNow, WriteNow, ready_for};

use std::io;
use std::os::fd::OwnedFd;

use annulus_ring::Kernel as _;

use crate::core::record::Kind;
use crate::core::{Owned, with_any};

/// The most bytes that one write puts into a pipe in one piece, whoever else writes to it.
#[doc(alias = "PIPE_BUF")]
pub const ATOMIC_BYTES: usize = libc::PIPE_BUF;

/// Makes a pipe: the end to write to, and the end to read from.
///
/// # Errors
/// Those of pipe2(2): too many descriptors are open; if no runtime runs on this thread.
///
/// # Kernel
/// pipe2(2), with `O_CLOEXEC` and `O_NONBLOCK`: it does not block, and costs less than `PIPE`
/// (6.16) with a turn around it.
#[doc(alias = "pipe2")]
#[doc(alias = "IORING_OP_PIPE")]
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let [out, into] = with_any(|core| core.state.borrow_mut().pipe(0))??;
    let receiver = Receiver { owned: Owned::adopt_fd(out, Kind::Pipe)?, flags: 0 };
    Ok((Sender { owned: Owned::adopt_fd(into, Kind::Pipe)?, flags: 0 }, receiver))
}

/// Takes over one end of a pipe, if the descriptor is one that is open for this (`O_RDONLY`,
/// `O_WRONLY`, or both).
fn take_over(fd: OwnedFd, access: i32) -> io::Result<Owned> {
    let owned = Owned::adopt_fd(fd, Kind::Pipe)?;
    check(&owned, access)?;
    let flags = owned.fcntl(libc::F_GETFL, 0)?;
    if flags & libc::O_NONBLOCK == 0 {
        owned.fcntl(libc::F_SETFL, flags | libc::O_NONBLOCK)?;
    }
    Ok(owned)
}

/// Refuses what is no pipe, and one that is open for something else.
fn check(owned: &Owned, access: i32) -> io::Result<()> {
    let invalid = |what: String| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    let fd = owned.raw_fd();
    let found = owned.with(|state, _| state.ring.kernel().statx(fd, libc::STATX_TYPE))??;
    let kind = u32::from(found.stx_mode) & libc::S_IFMT;
    if kind != libc::S_IFIFO {
        return invalid(format!("this is no pipe: its type is {kind:#o}"));
    }
    let is_open_for = owned.fcntl(libc::F_GETFL, 0)? & libc::O_ACCMODE;
    if is_open_for != access && is_open_for != libc::O_RDWR {
        let wanted = if access == libc::O_RDONLY { "reading" } else { "writing" };
        return invalid(format!("this end of the pipe is not open for {wanted}"));
    }
    owned.with(|state, key| {
        if let Some(record) = state.records.get(key) {
            record.kind = Kind::Pipe;
        }
    })
}

/// The descriptor of an end, which waits from now on if it `blocks`.
fn give_up(owned: Owned, blocks: bool) -> io::Result<OwnedFd> {
    if blocks {
        let flags = owned.fcntl(libc::F_GETFL, 0)?;
        owned.fcntl(libc::F_SETFL, flags & !libc::O_NONBLOCK)?;
    }
    owned.into_fd()
}

/// How many bytes fit into a pipe.
fn capacity(owned: &Owned) -> io::Result<usize> {
    Ok(owned.fcntl(libc::F_GETPIPE_SZ, 0)? as usize)
}

/// Asks for room for so many bytes; gives what the kernel made of that.
fn set_capacity(owned: &Owned, bytes: usize) -> io::Result<usize> {
    let bytes = i32::try_from(bytes).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "a pipe has room for less than 2 GiB")
    })?;
    Ok(owned.fcntl(libc::F_SETPIPE_SZ, bytes)? as usize)
}

/// What both ends have: descriptors in and out, and their room.
macro_rules! end {
    ($end:ident, $access:expr) => {
        impl $end {
            /// Takes over this end of a pipe, and makes it nonblocking: that is a property of the
            /// open file, so whoever shares it sees it, too.
            ///
            /// # Errors
            /// `InvalidInput` if it is no pipe, or not open for this; if no runtime runs on this
            /// thread. The descriptor is closed then.
            pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Self> {
                Ok(Self { owned: super::take_over(fd, $access)?, flags: 0 })
            }

            /// The descriptor, which waits from now on: for a child process, or for `std`.
            ///
            /// # Errors
            /// Those of fcntl(2); use on a foreign core.
            pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
                super::give_up(self.owned, true)
            }

            /// The descriptor, as it is: nonblocking.
            ///
            /// # Errors
            /// Use on a foreign core.
            pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
                super::give_up(self.owned, false)
            }

            /// How many bytes fit into the pipe: 65,536, where nobody has asked for another number.
            ///
            /// # Errors
            /// Those of fcntl(2).
            #[doc(alias = "F_GETPIPE_SZ")]
            pub fn capacity(&self) -> io::Result<usize> {
                super::capacity(&self.owned)
            }

            /// Asks for room for so many bytes, and gives what it has then: a power of two of
            /// pages.
            ///
            /// # Errors
            /// `PermissionDenied` past `/proc/sys/fs/pipe-max-size` (1 MiB), `ResourceBusy` for
            /// less than what is in the pipe, `InvalidInput` from 2 GiB on.
            #[doc(alias = "F_SETPIPE_SZ")]
            pub fn set_capacity(&self, bytes: usize) -> io::Result<usize> {
                super::set_capacity(&self.owned, bytes)
            }
        }

        /// As `from_owned_fd`.
        impl TryFrom<OwnedFd> for $end {
            type Error = io::Error;

            fn try_from(fd: OwnedFd) -> io::Result<Self> {
                Self::from_owned_fd(fd)
            }
        }

        /// For a child process: as `into_blocking_fd`.
        impl TryFrom<$end> for std::process::Stdio {
            type Error = io::Error;

            fn try_from(end: $end) -> io::Result<Self> {
                end.into_blocking_fd().map(Self::from)
            }
        }

        impl AsFd for $end {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.owned.as_fd()
            }
        }

        impl AsRawFd for $end {
            fn as_raw_fd(&self) -> RawFd {
                self.owned.raw_fd()
            }
        }
    };
}

use end;

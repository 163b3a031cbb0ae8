//! From one TCP connection to another, through a pipe: the kernel passes pages on instead of
//! copying bytes out and in.
//!
//! Owns: the pipe, and when splicing pays. Does not own: what is moved before and after that
//! (`io::copy`). splice(2) is a system call here because the ring would hand it to a worker thread
//! each time; both sockets and the pipe are nonblocking, and the ring waits for them.
//!
//! ```text
//!   receive stopped -> what was queued is sent -> [ socket -> pipe -> socket ]* -> receive again
//! ```
//!
//! Invariant: bytes are in the source socket, in the pipe or in the other socket, and each step
//! empties the pipe before it fills it, so their order is that in which they came.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::task::ready;

use annulus_ring::Kernel as _;
use annulus_ring::abi::Errno;
use annulus_task::coop;

use super::TcpStream;
use super::stream::Socket;
use crate::core::errors;
use crate::core::op::Op;
use crate::core::socket_op::Ready;
use crate::core::stream::Found;

/// Room that a pipe is asked to have; also what one call moves at most.
const PIPE_BYTES: usize = 1024 * 1024;
/// Moves of less than so many bytes cost as much as leases do.
const SMALL_BYTES: usize = 2048;
/// So many small moves in a row end the splicing.
const SMALL_MOVES_MAX: u32 = 8;

/// What splicing came to.
pub(crate) struct Forwarded {
    pub(crate) bytes: u64,
    /// There is no more to come.
    pub(crate) ended: bool,
    /// This kernel does not splice.
    pub(crate) refused: bool,
}

/// Moves what comes from `from` on to `to`, until it ends or until it comes in small pieces.
///
/// Dropping the future can lose what is in the pipe.
pub(crate) async fn forward(from: &TcpStream, to: &TcpStream) -> io::Result<Forwarded> {
    let (from, to) = (from.socket(), to.socket());
    let mut done = Forwarded { bytes: 0, ended: false, refused: false };
    let Ok(pipe) = from.owned.with(|state, _| state.pipe(PIPE_BYTES))? else {
        done.refused = true;
        return Ok(done);
    };
    let paused = Paused(from);
    from.receive_stopped().await?;
    loop {
        match from.owned.with(|state, key| state.take_received(key, None))?? {
            Found::Lease(lease) => {
                done.bytes += lease.len() as u64;
                to.write_all(lease).await?;
            }
            Found::Nothing => break,
            Found::Failed(errno) => return Err(errors::of_receive(errno)),
            Found::Eof => {
                done.ended = true;
                return Ok(done);
            }
            // Somebody else reads as well: each gets what is received next.
            Found::NotYourTurn => return Ok(done),
        }
    }
    // Behind what was accepted before.
    to.room(Some(0)).await?;
    Splicing { from, to, pipe }.run(&mut done).await?;
    drop(paused);
    Ok(done)
}

/// While it lives, a socket receives nothing by itself.
struct Paused<'a>(&'a Socket);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.stay();
    }
}

struct Splicing<'a> {
    from: &'a Socket,
    to: &'a Socket,
    /// The end to read from, the end to write to.
    pipe: [OwnedFd; 2],
}

impl Splicing<'_> {
    async fn run(&self, done: &mut Forwarded) -> io::Result<()> {
        let [out, into] = self.pipe.each_ref().map(|end| end.as_raw_fd());
        let mut small = 0;
        while small < SMALL_MOVES_MAX {
            poll_fn(|cx| {
                ready!(coop::poll_proceed(cx));
                coop::made_progress();
                std::task::Poll::Ready(())
            })
            .await;
            match self.step(self.from.owned.raw_fd(), into, PIPE_BYTES)? {
                Step::Moved(0) => {
                    done.ended = true;
                    return Ok(());
                }
                Step::Moved(bytes) => {
                    self.empty(out, bytes).await?;
                    done.bytes += bytes as u64;
                    small = if bytes < SMALL_BYTES { small + 1 } else { 0 };
                }
                Step::Wait => wait(self.from, libc::POLLIN).await?,
                Step::Refused => {
                    done.refused = true;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Sends what is in the pipe.
    async fn empty(&self, out: RawFd, mut bytes: usize) -> io::Result<()> {
        while bytes > 0 {
            match self.step(out, self.to.owned.raw_fd(), bytes)? {
                Step::Moved(0) => return Err(io::ErrorKind::WriteZero.into()),
                Step::Moved(moved) => bytes -= moved,
                Step::Wait => wait(self.to, libc::POLLOUT).await?,
                Step::Refused => return Err(io::ErrorKind::Unsupported.into()),
            }
        }
        Ok(())
    }

    fn step(&self, from: RawFd, to: RawFd, bytes: usize) -> io::Result<Step> {
        loop {
            let moved =
                self.from.owned.with(|state, _| state.ring.kernel().splice(from, to, bytes))?;
            return match moved {
                Ok(moved) => Ok(Step::Moved(moved)),
                Err(Errno(libc::EINTR)) => continue,
                Err(Errno(libc::EAGAIN)) => Ok(Step::Wait),
                Err(Errno(libc::EINVAL | libc::ENOSYS)) => Ok(Step::Refused),
                Err(errno) => Err(io::Error::from(errno)),
            };
        }
    }
}

enum Step {
    Moved(usize),
    /// Nothing is there, or there is no room.
    Wait,
    Refused,
}

async fn wait(socket: &Socket, events: i16) -> io::Result<()> {
    let (handle, events) = (socket.owned.handle(), events as u32);
    Op::new(Ready { handle, events }).await.map(drop)
}

//! A process that was started.
//!
//! Owns: [`Child`], with its pidfd as a record of the core. Does not own: what becomes of a child
//! that nobody waits for (the reaper).
//!
//! | state | holds | dropping it |
//! |---|---|---|
//! | running, or ended and not waited for | `std`'s handle | kills it if that was asked for; it is reaped when it ends |
//! | waited for | its status | does nothing |

use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Output};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::reaper;
use crate::core::Owned;
use crate::core::process::is_inherited;
use crate::core::record::Kind;
use crate::core::signals;
use crate::io::AsyncRead as _;
use crate::pipe::{Receiver, Sender, ready_for};
use crate::signal::SignalKind;

/// The pipe to a child's standard input.
pub type ChildStdin = Sender;
/// The pipe from a child's standard output.
pub type ChildStdout = Receiver;
/// The pipe from a child's standard error.
pub type ChildStderr = Receiver;

/// A child process.
///
/// Dropping it lets the process go on, or kills it
/// ([`kill_on_drop`](super::Command::kill_on_drop)); it is reaped when it ends, in either case.
#[derive(Debug)]
pub struct Child {
    /// To its standard input, if that is piped. Dropping it is the end of that input.
    pub stdin: Option<ChildStdin>,
    /// From its standard output, if that is piped.
    pub stdout: Option<ChildStdout>,
    /// From its standard error, if that is piped.
    pub stderr: Option<ChildStderr>,
    /// `std`'s handle, until it has been waited for.
    inner: Option<std::process::Child>,
    pidfd: Owned,
    pid: u32,
    status: Option<ExitStatus>,
    pub(super) kill_on_drop: bool,
}

impl Child {
    /// Takes over a child that `std` has started, with the pipes that it has.
    ///
    /// # Errors
    /// Those of pidfd_open(2); if no runtime runs on this thread. The child is killed and reaped
    /// then, because nobody else knows it.
    pub fn from_std(mut child: std::process::Child) -> io::Result<Self> {
        let taken = (|| {
            let pidfd = Owned::adopt_fd(pidfd_of(child.id())?, Kind::Plain)?;
            let stdin = child.stdin.take().map(Sender::try_from).transpose()?;
            let stdout = child.stdout.take().map(Receiver::try_from).transpose()?;
            let stderr = child.stderr.take().map(Receiver::try_from).transpose()?;
            io::Result::Ok((pidfd, stdin, stdout, stderr))
        })();
        let pid = child.id();
        match taken {
            Ok((pidfd, stdin, stdout, stderr)) => {
                let (inner, status, kill_on_drop) = (Some(child), None, false);
                Ok(Self { stdin, stdout, stderr, inner, pidfd, pid, status, kill_on_drop })
            }
            Err(error) => {
                let _ = child.kill();
                reaper::reap(child);
                Err(error)
            }
        }
    }

    /// Its process id, until it has been waited for: after that the number may be another's.
    pub fn id(&self) -> Option<u32> {
        self.status.is_none().then_some(self.pid)
    }

    /// Its status if it has ended, without waiting.
    ///
    /// # Errors
    /// Those of waitid(2): ECHILD if somebody else has waited for it.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if let (None, Some(child)) = (self.status, &mut self.inner) {
            self.status = child.try_wait()?;
            if self.status.is_some() {
                self.inner = None;
            }
        }
        Ok(self.status)
    }

    /// Waits until it has ended. The pipe to its standard input is dropped first, so that a child
    /// that reads to the end of that ends.
    ///
    /// It may be awaited again, and gives the same status. A child that fills a pipe from which
    /// nobody reads does not end: read, or let [`wait_with_output`](Self::wait_with_output) do it.
    ///
    /// # Errors
    /// As [`try_wait`](Self::try_wait); use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// # Kernel
    /// `POLL_ADD`, 5.1, of a pidfd, then waitid(2), which does not wait any more.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::process::Command;
    /// let mut child = Command::new("true").spawn()?;
    /// assert!(child.wait().await?.success());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IORING_OP_WAITID")]
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.stdin = None;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            ready_for(&self.pidfd, libc::POLLIN).await?;
        }
    }

    /// Waits until it has ended, and reads what it prints into its pipes to the end of these
    /// meanwhile.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    ///
    /// # Cancel safety
    /// Dropping the future drops the child, and what was read is lost.
    ///
    /// # Kernel
    /// As [`wait`](Self::wait), and as [`Receiver::read`](crate::pipe::Receiver::read) for each
    /// pipe.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::process::{Command, Stdio};
    /// let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// assert_eq!(child.wait_with_output().await?.stdout, b"hello\n");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let (status, stdout, stderr) = crate::try_join!(self.wait(), whole(stdout), whole(stderr))?;
        Ok(Output { status, stdout, stderr })
    }

    /// Sends it SIGKILL, and does not wait for its end.
    ///
    /// # Errors
    /// `InvalidInput` if it has been waited for.
    pub fn start_kill(&mut self) -> io::Result<()> {
        self.signal(SignalKind::KILL)
    }

    /// Kills it and waits for its end.
    ///
    /// # Errors
    /// As [`wait`](Self::wait). That it has ended already is none.
    ///
    /// # Cancel safety
    /// Once polled, it is killed. Dropping the future loses nothing.
    ///
    /// # Kernel
    /// pidfd_send_signal(2), 5.1, which does not wait; then as [`wait`](Self::wait).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::process::Command;
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// child.kill().await?;
    /// assert!(!child.wait().await?.success());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn kill(&mut self) -> io::Result<()> {
        if self.try_wait()?.is_none() {
            self.start_kill()?;
        }
        self.wait().await.map(drop)
    }

    /// Sends it a signal. The number of its process cannot be another's meanwhile.
    ///
    /// # Errors
    /// `InvalidInput` if it has been waited for; those of pidfd_send_signal(2): `InvalidInput` for
    /// what is no signal, `PermissionDenied`; use on a foreign core. That it has ended, and was not
    /// waited for, is none.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use std::os::unix::process::ExitStatusExt as _;
    /// use annulus::{process::Command, signal::SignalKind};
    ///
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// child.signal(SignalKind::TERMINATE)?;
    /// assert_eq!(child.wait().await?.signal(), Some(SignalKind::TERMINATE.as_raw()));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "pidfd_send_signal")]
    pub fn signal(&self, kind: SignalKind) -> io::Result<()> {
        if self.status.is_some() {
            let text = "the process has ended and was waited for";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        match signals::send(&self.pidfd, kind.as_raw()) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            sent => sent,
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(mut child) = self.inner.take() else { return };
        // After a fork it is the child of another process.
        if is_inherited(self.pidfd.handle().core) {
            return;
        }
        if self.kill_on_drop {
            // By its number, which is its own as long as nobody has waited for it: this may be
            // another thread, or the runtime may have ended.
            let _ = child.kill();
        }
        reaper::reap(child);
    }
}

/// A descriptor of a child that has not been waited for.
pub(super) fn pidfd_of(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Everything that comes from a pipe, if there is one.
async fn whole(pipe: Option<Receiver>) -> io::Result<Vec<u8>> {
    match pipe {
        Some(mut pipe) => Ok(pipe.read_to_end(Vec::new()).await?.1),
        None => Ok(Vec::new()),
    }
}

//! The name at which a server waits for its successor.
//!
//! Owns: the socket of packets, its file, and waiting. Does not own: what is said there
//! (`handover`). Mirrors unix(7).
//!
//! ```text
//!   bind(beside) ── listen ── link(beside, name) ── unlink(beside)
//! ```
//!
//! Invariants: whoever finds the name is answered, because the socket listens before it has it; a
//! name that is somebody else's is an error and stays. A process that dies in between leaves a file
//! beside the name, which the next one to wait there with the same id of a process removes.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{Shutdown, SocketAddrUnix, SocketFlags, accept_with, bind, listen, shutdown};

use super::packets::socket_of_packets;
use crate::net::{SocketFile, remove_leftover};

/// Successors that may wait while another is being answered.
const WAITING: i32 = 8;

/// A name, and the socket that listens there. Without the name, it is for those who have connected
/// already.
#[derive(Debug)]
pub(super) struct Meeting {
    file: Option<SocketFile>,
    listener: OwnedFd,
}

impl Meeting {
    /// # Errors
    /// `AddrInUse` if the name is that of anything but a socket that nobody has any more.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        // Successors connect to it as it is.
        SocketAddrUnix::new(path)?;
        remove_leftover(path)?;
        let (listener, beside) = (socket_of_packets()?, beside(path));
        remove_leftover(&beside)?;
        bind_to(&listener, &beside)?;
        // Goes in any case when this returns.
        let first = SocketFile::of(&beside)?;
        listen(&listener, WAITING)?;
        put_in_place(&beside, path)?;
        Ok(Self { file: Some(SocketFile::of_other(path, first.id())?), listener })
    }

    /// Nobody finds it any more. False if that is so already.
    pub(super) fn remove_name(&mut self) -> bool {
        self.file.take().is_some()
    }

    /// Nobody finds it any more, nor can connect. Gives those who have by then.
    pub(super) fn close(&mut self) -> Vec<OwnedFd> {
        self.remove_name();
        let mut found = Vec::new();
        // After that there is nothing to wait for in accept(2).
        if shutdown(&self.listener, Shutdown::Both).is_ok() {
            found.extend(std::iter::from_fn(|| self.next().ok()));
        }
        found
    }

    fn next(&self) -> io::Result<OwnedFd> {
        Ok(retry_on_intr(|| accept_with(&self.listener, SocketFlags::CLOEXEC))?)
    }

    /// Waits for somebody, or until `over` is readable.
    pub(super) fn wait(&self, over: &OwnedFd) -> io::Result<Option<OwnedFd>> {
        let wanted = PollFlags::IN;
        let mut fds = [PollFd::new(&self.listener, wanted), PollFd::new(over, wanted)];
        retry_on_intr(|| poll(&mut fds, None))?;
        if !fds[1].revents().is_empty() {
            return Ok(None);
        }
        self.next().map(Some)
    }

    /// Whether somebody has connected and is not answered yet.
    pub(super) fn has_next(&self) -> bool {
        let mut fds = [PollFd::new(&self.listener, PollFlags::IN)];
        retry_on_intr(|| poll(&mut fds, Some(&Timespec::default()))).is_ok_and(|ready| ready > 0)
    }
}

/// Gives a socket its name, unless that is somebody's: by a second name, or where there are no
/// such, by another one.
fn put_in_place(beside: &Path, path: &Path) -> io::Result<()> {
    let linked = std::fs::hard_link(beside, path).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Err(Errno::EXIST),
        _ => renameat_with(CWD, beside, CWD, path, RenameFlags::NOREPLACE),
    });
    linked.map_err(|error| if error == Errno::EXIST { Errno::ADDRINUSE } else { error }.into())
}

/// A name in the same directory that nobody else takes.
fn beside(path: &Path) -> PathBuf {
    static MADE: AtomicU32 = AtomicU32::new(0);
    // ORDERING: Relaxed; it counts, and nothing is read because of it.
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{:x}.{number:x}", std::process::id()))
}

/// Binds to a path, also where the address of a socket has no room for it.
fn bind_to(socket: &OwnedFd, path: &Path) -> io::Result<()> {
    match SocketAddrUnix::new(path) {
        Err(Errno::NAMETOOLONG) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let directory = std::fs::File::open(parent.unwrap_or(Path::new(".")))?;
            let here = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
            let name = path.file_name().unwrap_or_default();
            Ok(bind(socket, &SocketAddrUnix::new(here.join(name))?)?)
        }
        address => Ok(bind(socket, &address?)?),
    }
}

#[cfg(test)]
mod tests;

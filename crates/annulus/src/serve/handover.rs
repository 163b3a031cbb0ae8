//! A process gives its listeners to another, and ends.
//!
//! Owns: the conversation of the two, over a Unix socket of packets. Does not own: what the sockets
//! are (`inherit`), stopping. Mirrors unix(7), `SCM_RIGHTS`.
//!
//! ```text
//!   predecessor                                          successor
//!   Handle::hand_over(path)                              Inherited::receive(path)
//!     listens at path ................ connects
//!     one packet for each socket ────────────────────> "listener", file and name, a descriptor
//!     the last one ──────────────────────────────────> "end"
//!                                                        launches: accepts from the same sockets
//!     removes path <────────────────────────────────── "ready"
//!     hangs up, stops: drains what it has ───────────> has taken over, may wait at path itself
//!
//!     has waited too long: "late" ───────────────────> has not taken over, and stops
//! ```
//!
//! Invariants: at each moment some process has the sockets open, so no connection that the kernel
//! has accepted is lost; a successor that dies or hangs before it is ready changes nothing; of the
//! two, exactly one goes on, and both know which. The path is there for as long as this process may
//! have the sockets and nobody has taken them over, and who made it removes it; so who finds nobody
//! there finds the addresses free.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketAddrUnix, connect, recv, recvmsg, send,
    sendmsg, shutdown,
};

use super::inherit::{Inherited, Passed};
use super::listen::{Bound, KeptSocket};
use super::meeting::{Meeting, packets};
use super::shared::lock;
use super::{Error, Handle};
use crate::net::{FileId, SocketFile};

const LISTENER: &[u8] = b"listener";
const END: &[u8] = b"end";
const READY: &[u8] = b"ready";
const LATE: &[u8] = b"late";
/// How long a successor waits to hear that its predecessor agrees.
const AGREEMENT: Duration = Duration::from_secs(10);
/// Longer than a process lives, and no end of time.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// A process that waits to hear that this one accepts.
pub(super) struct Predecessor {
    socket: OwnedFd,
    path: String,
}

impl Predecessor {
    /// Says that this process accepts.
    ///
    /// That it has ended already is no error: nobody else serves.
    pub(super) fn confirm(self) -> Result<(), Error> {
        self.agrees().map_err(failed(&self.path))
    }

    fn agrees(&self) -> io::Result<()> {
        match send(&self.socket, READY, SendFlags::NOSIGNAL) {
            Ok(_) => {}
            Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => {}
            Err(error) => return Err(error.into()),
        }
        // It ends the conversation when it has heard. If it is asleep, it will hear when it wakes.
        let mut answer = [0; 16];
        match receive_by(&self.socket, &mut answer, Instant::now() + AGREEMENT) {
            Ok(len) if &answer[..len] == LATE => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the predecessor has stopped waiting for this process, and goes on \
                 (Config::hand_over_timeout)",
            )),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn failed(path: &str) -> impl Fn(io::Error) -> Error + '_ {
    move |source| Error::Inherited { name: path.to_owned(), source }
}

impl Handle {
    /// Waits for a successor to connect to `path`, gives it all listening sockets, waits until it
    /// accepts, and then stops this server as [`shutdown`](Self::shutdown) does. Connections that
    /// are open stay here and finish; those that come meanwhile are taken by either process, and
    /// none is refused.
    ///
    /// It blocks the calling thread, until a successor has come or this server is stopped. Only a
    /// process of the same user, or of root, is answered, and it has
    /// [`Config::hand_over_timeout`](super::Config::hand_over_timeout) to accept: one that hangs is
    /// given up, and told so should it wake. Others that have connected meanwhile are answered
    /// next, so an error is that of the last one. Call it again after an error: this server runs
    /// on.
    ///
    /// Once this server is to stop, it gives nothing away any more. But the name stays until no
    /// core listens: who finds nobody at `path` can bind the addresses.
    ///
    /// # Errors
    /// [`Error::Bind`] if nobody can wait at `path`. [`Error::HandOver`] with `PermissionDenied`
    /// for a stranger, with `UnexpectedEof` if the successor ended before it was ready, with
    /// `TimedOut` if it was not ready in time, and with `NotConnected` if this server was stopped
    /// before.
    pub fn hand_over(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        // Whoever calls again after an error of the path hears of the end, too.
        if lock(&self.shared.kept).sockets.is_empty() {
            return Err(Error::HandOver(io::ErrorKind::NotConnected.into()));
        }
        let refused = |source| Error::Bind { at: Bound::Unix(path.to_owned()), source };
        let mut meeting = Meeting::at(path).map_err(refused)?;
        loop {
            let over = || io::Error::from(io::ErrorKind::NotConnected);
            // Whoever cannot be accepted, for want of descriptors, waits until this is called
            // again.
            let came = meeting.wait(&self.shared.closed).and_then(|came| came.ok_or_else(over));
            let successor = came.map_err(Error::HandOver)?;
            let Err(error) = self.meet(successor, &mut meeting) else { return Ok(()) };
            let is_over = error.kind() == io::ErrorKind::NotConnected;
            // Who finds the name until it goes is answered.
            let has_next = || meeting.has_next();
            if is_over || !(has_next() || (meeting.remove_name() && meeting.has_next())) {
                return Err(Error::HandOver(error));
            }
        }
    }

    /// Gives everything to a successor that has come.
    fn meet(&self, successor: OwnedFd, meeting: &mut Meeting) -> io::Result<()> {
        let deadline = Instant::now() + self.shared.config.hand_over.min(FOR_EVER);
        match self.give(&successor, deadline) {
            Ok(()) => {
                // In this order: it may wait there itself as soon as it hears the end.
                meeting.remove_name();
                drop(successor);
                self.shutdown();
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                // It is to hear that there is nothing when it can bind for itself.
                let mut closed = [PollFd::new(&self.shared.closed, PollFlags::IN)];
                retry_on_intr(|| poll(&mut closed, None))?;
                Err(error)
            }
            Err(error) => {
                // There is room for it, or it reads nothing.
                let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                let _ = send(&successor, LATE, flags);
                Err(error)
            }
        }
    }

    fn give(&self, successor: &OwnedFd, deadline: Instant) -> io::Result<()> {
        let (theirs, ours) = (socket_peercred(successor)?.uid, rustix::process::geteuid());
        if theirs != ours && !theirs.is_root() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        // Duplicates, so that nothing is locked while the successor takes its time.
        let sockets: io::Result<Vec<(Vec<u8>, OwnedFd)>> = lock(&self.shared.kept)
            .sockets
            .iter()
            .map(|kept| Ok((described(kept), kept.fd.try_clone()?)))
            .collect();
        let sockets = sockets?;
        if sockets.is_empty() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        for (text, socket) in &sockets {
            let fds = [socket.as_fd()];
            in_time(successor, PollFlags::OUT, deadline, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                control.push(SendAncillaryMessage::ScmRights(&fds));
                sendmsg(successor, &[IoSlice::new(text)], &mut control, flags)
            })?;
        }
        in_time(successor, PollFlags::OUT, deadline, || send(successor, END, flags))?;
        // What a successor that hangs keeps from being closed is its own alone.
        drop(sockets);
        let mut answer = [0; 16];
        let answered = receive_by(successor, &mut answer, deadline).or_else(|late| {
            // Either it was faster after all, or it can no longer say that it is ready.
            shutdown(successor, Shutdown::Read)?;
            receive_by(successor, &mut answer, deadline).ok().filter(|len| *len > 0).ok_or(late)
        });
        if &answer[..answered?] != READY {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // The files of Unix sockets are the successor's from now on.
        lock(&self.shared.kept).files.drain(..).for_each(SocketFile::leave);
        Ok(())
    }
}

/// The next packet, if it comes in time.
fn receive_by(socket: &OwnedFd, bytes: &mut [u8], deadline: Instant) -> io::Result<usize> {
    in_time(socket, PollFlags::IN, deadline, || {
        recv(socket, &mut *bytes, RecvFlags::DONTWAIT).map(|(_, len)| len)
    })
}

/// Calls until it need not wait, but not beyond the deadline. What is there goes before that.
fn in_time<T>(
    socket: &OwnedFd,
    wanted: PollFlags,
    deadline: Instant,
    mut call: impl FnMut() -> Result<T, Errno>,
) -> io::Result<T> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match call() {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if left.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
            Err(Errno::AGAIN) => {
                // Longer than a process lives is for ever.
                let left = Timespec::try_from(left).ok();
                match poll(&mut [PollFd::new(socket, wanted)], left.as_ref()) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            result => return Ok(result?),
        }
    }
}

impl Inherited {
    /// Takes over the listeners of a server that waits in [`Handle::hand_over`]. It goes on until
    /// this process has launched a server with them.
    ///
    /// # Errors
    /// [`Error::Inherited`]: nobody waits there (`NotFound`, `ConnectionRefused`), or what came is
    /// no listener. A server that stops, and gives nothing any more, is nobody.
    pub fn receive(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let (socket, passed) = receive(path).map_err(failed(&name))?;
        Self::from_predecessor(passed, Predecessor { socket, path: name })
    }
}

fn receive(path: &Path) -> io::Result<(OwnedFd, Vec<Passed>)> {
    let socket = packets()?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    let mut passed = Vec::new();
    loop {
        let mut bytes = [0; 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = match retry_on_intr(|| {
            recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)
        }) {
            Err(Errno::CONNRESET) if passed.is_empty() => return Err(nobody()),
            received => received?,
        };
        if received.bytes == 0 && passed.is_empty() {
            return Err(nobody());
        }
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        let text = &bytes[..received.bytes];
        if text == END {
            return Ok((socket, passed));
        }
        let (file, name) = parsed(text).ok_or(io::ErrorKind::UnexpectedEof)?;
        let name = if name.is_empty() { format!("from {}", path.display()) } else { name };
        passed.extend(fds.into_iter().map(|fd| (name.clone(), fd, file)));
    }
}

/// Who was there has gone without a word.
fn nobody() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

/// The names that are passed on, at most: as long as systemd's.
const NAME_BYTES_MAX: usize = 255;

/// A packet: `listener`, the device and the inode of its file or two zeros, its name.
fn described(kept: &KeptSocket) -> Vec<u8> {
    let name = if kept.name.len() <= NAME_BYTES_MAX { kept.name.as_str() } else { "" };
    let (device, inode) = kept.file.map_or((0, 0), |file| (file.device, file.inode));
    let mut text = LISTENER.to_vec();
    text.extend_from_slice(format!(" {device} {inode} {name}").as_bytes());
    text
}

/// What a packet says; nothing if it is none.
fn parsed(text: &[u8]) -> Option<(Option<FileId>, String)> {
    let text = std::str::from_utf8(text.strip_prefix(LISTENER)?).ok()?;
    let mut words = text.strip_prefix(' ')?.splitn(3, ' ');
    let (device, inode) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let file = Some(FileId { device, inode }).filter(|_| inode != 0);
    Some((file, words.next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_says_which_file_and_which_name_a_listener_has() {
        let fd = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let file = Some(FileId { device: 7, inode: u64::MAX });
        for (name, file) in [("web", file), ("", None), ("with space", file)] {
            let kept = KeptSocket { fd: fd(), name: name.to_owned(), file };
            assert_eq!(parsed(&described(&kept)), Some((file, name.to_owned())));
        }
        let long = KeptSocket { fd: fd(), name: "x".repeat(300), file };
        assert_eq!(parsed(&described(&long)), Some((file, String::new())));
        for wrong in [&b""[..], b"listener", b"listener 1", b"listener 1 x name", b"end", b"\xff"] {
            assert_eq!(parsed(wrong), None);
        }
    }
}

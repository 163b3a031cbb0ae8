//! A process gives its listeners to another, and ends.
//!
//! Owns: the conversation of the two, over a Unix socket of packets. Does not own: what the sockets
//! are (`inherit`), stopping. Mirrors unix(7), `SCM_RIGHTS`.
//!
//! ```text
//!   predecessor                                          successor
//!   Handle::hand_over(path)                              Inherited::receive(path)
//!     listens at path ................ connects
//!     removes path
//!     one packet for each socket ────────────────────> "listener", file and name, a descriptor
//!     the last one ──────────────────────────────────> "end"
//!                                                        launches: accepts from the same sockets
//!     stops: drains what it has <───────────────────── "ready"
//! ```
//!
//! Invariant: at each moment some process has the sockets open, so no connection that the kernel
//! has accepted is lost; a successor that dies before it is ready changes nothing. The path is
//! there only while somebody waits who has listeners to give, and who made it removes it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind,
    connect, listen, recv, recvmsg, send, sendmsg, socket_with,
};

use super::inherit::{Inherited, Passed};
use super::listen::{Bound, KeptSocket};
use super::shared::lock;
use super::{Error, Handle};
use crate::net::{FileId, SocketFile};

const LISTENER: &[u8] = b"listener";
const END: &[u8] = b"end";
const READY: &[u8] = b"ready";

/// A process that waits to hear that this one accepts.
pub(super) struct Predecessor {
    socket: OwnedFd,
    path: String,
}

impl Predecessor {
    ///
    /// That it has ended already is no error: nobody else serves.
    pub(super) fn confirm(self) -> Result<(), Error> {
        match send(&self.socket, READY, SendFlags::NOSIGNAL) {
            Ok(_) | Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => Ok(()),
            Err(error) => Err(failed(&self.path)(error.into())),
        }
    }
}

fn failed(path: &str) -> impl Fn(io::Error) -> Error + '_ {
    move |source| Error::Inherited { name: path.to_owned(), source }
}

fn packets() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

impl Handle {
    /// Waits for a successor to connect to `path`, gives it all listening sockets, waits until it
    /// accepts, and then stops this server as [`shutdown`](Self::shutdown) does. Connections that
    /// are open stay here and finish; those that come meanwhile are taken by either process, and
    /// none is refused.
    ///
    /// It blocks the calling thread, until a successor comes or this server is stopped. Only a
    /// process of the same user, or of root, is answered. Call it again after an error: this server
    /// runs on.
    ///
    /// # Errors
    /// [`Error::Bind`] if nobody can wait at `path`. [`Error::HandOver`] with `PermissionDenied`
    /// for a stranger, with `UnexpectedEof` if the successor ended before it was ready, and with
    /// `NotConnected` if this server was stopped before.
    pub fn hand_over(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        // Whoever calls again after an error of the path hears of the end, too.
        if lock(&self.shared.kept).sockets.is_empty() {
            return Err(Error::HandOver(io::ErrorKind::NotConnected.into()));
        }
        let refused = |source| Error::Bind { at: Bound::Unix(path.to_owned()), source };
        let (listener, file) = wait_at(path).map_err(refused)?;
        let successor = self.successor(&listener).map_err(Error::HandOver)?;
        // Neither has a successor any use for it, nor whoever comes next, who would wait in vain.
        drop((file, listener));
        self.give(&successor).map_err(Error::HandOver)
    }

    /// Waits for a successor, or that there is nothing to give any more.
    fn successor(&self, listener: &OwnedFd) -> io::Result<OwnedFd> {
        let wanted = PollFlags::IN;
        let mut fds = [PollFd::new(listener, wanted), PollFd::new(&self.shared.emptied, wanted)];
        retry_on_intr(|| poll(&mut fds, None))?;
        if !fds[1].revents().is_empty() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        Ok(retry_on_intr(|| accept_with(listener, SocketFlags::CLOEXEC))?)
    }

    fn give(&self, successor: &OwnedFd) -> io::Result<()> {
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
        for (text, socket) in &sockets {
            let fds = [socket.as_fd()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(&fds));
            sendmsg(successor, &[IoSlice::new(text)], &mut control, SendFlags::NOSIGNAL)?;
        }
        send(successor, END, SendFlags::NOSIGNAL)?;
        let mut answer = [0; 16];
        let (_, len) = retry_on_intr(|| recv(successor, &mut answer[..], RecvFlags::empty()))?;
        if &answer[..len] != READY {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // The files of Unix sockets are the successor's from now on.
        lock(&self.shared.kept).files.drain(..).for_each(SocketFile::leave);
        self.shutdown();
        Ok(())
    }
}

/// Listens at a path, and gives the file that is to go with it.
fn wait_at(path: &Path) -> io::Result<(OwnedFd, SocketFile)> {
    if crate::net::is_leftover(path)? {
        std::fs::remove_file(path)?;
    }
    let listener = packets()?;
    bind(&listener, &SocketAddrUnix::new(path)?)?;
    let file = SocketFile::of(path)?;
    listen(&listener, 1)?;
    Ok((listener, file))
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

//! What a server and its successor say to each other, and how long they wait for it.
//!
//! Owns: the packets, and sending and receiving within bounds. Does not own: who says what when
//! (`handover`, `successor`). Mirrors unix(7), `SCM_RIGHTS`.
//!
//! | packet | of | means |
//! |---|---|---|
//! | `listener DEVICE INODE NAME` | the predecessor | the socket that comes along, and its file |
//! | `end` | the predecessor | that was all: whoever stops now leaves everything to you |
//! | `ready` | the successor | it accepts |
//! | a [`Refusal`] | the predecessor | this successor does not take over |

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType, recv, send, sendmsg, socket_with,
};

use super::listen::KeptSocket;
use crate::net::FileId;

pub(super) const END: &[u8] = b"end";
pub(super) const READY: &[u8] = b"ready";
const LISTENER: &[u8] = b"listener";
/// Longer ones are not passed on.
const NAME_BYTES_MAX: usize = 255;
/// Nobody waits for room, and nobody is killed for want of a reader.
const AT_ONCE: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);

/// Makes a socket of packets.
pub(super) fn socket_of_packets() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Why a successor does not take over, as it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// It was not ready in time.
    Late,
    /// Another one was there before.
    Taken,
    /// The predecessor could not give what it has.
    Failed,
}

impl Refusal {
    const ALL: [Self; 3] = [Self::Late, Self::Taken, Self::Failed];

    fn packet(self) -> &'static [u8] {
        match self {
            Self::Late => b"late",
            Self::Taken => b"taken",
            Self::Failed => b"failed",
        }
    }

    /// The one that a packet is, if it is one.
    pub(super) fn of(packet: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.packet() == packet)
    }

    /// Tells it. There is room for it, or the other side reads nothing.
    pub(super) fn tell(self, successor: &OwnedFd) {
        let _ = send(successor, self.packet(), AT_ONCE);
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        let (kind, text) = match refusal {
            Refusal::Late => (
                io::ErrorKind::TimedOut,
                "the predecessor has stopped waiting for this process, and goes on \
                 (Config::hand_over_timeout)",
            ),
            Refusal::Taken => (
                io::ErrorKind::ResourceBusy,
                "another successor has come first and takes over; start again to succeed that one, \
                 once it waits there",
            ),
            Refusal::Failed => (
                io::ErrorKind::Other,
                "the predecessor could not give its listeners away, and goes on; it says why",
            ),
        };
        Self::new(kind, text)
    }
}

/// Why a wait has ended without what was waited for.
#[derive(Debug)]
pub(super) enum Cut {
    /// The deadline has passed.
    Late,
    /// The other side has hung up, or says what makes no sense.
    Gone,
    /// It is not of this user.
    Stranger,
    /// This server was stopped.
    Stopped,
    /// A call has failed.
    Failed(io::Error),
}

impl From<io::Error> for Cut {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Errno> for Cut {
    fn from(error: Errno) -> Self {
        match error {
            Errno::PIPE | Errno::CONNRESET => Self::Gone,
            error => Self::Failed(error.into()),
        }
    }
}

/// One side of the conversation, for as long as it may wait.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) socket: &'a OwnedFd,
    pub(super) deadline: Instant,
    /// What ends every wait when it is readable.
    pub(super) stop: Option<&'a OwnedFd>,
}

impl Line<'_> {
    /// Sends the packet of a socket, and the socket.
    pub(super) fn give(&self, packet: &[u8], given: &OwnedFd) -> Result<(), Cut> {
        let fds = [given.as_fd()];
        self.in_time(PollFlags::OUT, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(&fds));
            sendmsg(self.socket, &[IoSlice::new(packet)], &mut control, AT_ONCE)
        })?;
        Ok(())
    }

    /// Waits until there is room for the last two packets.
    ///
    /// A socket is writable while three quarters of its buffer are free, so there is room for a
    /// [`Refusal`] after the end, whether the other side reads or not: who hears the end and no
    /// refusal is not refused.
    pub(super) fn room(&self) -> Result<(), Cut> {
        self.in_time(PollFlags::OUT, || {
            let mut fds = [PollFd::new(self.socket, PollFlags::OUT)];
            let is_writable = poll(&mut fds, Some(&Timespec::default()))? > 0;
            if is_writable { Ok(()) } else { Err(Errno::AGAIN) }
        })
    }

    /// Sends a packet for which there is room.
    pub(super) fn say(&self, packet: &[u8]) -> Result<(), Cut> {
        send(self.socket, packet, AT_ONCE)?;
        Ok(())
    }

    /// The next packet; 0 bytes if the other side has hung up.
    pub(super) fn hear(&self, bytes: &mut [u8]) -> Result<usize, Cut> {
        self.in_time(PollFlags::IN, || {
            recv(self.socket, &mut *bytes, RecvFlags::DONTWAIT).map(|(_, len)| len)
        })
    }

    /// Calls until it need not wait, but not beyond the bounds. What is there goes before them.
    fn in_time<T>(
        &self,
        wanted: PollFlags,
        mut call: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, Cut> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            match call() {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if left.is_zero() => return Err(Cut::Late),
                Err(Errno::AGAIN) => {
                    // Longer than a process lives is for ever.
                    let left = Timespec::try_from(left).ok();
                    let mut fds = vec![PollFd::new(self.socket, wanted)];
                    fds.extend(self.stop.map(|stop| PollFd::new(stop, PollFlags::IN)));
                    match poll(&mut fds, left.as_ref()) {
                        Ok(_) => {}
                        Err(Errno::INTR) => continue,
                        Err(error) => return Err(error.into()),
                    }
                    let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
                    if ready.next() == Some(false) && ready.next() == Some(true) {
                        return Err(Cut::Stopped);
                    }
                }
                result => return Ok(result?),
            }
        }
    }
}

/// The packet of a socket. A name that is too long stays behind: it only tells sockets apart.
pub(super) fn described(kept: &KeptSocket) -> Vec<u8> {
    let name = if kept.name.len() <= NAME_BYTES_MAX { kept.name.as_str() } else { "" };
    let (device, inode) = kept.file.map_or((0, 0), |file| (file.device, file.inode));
    let mut text = LISTENER.to_vec();
    text.extend_from_slice(format!(" {device} {inode} {name}").as_bytes());
    text
}

/// What the packet of a socket says; nothing if it is none.
pub(super) fn parsed(text: &[u8]) -> Option<(Option<FileId>, String)> {
    let text = std::str::from_utf8(text.strip_prefix(LISTENER)?).ok()?;
    let mut words = text.strip_prefix(' ')?.splitn(3, ' ');
    let (device, inode) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let file = Some(FileId { device, inode }).filter(|_| inode != 0);
    Some((file, words.next()?.to_owned()))
}

#[cfg(test)]
mod tests;

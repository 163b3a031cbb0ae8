//! A process that takes the listeners of another, and goes on in its place.
//!
//! Owns: the successor's side of the conversation. Does not own: the predecessor's, where the whole
//! is shown (`handover`), nor what the sockets are (`inherit`).
//!
//! | it hears | it |
//! |---|---|
//! | a hang-up before `end` | was talking to nobody: it may bind for itself |
//! | a packet without its socket | cannot have everything, and fails |
//! | a hang-up after `end`, or nothing for long | serves: its predecessor agrees, or is no more |
//! | a [`Refusal`] | does not serve, and fails |

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketAddrUnix, connect,
    recvmsg, send,
};

use super::Error;
use super::inherit::{Inherited, Passed};
use super::packets::{Cut, END, Line, READY, Refusal, parsed, socket_of_packets};

/// How long a successor waits to hear that its predecessor agrees.
const AGREEMENT: Duration = Duration::from_secs(10);

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
        let line = Line { socket: &self.socket, deadline: Instant::now() + AGREEMENT, stop: None };
        let mut answer = [0; 16];
        // That it has gone without having read everything is said once, before what it has said.
        let heard = match line.hear(&mut answer) {
            Err(Cut::Gone) => line.hear(&mut answer),
            heard => heard,
        };
        match heard {
            Ok(len) => Refusal::of(&answer[..len]).map_or(Ok(()), |refusal| Err(refusal.into())),
            // If it is asleep, it will hear when it wakes.
            Err(Cut::Failed(error)) => Err(error),
            Err(_) => Ok(()),
        }
    }
}

fn failed(path: &str) -> impl Fn(io::Error) -> Error + '_ {
    move |source| Error::Inherited { name: path.to_owned(), source }
}

impl Inherited {
    /// Takes over the listeners of a server that waits in [`Handle::hand_over`] or a
    /// [`Succession`]. It goes on until this process has launched a server with them; if it is
    /// stopped before that, this process is the one that serves all the same. While another
    /// successor is being served, this waits.
    ///
    /// [`Handle::hand_over`]: super::Handle::hand_over
    /// [`Succession`]: super::Succession
    ///
    /// # Errors
    /// [`Error::Inherited`]: nobody waits there (`NotFound`, `ConnectionRefused`), another
    /// successor was first (`ResourceBusy`: start again once that one waits there, to succeed it),
    /// this one was too late (`TimedOut`), what came is no listener, or this process has no
    /// descriptors left for them. A server that stops before it has given everything is nobody.
    pub fn receive(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let (socket, passed) = receive(path).map_err(failed(&name))?;
        Self::from_predecessor(passed, Predecessor { socket, path: name })
    }
}

fn receive(path: &Path) -> io::Result<(OwnedFd, Vec<Passed>)> {
    let socket = socket_of_packets()?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    let mut passed = Vec::new();
    loop {
        let mut bytes = [0; 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = retry_on_intr(|| {
            recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)
        });
        let len = match received {
            Ok(received) => received.bytes,
            Err(Errno::CONNRESET) => 0,
            Err(error) => return Err(error.into()),
        };
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        match &bytes[..len] {
            // Who was there has gone, and what it had given goes with this error.
            [] => return Err(io::ErrorKind::ConnectionRefused.into()),
            END => return Ok((socket, passed)),
            packet => {
                if let Some(refusal) = Refusal::of(packet) {
                    return Err(refusal.into());
                }
                let (file, name) = parsed(packet).ok_or_else(|| not(STRANGE))?;
                let own = if name.is_empty() { format!("from {}", path.display()) } else { name };
                // The kernel takes a descriptor for which there is no room out of its packet.
                let fd = fds.pop().ok_or_else(|| not(MISSING))?;
                passed.push((own, fd, file));
            }
        }
    }
}

const STRANGE: &str = "who waits there is no server that gives its listeners away";
const MISSING: &str =
    "a listener came without its socket: this process may have no more descriptors";

fn not(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

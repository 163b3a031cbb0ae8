//! A process gives its listeners to another, and ends.
//!
//! Owns: the predecessor's side of the conversation, and what becomes of this server after it. Does
//! not own: the successor's side (`successor`), whose the sockets and files are (`estate`), the
//! name (`meeting`), the packets (`packets`), stopping.
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
//!     others that wait at path: "taken" ─────────────> have not taken over, and stop
//! ```
//!
//! | in between | this server | the successor |
//! |---|---|---|
//! | has waited too long | says "late", goes on | has not taken over, and stops |
//! | cannot give what it has | says "failed", goes on | the same |
//! | is another user's, hangs up, says anything else | hangs up, goes on | |
//! | this server is stopped before "end" | hangs up when no core listens any more | finds the addresses free |
//! | this server is stopped after "end" | hangs up at once: `Left` | is asked to serve, when it is ready |
//!
//! Invariants: at each moment some process has the sockets open, so no connection that the kernel
//! has accepted is lost; a successor that dies or hangs before it is ready changes nothing; of the
//! two, exactly one goes on, and both know which. The path is there for as long as this process may
//! have the sockets and nobody has taken them over, and who made it removes it; so who finds nobody
//! there finds the addresses free.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{Shutdown, shutdown};

use super::listen::Bound;
use super::meeting::Meeting;
use super::packets::{Cut, END, Line, READY, Refusal};
use super::shared::lock;
use super::{Error, Handle};

/// Longer than a process lives, and no end of time.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// How waiting for a successor has ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HandOver {
    /// A successor accepts, and this server stops.
    Taken,
    /// This server was stopped while a successor had everything and was not ready yet. It is the
    /// one that serves from now on, and the files of Unix sockets are its own.
    Left,
    /// This server was stopped, and nobody comes after it.
    Stopped,
}

/// The name at which a server waits for successors, until one has taken over; made by
/// [`Handle::succession`].
///
/// The name is there for as long as this is, so a successor that comes between two calls of
/// [`meet`](Self::meet) waits for the next one.
#[derive(Debug)]
#[must_use = "dropping it sends away whoever has come"]
pub struct Succession {
    handle: Handle,
    state: State,
}

#[derive(Debug)]
enum State {
    Waits(Meeting),
    Over(HandOver),
}

impl Succession {
    /// Waits for a successor, gives it all listening sockets, waits until it accepts, and then
    /// stops this server as [`Handle::shutdown`] does. Connections that are open stay here and
    /// finish; those that come meanwhile are taken by either process, and none is refused.
    ///
    /// It blocks the calling thread, until a successor has come or this server is stopped. Only a
    /// process of the same user, or of root, is answered, and it has
    /// [`Config::hand_over_timeout`](super::Config::hand_over_timeout) to accept: one that hangs is
    /// given up, and told so should it wake. Call it again after an error: this server runs on.
    /// Successors are answered one after the other, in the order in which they came; once one has
    /// taken over, those that wait are told so.
    ///
    /// A stop of this server ends the conversation with a successor at once. If that one has
    /// everything already, it is left alone with it ([`HandOver::Left`]). Else nothing is given
    /// away any more, and the name stays until no core listens: who finds nobody there can bind the
    /// addresses.
    ///
    /// # Errors
    /// [`Error::HandOver`] with `PermissionDenied` for a stranger, with `UnexpectedEof` if the
    /// successor ended before it was ready, with `TimedOut` if it was not ready in time, and with
    /// the error of the kernel if it cannot be accepted or given anything. One that cannot be
    /// accepted, for want of descriptors, waits for the next call.
    pub fn meet(&mut self) -> Result<HandOver, Error> {
        let how = match &mut self.state {
            State::Over(how) => *how,
            State::Waits(meeting) => {
                let came = self.handle.wait(meeting)?;
                self.handle.attend(meeting, came)?
            }
        };
        self.state = State::Over(how);
        Ok(how)
    }
}

impl Handle {
    /// Waits for successors at `path`, a name that is there from now on until one has taken over,
    /// this server has ended or the [`Succession`] is dropped.
    ///
    /// ```no_run
    /// use annulus::serve::Handle;
    ///
    /// /// Waits for a successor, on a thread of its own.
    /// fn wait(server: &Handle) -> Result<(), Box<dyn std::error::Error>> {
    ///     let mut succession = server.succession("/run/echo/next")?;
    ///     loop {
    ///         match succession.meet() {
    ///             Ok(how) => return Ok(println!("the end of this server: {how:?}")),
    ///             Err(error) => eprintln!("this server goes on: {error}"),
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::Bind`] if nobody can wait at `path`.
    pub fn succession(&self, path: impl AsRef<Path>) -> Result<Succession, Error> {
        // Whoever calls again after an error of the path hears of the end, too.
        let over = lock(&self.shared.estate).over();
        let state = match over {
            Some(how) => State::Over(how),
            None => State::Waits(meeting(path.as_ref())?),
        };
        Ok(Succession { handle: self.clone(), state })
    }

    /// Waits for a successor at `path`, once: as [`succession`](Self::succession) and
    /// [`meet`](Succession::meet).
    ///
    /// When this returns, the name has gone. Others that have found it until then are answered
    /// first, so an error is that of the last one. Who comes before this is called again finds
    /// nobody, and the addresses in use: a server that goes on after an error wants a
    /// [`Succession`].
    ///
    /// # Errors
    /// Those of both.
    pub fn hand_over(&self, path: impl AsRef<Path>) -> Result<HandOver, Error> {
        let over = lock(&self.shared.estate).over();
        if let Some(how) = over {
            return Ok(how);
        }
        let mut meeting = meeting(path.as_ref())?;
        loop {
            let came = self.wait(&meeting)?;
            let met = self.attend(&mut meeting, came);
            // Who finds the name until it goes is answered.
            let has_next = |meeting: &Meeting| met.is_err() && meeting.has_next();
            if !(has_next(&meeting) || (meeting.remove_name() && has_next(&meeting))) {
                return met;
            }
        }
    }

    /// Waits for somebody, or for the end of this server.
    fn wait(&self, meeting: &Meeting) -> Result<Option<OwnedFd>, Error> {
        meeting.wait(&self.shared.left).map_err(Error::HandOver)
    }

    /// Talks to a successor that has come, or to nobody if this server ends; and leaves the meeting
    /// if that is the end of it.
    fn attend(&self, meeting: &mut Meeting, came: Option<OwnedFd>) -> Result<HandOver, Error> {
        let how = match &came {
            Some(successor) => self.converse(successor),
            None => lock(&self.shared.estate).settle(Err(Cut::Stopped)),
        };
        let how = how.map_err(|cut| Error::HandOver(cut.into()))?;
        if how == HandOver::Stopped {
            // Whoever has come is to hear that there is nothing when it can bind for itself.
            let mut closed = [PollFd::new(&self.shared.closed, PollFlags::IN)];
            retry_on_intr(|| poll(&mut closed, None)).map_err(|e| Error::HandOver(e.into()))?;
        }
        // In this order: the successor may wait there itself as soon as it hears the end.
        let others = meeting.close();
        drop(came);
        if how != HandOver::Stopped {
            let own = others.iter().filter(|other| is_own(other).unwrap_or(false));
            own.for_each(|other| Refusal::Taken.tell(other));
        }
        if how == HandOver::Taken {
            self.shutdown();
        }
        Ok(how)
    }

    /// Talks to a successor, and tells one that does not take over why.
    fn converse(&self, successor: &OwnedFd) -> Result<HandOver, Cut> {
        // One at a time, also where this server waits at two names.
        let _turn = lock(&self.shared.turn);
        let deadline = Instant::now() + self.shared.config.hand_over.min(FOR_EVER);
        let line = Line { socket: successor, deadline, stop: Some(&self.shared.left) };
        let said = self.give(&line);
        let settled = lock(&self.shared.estate).settle(said);
        settled.inspect_err(|cut| match cut {
            Cut::Late => Refusal::Late.tell(successor),
            Cut::Failed(_) => Refusal::Failed.tell(successor),
            // Whoever that was does not speak like this.
            Cut::Stranger | Cut::Gone | Cut::Stopped => {}
        })
    }

    /// Gives everything to a successor, and waits until it is ready.
    fn give(&self, line: &Line<'_>) -> Result<(), Cut> {
        if !is_own(line.socket)? {
            return Err(Cut::Stranger);
        }
        let (over, sockets) = {
            let estate = lock(&self.shared.estate);
            (estate.over(), estate.copies())
        };
        if over.is_some_and(|how| how != HandOver::Stopped) {
            // Who came to another name of this server was first.
            Refusal::Taken.tell(line.socket);
        }
        let sockets = sockets?;
        sockets.iter().try_for_each(|(packet, socket)| line.give(packet, socket))?;
        // What a successor that hangs keeps from being closed is its own alone.
        drop(sockets);
        line.room()?;
        lock(&self.shared.estate).offer(|| line.say(END))?;
        let mut answer = [0; 16];
        let len = match line.hear(&mut answer) {
            Err(Cut::Late) => {
                // Either it was faster after all, or it can no longer say that it is ready.
                shutdown(line.socket, Shutdown::Read)?;
                line.hear(&mut answer).ok().filter(|len| *len > 0).ok_or(Cut::Late)?
            }
            heard => heard?,
        };
        if &answer[..len] == READY { Ok(()) } else { Err(Cut::Gone) }
    }
}

fn meeting(path: &Path) -> Result<Meeting, Error> {
    Meeting::at(path).map_err(|source| Error::Bind { at: Bound::Unix(path.to_owned()), source })
}

/// Whether somebody who has come is of the same user, or of root.
fn is_own(who: &OwnedFd) -> io::Result<bool> {
    let theirs = socket_peercred(who)?.uid;
    Ok(theirs == rustix::process::geteuid() || theirs.is_root())
}

impl From<Cut> for io::Error {
    fn from(cut: Cut) -> Self {
        let (kind, text) = match cut {
            Cut::Late => (io::ErrorKind::TimedOut, "it was not ready in time"),
            Cut::Gone => {
                let text =
                    "it has ended before it was ready, or does not speak as a successor does";
                (io::ErrorKind::UnexpectedEof, text)
            }
            Cut::Stranger => (io::ErrorKind::PermissionDenied, "it is of another user"),
            Cut::Stopped => (io::ErrorKind::NotConnected, "this server was stopped"),
            Cut::Failed(error) => return error,
        };
        Self::new(kind, text)
    }
}

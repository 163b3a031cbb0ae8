//! A new process in the place of this one.
//!
//! Owns: the thread that waits for a successor, and which errors it outlasts. Does not own: the
//! conversation with it, and the name at which it waits (`annulus::serve::Succession`), which is
//! there from the first moment to the last, whoever fails in between.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use annulus::serve::{Error, HandOver, Handle, Succession as Meeting};

use crate::say::say;

/// Between one attempt and the next, at first and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];
/// How long the thread has to see that the server has ended, be it in the longest of its pauses.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits for a successor.
pub struct Succession {
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

impl Succession {
    /// Starts the thread that waits at `path`, gives the listeners of the server away, and calls
    /// `given` once they are a successor's.
    ///
    /// # Errors
    /// The kernel's, when there can be no further thread.
    pub fn start(
        path: &Path,
        handle: Handle,
        given: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let path = path.to_owned();
        let (running, ended) = sync_channel(0);
        std::thread::Builder::new().name("annulus-succession".to_owned()).spawn(move || {
            let _running = running;
            let said = match wait(&handle, &path) {
                Some(HandOver::Taken) => "A successor has taken over",
                Some(HandOver::Left) => "A successor that is starting has the listeners",
                Some(HandOver::Stopped) | None => return,
            };
            given();
            say(format_args!("{said}; ending when the answers under way are sent."));
        })?;
        Ok(Self { ended })
    }

    /// The server has ended: a successor that was being talked to has been told, and nobody waits
    /// at the name any more.
    pub fn end(self) {
        // It sends nothing, so there is no result.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

/// Waits until the server ends, by a successor or without one. Nothing if it cannot be waited for
/// one.
fn wait(handle: &Handle, path: &Path) -> Option<HandOver> {
    let mut meeting = begin(handle, path)?;
    let mut pause = Pause::new();
    loop {
        match meeting.meet() {
            Ok(how) => return Some(how),
            Err(error) => {
                let error = source(error);
                // One that could not be accepted waits until that can be.
                if !is_want(&error) || pause.is_long() {
                    say(format_args!(
                        "annulus: a successor did not take over, and this server goes on: {error}"
                    ));
                }
                pause = if is_want(&error) { pause } else { Pause::new() };
                pause.take();
            }
        }
    }
}

/// Begins to wait at the name, once it can be had.
fn begin(handle: &Handle, path: &Path) -> Option<Meeting> {
    let mut pause = Pause::new();
    loop {
        let error = match handle.succession(path) {
            Ok(meeting) => return Some(meeting),
            Err(error) => source(error),
        };
        let path = path.display();
        if !may_pass(&error) {
            say(format_args!(
                "annulus: cannot wait for a successor at {path}: {error}; the server goes on"
            ));
            return None;
        }
        if pause.is_long() {
            say(format_args!("annulus: cannot wait for a successor at {path} yet: {error}"));
        }
        pause.take();
    }
}

/// What is between one attempt and the next: longer and longer.
struct Pause(Duration);

impl Pause {
    fn new() -> Self {
        Self(PAUSES[0])
    }

    /// Whether this is the first one of those that are as long as the last.
    fn is_long(&self) -> bool {
        self.0 < PAUSES[1] && self.0 * 2 >= PAUSES[1]
    }

    fn take(&mut self) {
        self.0 = PAUSES[1].min(self.0 * 2);
        std::thread::sleep(self.0);
    }
}

/// What is behind an error.
fn source(error: Error) -> io::Error {
    match error {
        Error::Bind { source, .. } | Error::HandOver(source) => source,
        error => error.into(),
    }
}

/// Whether what keeps the thread from the name may go by itself: another process there, or a want.
fn may_pass(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse || is_want(error)
}

/// Whether descriptors, memory or space have run out.
fn is_want(error: &io::Error) -> bool {
    let wants = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::ENOSPC];
    error.raw_os_error().is_some_and(|code| wants.contains(&code))
}

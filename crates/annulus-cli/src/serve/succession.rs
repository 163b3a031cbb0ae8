//! A new process in the place of this one.
//!
//! Owns: the thread that waits for a successor, and which errors it outlasts. Does not own: the
//! conversation with it, and the name at which it waits (`annulus::serve`, `Handle::hand_over`).

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use annulus::serve::{Error, Handle};

use crate::say::say;

/// Between one attempt and the next, at first and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];
/// How long the thread has to see that the server has ended.
const PATIENCE: Duration = Duration::from_secs(1);

/// Waits for a successor.
pub struct Succession {
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

impl Succession {
    /// Starts the thread that waits at `path`, gives the listeners of the server away, and calls
    /// `given`.
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
            if wait(&handle, &path) {
                given();
                say("A successor has taken over; ending when the answers under way are sent.");
            }
        })?;
        Ok(Self { ended })
    }

    /// The server has ended: nobody waits at the name any more. Who still talks to a successor has
    /// removed it before.
    pub fn end(self) {
        // It sends nothing, so there is no result.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

/// Waits until the listeners are given away. False if that cannot be, or the server ends.
fn wait(handle: &Handle, path: &Path) -> bool {
    let [shortest, longest] = PAUSES;
    let mut pause = shortest;
    loop {
        match handle.hand_over(path) {
            Ok(()) => return true,
            Err(Error::HandOver(error)) if error.kind() == io::ErrorKind::NotConnected => {
                return false;
            }
            Err(Error::HandOver(error)) => {
                say(format_args!(
                    "annulus: a successor did not take over, and this server goes on: {error}"
                ));
                pause = shortest;
            }
            Err(Error::Bind { source, .. }) if may_pass(&source) => {
                if pause < longest && pause * 2 >= longest {
                    say(format_args!(
                        "annulus: cannot wait for a successor at {} yet: {source}",
                        path.display()
                    ));
                }
                pause = longest.min(pause * 2);
            }
            Err(error) => {
                let error = match error {
                    Error::Bind { source, .. } => source,
                    error => error.into(),
                };
                say(format_args!(
                    "annulus: cannot wait for a successor at {}: {error}; the server goes on",
                    path.display()
                ));
                return false;
            }
        }
        std::thread::sleep(pause);
    }
}

/// Whether what keeps the thread from the name may go by itself: another process there, or a want
/// of descriptors, memory or space.
fn may_pass(error: &io::Error) -> bool {
    let wants = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::ENOSPC];
    error.kind() == io::ErrorKind::AddrInUse
        || error.raw_os_error().is_some_and(|code| wants.contains(&code))
}

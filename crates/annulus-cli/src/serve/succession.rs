//! A new process in the place of this one.
//!
//! Owns: the thread that waits for a successor, and the name at which it waits. Does not own: the
//! conversation with it (`annulus::serve`, `Handle::hand_over`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annulus::serve::Handle;

/// A predecessor that has just handed over still has the name for a moment.
const PATIENCE: Duration = Duration::from_millis(20);
/// How often the name is asked for.
const ATTEMPTS: u32 = 250;

/// Waits for a successor.
pub struct Succession {
    path: PathBuf,
    /// The listeners, and with them the name, are another process's.
    done: Arc<AtomicBool>,
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
        let done = Arc::new(AtomicBool::new(false));
        let (theirs, at) = (done.clone(), path.to_owned());
        std::thread::Builder::new().name("annulus-succession".to_owned()).spawn(move || {
            if wait(&handle, &at) {
                // ORDERING: Release, pairs with the load in `end`; the name is free by now.
                theirs.store(true, Ordering::Release);
                eprintln!(
                    "A successor has taken over; ending when the answers under way are sent."
                );
                given();
            }
        })?;
        Ok(Self { path: path.to_owned(), done })
    }

    /// The server has ended: nobody is to wait at the name any more.
    pub fn end(self) {
        // ORDERING: Acquire, pairs with the store in `start`.
        if !self.done.load(Ordering::Acquire) {
            // It may not have come into being.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Waits until the listeners are given away. False if that cannot be, or the server ends.
fn wait(handle: &Handle, path: &Path) -> bool {
    let mut attempts = 0;
    loop {
        let error = match handle.hand_over(path) {
            Ok(()) => return true,
            Err(error) => error,
        };
        match error.kind() {
            io::ErrorKind::NotConnected => return false,
            io::ErrorKind::AddrInUse if attempts < ATTEMPTS => {
                attempts += 1;
                std::thread::sleep(PATIENCE);
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::UnexpectedEof if attempts == 0 => {
                eprintln!(
                    "annulus: a successor did not take over, and this server goes on: {error}"
                );
            }
            _ => {
                eprintln!(
                    "annulus: cannot wait for a successor at {}: {error}; the server goes on",
                    path.display()
                );
                return false;
            }
        }
    }
}

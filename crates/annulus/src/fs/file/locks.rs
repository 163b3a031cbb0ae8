//! Locks on whole files, for processes that agree on them.
//!
//! Owns: what users call, and that a lock which nobody waits for any more is given up. Mirrors
//! flock(2).

use std::fmt;
use std::io;

use annulus_ring::Kernel as _;
use rustix::fs::{FlockOperation, flock};

use super::File;

/// Why [`File::try_lock`] did not get the lock.
#[derive(Debug)]
pub enum TryLockError {
    /// The lock could not be asked for.
    Error(io::Error),
    /// Somebody else has it.
    WouldBlock,
}

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::WouldBlock => f.write_str("another open file has the lock"),
        }
    }
}

impl std::error::Error for TryLockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Error(error) => error.source(),
            Self::WouldBlock => None,
        }
    }
}

impl From<TryLockError> for io::Error {
    fn from(error: TryLockError) -> Self {
        match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        }
    }
}

/// A lock that a thread has got. Dropped before it has reached who asked, it is given up.
struct Got(Option<std::fs::File>);

impl Drop for Got {
    fn drop(&mut self) {
        if let Some(file) = self.0.take() {
            let _ = flock(file, FlockOperation::Unlock);
        }
    }
}

impl File {
    /// Waits until nobody else has a lock on the file, and takes it exclusively.
    ///
    /// A lock belongs to the open file: to this handle and its [clones](Self::try_clone), until
    /// they are closed or one of them [unlocks](Self::unlock). Others see it if they ask for locks
    /// too. A shared lock that this handle has is given up first.
    ///
    /// # Errors
    /// Those of flock(2); use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the lock if it was there or comes later, also one that the
    /// handle had before. The thread goes on waiting until the lock is free: where that may be
    /// never, [`try_lock`](Self::try_lock) now and then costs no thread.
    ///
    /// # Kernel
    /// flock(2) with `LOCK_NB`, a system call; if the lock is not free, flock(2) on a thread of
    /// [`spawn_blocking`](crate::task::spawn_blocking), because it waits and has no operation of
    /// the ring. As many locks can be waited for as there may be such threads.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::fs::{File, TryLockError};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("lock");
    /// let (mine, other) = (File::create(&path).await?, File::create(&path).await?);
    /// mine.lock().await?;
    /// assert!(matches!(other.try_lock_shared(), Err(TryLockError::WouldBlock)));
    /// mine.unlock()?;
    /// other.lock_shared().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "flock")]
    pub async fn lock(&self) -> io::Result<()> {
        self.wait_for(libc::LOCK_EX, FlockOperation::LockExclusive).await
    }

    /// Waits until nobody has an exclusive lock on the file, and takes a shared one.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    ///
    /// # Cancel safety
    /// As [`lock`](Self::lock).
    ///
    /// # Kernel
    /// As [`lock`](Self::lock).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.lock_shared().await?;
    /// assert!(file.try_clone()?.try_lock_shared().is_ok()); // shared locks go together
    /// file.unlock()?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn lock_shared(&self) -> io::Result<()> {
        self.wait_for(libc::LOCK_SH, FlockOperation::LockShared).await
    }

    async fn wait_for(&self, operation: i32, on_thread: FlockOperation) -> io::Result<()> {
        match self.try_now(operation) {
            Err(TryLockError::WouldBlock) => {}
            tried => return Ok(tried?),
        }
        let waiting = self.on_thread(move |file| {
            loop {
                match flock(&file, on_thread) {
                    Ok(()) => return Ok(Got(Some(file))),
                    Err(rustix::io::Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        });
        waiting.await?.0.take();
        Ok(())
    }

    /// Takes the lock exclusively if nobody else has one.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if somebody has; those of flock(2); use on a foreign core.
    ///
    /// # Kernel
    /// A system call, flock(2) with `LOCK_NB`, which does not block. (A network file system may ask
    /// its server.)
    pub fn try_lock(&self) -> Result<(), TryLockError> {
        self.try_now(libc::LOCK_EX)
    }

    /// Takes a shared lock if nobody has an exclusive one.
    ///
    /// # Errors
    /// As [`try_lock`](Self::try_lock).
    ///
    /// # Kernel
    /// As [`try_lock`](Self::try_lock).
    pub fn try_lock_shared(&self) -> Result<(), TryLockError> {
        self.try_now(libc::LOCK_SH)
    }

    /// Gives up the lock of this handle and its clones, if there is one.
    ///
    /// # Errors
    /// Those of flock(2); use on a foreign core.
    ///
    /// # Kernel
    /// A system call, which does not block.
    pub fn unlock(&self) -> io::Result<()> {
        Ok(self.try_now(libc::LOCK_UN)?)
    }

    fn try_now(&self, operation: i32) -> Result<(), TryLockError> {
        let fd = self.owned.raw_fd();
        let tried = self.owned.with(|state, _| state.ring.kernel().try_lock(fd, operation));
        match tried.map_err(TryLockError::Error)? {
            Ok(()) => Ok(()),
            Err(errno) if errno.0 == libc::EWOULDBLOCK => Err(TryLockError::WouldBlock),
            Err(errno) => Err(TryLockError::Error(errno.into())),
        }
    }
}

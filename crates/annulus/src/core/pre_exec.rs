//! User code between fork(2) and execve(2).
//!
//! Owns: nothing but the promise that a caller makes. It is here because it is unsafe.

use std::io;
use std::os::unix::process::CommandExt as _;

use crate::process::Command;

impl Command {
    /// Runs `before` in the child, between fork(2) and execve(2). What it refuses is the error of
    /// [`spawn`](Self::spawn).
    ///
    /// The child has the memory of this process and one thread of it. What it inherits of a
    /// runtime is inert: it cannot be used, and dropping it reaches nothing of the parent's.
    ///
    /// # Safety
    /// * `before` does nothing but what is safe after a fork of a process with threads
    ///   (signal-safety(7)): allocating memory and taking locks is not. The contract is that of
    ///   [`pre_exec`](std::os::unix::process::CommandExt::pre_exec) of `std`.
    pub unsafe fn pre_exec<F>(&mut self, before: F) -> &mut Self
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner.pre_exec(before) };
        self
    }
}

//! Make a pipe. Mirrors pipe2(2).

use std::{io, os::fd::RawFd};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Place, address, done, first_kernel, later};
use crate::{OpConflict, Version};

/// Makes a pipe, and writes the numbers of its two ends, the one to read from first, to `ends`.
///
/// Whoever decodes the completion owns both ends and must close them.
///
/// # Kernel
/// `PIPE`, since 6.16. *Inline*.
///
/// # Errors
/// Those of pipe2(2): `EFAULT`, `EINVAL` (also `O_CLOEXEC` with slots), `EMFILE`, `ENFILE` (also:
/// no free slot).
///
/// # Memory
/// `ends`, writable, until the completion.
#[doc(alias = "IORING_OP_PIPE")]
#[doc(alias = "io_uring_prep_pipe")]
#[doc(alias = "io_uring_prep_pipe_direct")]
#[doc(alias = "pipe2")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pipe {
    /// Where the two numbers go.
    pub ends: *mut [RawFd; 2],
    /// `O_CLOEXEC`, `O_NONBLOCK`, `O_DIRECT`, or 0.
    pub flags: i32,
    /// Where the files go; with [`Place::Fixed`] the end to write to takes the slot behind.
    pub place: Place,
}

impl Op for Pipe {
    const OPCODE: Opcode = Opcode::PIPE;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.addr = address(self.ends);
        sqe.op_flags = self.flags as u32;
        self.place.encode(sqe);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }

    fn since(&self) -> Version {
        later(first_kernel(Self::OPCODE), self.place.since())
    }

    fn check(&self) -> Result<(), OpConflict> {
        self.place.check(Self::OPCODE, self.flags, libc::O_CLOEXEC)
    }
}

#[cfg(test)]
mod tests;

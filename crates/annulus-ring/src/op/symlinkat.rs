//! Make a symbolic link. Mirrors symlinkat(2).

use std::{ffi::c_char, io, os::fd::RawFd};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, done};

/// Makes a symbolic link at `path` that says `text`.
///
/// # Kernel
/// `SYMLINKAT`, since 5.15. Always *punted*.
///
/// # Errors
/// Those of symlinkat(2): `EACCES`, `EEXIST`, `ENOENT`, `ENOSPC`, `ENOTDIR`, `EPERM`, `EROFS`, …
///
/// # Memory
/// `text` and `path`, unchanged, until the completion. (Kernels with
/// [`Features::SUBMIT_STABLE`](annulus_abi::Features::SUBMIT_STABLE) copy them when they take the
/// entry.)
#[doc(alias = "IORING_OP_SYMLINKAT")]
#[doc(alias = "io_uring_prep_symlink")]
#[doc(alias = "io_uring_prep_symlinkat")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Symlinkat {
    /// What the link says, ended by a zero byte.
    pub text: *const c_char,
    /// The directory that a relative path starts from, or `AT_FDCWD`. Never a slot.
    pub dir: RawFd,
    /// Where the link is made, ended by a zero byte.
    pub path: *const c_char,
}

impl Op for Symlinkat {
    const OPCODE: Opcode = Opcode::SYMLINKAT;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.dir;
        sqe.off = address(self.path);
        sqe.addr = address(self.text);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;

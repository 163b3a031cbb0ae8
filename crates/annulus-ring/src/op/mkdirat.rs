//! Make a directory. Mirrors mkdirat(2).

use std::{ffi::c_char, io, os::fd::RawFd};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, done};

/// Makes a directory.
///
/// # Kernel
/// `MKDIRAT`, since 5.15. Always *punted*.
///
/// # Errors
/// Those of mkdirat(2): `EACCES`, `EDQUOT`, `EEXIST`, `ENOENT`, `ENOSPC`, `ENOTDIR`, `EROFS`, …
///
/// # Memory
/// `path`, unchanged, until the completion. (Kernels with
/// [`Features::SUBMIT_STABLE`](annulus_abi::Features::SUBMIT_STABLE) copy it when they take the
/// entry.)
#[doc(alias = "IORING_OP_MKDIRAT")]
#[doc(alias = "io_uring_prep_mkdir")]
#[doc(alias = "io_uring_prep_mkdirat")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mkdirat {
    /// The directory that a relative path starts from, or `AT_FDCWD`. Never a slot.
    pub dir: RawFd,
    /// The path, ended by a zero byte.
    pub path: *const c_char,
    /// Its permissions, before the umask.
    pub mode: u32,
}

impl Op for Mkdirat {
    const OPCODE: Opcode = Opcode::MKDIRAT;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.dir;
        sqe.addr = address(self.path);
        sqe.len = self.mode;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;

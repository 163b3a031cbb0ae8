//! Remove a name. Mirrors unlinkat(2).

use std::{ffi::c_char, io, os::fd::RawFd};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, done};

/// Removes a name and, with the last one, the file; or, with `AT_REMOVEDIR`, an empty directory.
///
/// # Kernel
/// `UNLINKAT`, since 5.11. Always *punted*.
///
/// # Errors
/// Those of unlinkat(2): `EACCES`, `EBUSY`, `EISDIR`, `ENOENT`, `ENOTDIR`, `ENOTEMPTY`, `EPERM`,
/// `EROFS`, …
///
/// # Memory
/// `path`, unchanged, until the completion. (Kernels with
/// [`Features::SUBMIT_STABLE`](annulus_abi::Features::SUBMIT_STABLE) copy it when they take the
/// entry.)
#[doc(alias = "IORING_OP_UNLINKAT")]
#[doc(alias = "io_uring_prep_unlink")]
#[doc(alias = "io_uring_prep_unlinkat")]
#[doc(alias = "rmdir")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unlinkat {
    /// The directory that a relative path starts from, or `AT_FDCWD`. Never a slot.
    pub dir: RawFd,
    /// The path, ended by a zero byte.
    pub path: *const c_char,
    /// `AT_REMOVEDIR`, or 0.
    pub flags: i32,
}

impl Op for Unlinkat {
    const OPCODE: Opcode = Opcode::UNLINKAT;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.dir;
        sqe.addr = address(self.path);
        sqe.op_flags = self.flags as u32;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;

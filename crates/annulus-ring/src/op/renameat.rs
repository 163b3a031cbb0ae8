//! Rename a file. Mirrors renameat2(2).

use std::{ffi::c_char, io, os::fd::RawFd};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, done};

/// Gives a file another name, replacing what had it unless `flags` say otherwise.
///
/// # Kernel
/// `RENAMEAT`, since 5.11. Always *punted*.
///
/// # Errors
/// Those of renameat2(2): `EACCES`, `EEXIST`, `EINVAL`, `EISDIR`, `ENOENT`, `ENOTDIR`, `ENOTEMPTY`,
/// `EXDEV`, …
///
/// # Memory
/// Both paths, unchanged, until the completion. (Kernels with
/// [`Features::SUBMIT_STABLE`](annulus_abi::Features::SUBMIT_STABLE) copy them when they take the
/// entry.)
#[doc(alias = "IORING_OP_RENAMEAT")]
#[doc(alias = "io_uring_prep_rename")]
#[doc(alias = "io_uring_prep_renameat")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Renameat {
    /// The directory that a relative old path starts from, or `AT_FDCWD`. Never a slot.
    pub old_dir: RawFd,
    /// The name that it has, ended by a zero byte.
    pub old_path: *const c_char,
    /// The directory that a relative new path starts from, or `AT_FDCWD`. Never a slot.
    pub new_dir: RawFd,
    /// The name that it gets, ended by a zero byte.
    pub new_path: *const c_char,
    /// `RENAME_NOREPLACE`, `RENAME_EXCHANGE`, or 0.
    pub flags: u32,
}

impl Op for Renameat {
    const OPCODE: Opcode = Opcode::RENAMEAT;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.old_dir;
        sqe.off = address(self.new_path);
        sqe.addr = address(self.old_path);
        sqe.len = self.new_dir as u32;
        sqe.op_flags = self.flags;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;

//! Make a hard link. Mirrors linkat(2).

use std::{ffi::c_char, io, os::fd::RawFd};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, done};

/// Gives a file one more name.
///
/// # Kernel
/// `LINKAT`, since 5.15. Always *punted*.
///
/// # Errors
/// Those of linkat(2): `EACCES`, `EEXIST`, `EMLINK`, `ENOENT`, `EPERM`, `EXDEV`, …
///
/// # Memory
/// Both paths, unchanged, until the completion. (Kernels with
/// [`Features::SUBMIT_STABLE`](annulus_abi::Features::SUBMIT_STABLE) copy them when they take the
/// entry.)
#[doc(alias = "IORING_OP_LINKAT")]
#[doc(alias = "io_uring_prep_link")]
#[doc(alias = "io_uring_prep_linkat")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Linkat {
    /// The directory that a relative old path starts from, or `AT_FDCWD`. Never a slot.
    pub old_dir: RawFd,
    /// The name that it has, ended by a zero byte.
    pub old_path: *const c_char,
    /// The directory that a relative new path starts from, or `AT_FDCWD`. Never a slot.
    pub new_dir: RawFd,
    /// The name that it gets as well, ended by a zero byte.
    pub new_path: *const c_char,
    /// `AT_SYMLINK_FOLLOW`, `AT_EMPTY_PATH`, or 0.
    pub flags: i32,
}

impl Op for Linkat {
    const OPCODE: Opcode = Opcode::LINKAT;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.old_dir;
        sqe.off = address(self.new_path);
        sqe.addr = address(self.old_path);
        sqe.len = self.new_dir as u32;
        sqe.op_flags = self.flags as u32;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;

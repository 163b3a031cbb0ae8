//! Metadata of a file. Mirrors statx(2).

use std::{ffi::c_char, io, os::fd::RawFd};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, done};

/// Writes the metadata of the file at `path` into `buffer`.
///
/// # Kernel
/// `STATX`, since 5.6. Always *punted*: of a file that is open already, the system call costs a
/// thirtieth of this.
///
/// # Errors
/// Those of statx(2): `EACCES`, `EBADF`, `EFAULT`, `EINVAL`, `ELOOP`, `ENAMETOOLONG`, `ENOENT`,
/// `ENOTDIR`.
///
/// # Memory
/// `path`, unchanged, and `buffer`, writable, until the completion.
#[doc(alias = "IORING_OP_STATX")]
#[doc(alias = "io_uring_prep_statx")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statx {
    /// The directory that a relative path starts from, `AT_FDCWD`, or with `AT_EMPTY_PATH` the file
    /// itself. Never a slot.
    pub dir: RawFd,
    /// The path, ended by a zero byte; empty with `AT_EMPTY_PATH`.
    pub path: *const c_char,
    /// `AT_*`: `AT_EMPTY_PATH`, `AT_SYMLINK_NOFOLLOW`, `AT_STATX_DONT_SYNC`, …
    pub flags: i32,
    /// `STATX_*`: what is wanted; the structure says what was given.
    pub mask: u32,
    /// Where the metadata goes.
    pub buffer: *mut libc::statx,
}

impl Op for Statx {
    const OPCODE: Opcode = Opcode::STATX;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.dir;
        sqe.off = address(self.buffer);
        sqe.addr = address(self.path);
        sqe.len = self.mask;
        sqe.op_flags = self.flags as u32;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;

//! Open a file by path. Mirrors openat(2).

use std::{ffi::c_char, io, os::fd::RawFd};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Place, address, descriptor, first_kernel, later};
use crate::{OpConflict, Version};

/// Opens, and with `O_CREAT` creates, the file at `path`.
///
/// The output is the new descriptor, or what [`Place`] says for a slot. Whoever decodes the
/// completion owns it and must close it, also if nobody waits for the file any more.
///
/// # Kernel
/// `OPENAT`, since 5.6; into a chosen slot since 5.15, into a free one since 5.19. *Inline* when
/// the path is in the kernel's cache; *punted* when not, and always with `O_CREAT`, `O_TRUNC` or
/// `O_TMPFILE`.
///
/// # Errors
/// Those of openat(2): `EACCES`, `EEXIST`, `EISDIR`, `ELOOP`, `EMFILE`, `ENFILE` (also: no free
/// slot), `ENOENT`, `ENOTDIR`, `EROFS`, … `EINVAL` for `O_CLOEXEC` with a slot; `ENXIO` without a
/// fixed-file table.
///
/// # Memory
/// `path`, unchanged, until the completion. (Kernels with
/// [`Features::SUBMIT_STABLE`](annulus_abi::Features::SUBMIT_STABLE) copy it when they take the
/// entry.)
#[doc(alias = "IORING_OP_OPENAT")]
#[doc(alias = "io_uring_prep_open")]
#[doc(alias = "io_uring_prep_open_direct")]
#[doc(alias = "io_uring_prep_openat")]
#[doc(alias = "io_uring_prep_openat_direct")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Openat {
    /// The directory that a relative path starts from, or `AT_FDCWD`. Never a slot.
    pub dir: RawFd,
    /// The path, ended by a zero byte.
    pub path: *const c_char,
    /// `O_*`; `O_LARGEFILE` is implied.
    pub flags: i32,
    /// The permissions of a file that this creates.
    pub mode: u32,
    /// Where the file goes.
    pub place: Place,
}

impl Op for Openat {
    const OPCODE: Opcode = Opcode::OPENAT;
    type Output = RawFd;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.dir;
        sqe.addr = address(self.path);
        sqe.len = self.mode;
        sqe.op_flags = self.flags as u32;
        self.place.encode(sqe);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<RawFd> {
        descriptor(cqe)
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

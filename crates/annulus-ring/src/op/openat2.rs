//! Open a file by path, under rules for how the path resolves. Mirrors openat2(2).

use std::{ffi::c_char, io, os::fd::RawFd};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Place, address, descriptor, first_kernel, later};
use crate::Version;

/// Opens, and with `O_CREAT` creates, the file at `path`, resolving the path as `how` demands.
///
/// The output is the new descriptor, or what [`Place`] says for a slot. Whoever decodes the
/// completion owns it and must close it, also if nobody waits for the file any more.
///
/// # Kernel
/// `OPENAT2`, since 5.6; into a chosen slot since 5.15, into a free one since 5.19. *Inline* when
/// the path is in the kernel's cache; *punted* when not, and always with `O_CREAT`, `O_TRUNC` or
/// `O_TMPFILE`.
///
/// # Errors
/// Those of openat2(2): all of openat(2), and `EXDEV` (the path left what `RESOLVE_BENEATH` or
/// `RESOLVE_IN_ROOT` allow), `ELOOP` (a link that `RESOLVE_NO_SYMLINKS` forbids), `EAGAIN` (a
/// rename raced, or `RESOLVE_CACHED` missed), `EINVAL` (unknown flags, a mode without `O_CREAT`,
/// `O_CLOEXEC` with a slot), `E2BIG`.
///
/// # Memory
/// `path` and `how`, unchanged, until the completion. (Kernels with
/// [`Features::SUBMIT_STABLE`](annulus_abi::Features::SUBMIT_STABLE) copy both when they take the
/// entry.)
#[doc(alias = "IORING_OP_OPENAT2")]
#[doc(alias = "io_uring_prep_openat2")]
#[doc(alias = "io_uring_prep_openat2_direct")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Openat2 {
    /// The directory that a relative path starts from, or `AT_FDCWD`. Never a slot.
    pub dir: RawFd,
    /// The path, ended by a zero byte.
    pub path: *const c_char,
    /// Flags, mode and resolution.
    pub how: *const libc::open_how,
    /// Where the file goes.
    pub place: Place,
}

impl Op for Openat2 {
    const OPCODE: Opcode = Opcode::OPENAT2;
    type Output = RawFd;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.dir;
        sqe.off = address(self.how);
        sqe.addr = address(self.path);
        sqe.len = size_of::<libc::open_how>() as u32;
        self.place.encode(sqe);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<RawFd> {
        descriptor(cqe)
    }

    fn since(&self) -> Version {
        later(first_kernel(Self::OPCODE), self.place.since())
    }
}

#[cfg(test)]
mod tests;

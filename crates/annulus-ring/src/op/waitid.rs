//! Wait for a child. Mirrors waitid(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, done};

/// Completes when a child changes its state as `options` ask.
///
/// # Kernel
/// `WAITID`, since 6.7. Armed *inline*; the child completes it.
///
/// # Errors
/// Those of waitid(2): `ECHILD`, `EINVAL`, `EFAULT`. `ECANCELED` after a cancel, and then the child
/// may still be waited for.
///
/// # Memory
/// `info`, writable, until the completion.
#[doc(alias = "IORING_OP_WAITID")]
#[doc(alias = "io_uring_prep_waitid")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waitid {
    /// `P_PID`, `P_PIDFD`, `P_PGID` or `P_ALL`.
    pub id_type: libc::idtype_t,
    /// The process, group or pidfd.
    pub id: libc::id_t,
    /// Where the child's state goes, or null.
    pub info: *mut libc::siginfo_t,
    /// `WEXITED`, `WSTOPPED`, `WCONTINUED`, with `WNOWAIT`, …
    pub options: i32,
}

impl Op for Waitid {
    const OPCODE: Opcode = Opcode::WAITID;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.id as i32;
        sqe.off = address(self.info);
        sqe.len = self.id_type;
        sqe.file_index = self.options as u32;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;

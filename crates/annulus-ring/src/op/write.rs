//! Write from one buffer. Mirrors pwrite(2) and write(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, address, count};

/// Writes at most `len` bytes from the memory at `addr` at `offset`.
///
/// The output is the number of bytes written, which may be fewer than `len`.
///
/// # Kernel
/// `WRITE`, since 5.6. *Inline* into the page cache where the file system can do so without
/// blocking, else *punted* (and then one at a time per file); with `O_DIRECT` the device completes
/// it. Sockets and pipes are *polled*.
///
/// # Errors
/// Those of pwrite(2): `EBADF`, `EDQUOT`, `EFAULT`, `EFBIG`, `EINVAL`, `EIO`, `ENOSPC`, `EPIPE`
/// (without the signal when a worker thread writes; block `SIGPIPE` to be safe), `ESPIPE`.
/// `ECANCELED` after a cancel.
///
/// # Memory
/// `addr` to `addr + len`, unchanged, until the completion.
#[doc(alias = "IORING_OP_WRITE")]
#[doc(alias = "io_uring_prep_write")]
#[doc(alias = "pwrite")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Write {
    /// What to write to.
    pub target: Target,
    /// Where the bytes come from.
    pub addr: *const u8,
    /// How many bytes at most.
    pub len: u32,
    /// Where in the file; `u64::MAX` means its current position, which then moves.
    pub offset: u64,
}

impl Op for Write {
    const OPCODE: Opcode = Opcode::WRITE;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = self.offset;
        sqe.addr = address(self.addr);
        sqe.len = self.len;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }
}

#[cfg(test)]
mod tests;

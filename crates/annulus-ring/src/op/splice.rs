//! Move bytes between a pipe and a file. Mirrors splice(2).

use std::io;

use annulus_abi::{Cqe, Opcode, SpliceFlags, Sqe};

use super::{Op, Target, count};

/// Moves at most `len` bytes from one file to another, one of which must be a pipe, without copying
/// where that can be.
///
/// The output is the number of bytes moved; 0 is the end of the input.
///
/// # Kernel
/// `SPLICE`, since 5.7. Always *punted*, and so dear for small amounts: sendfile(2) and splice(2)
/// on descriptors that do not block cost a thirtieth of a 64 KiB pair.
///
/// # Errors
/// Those of splice(2): `EBADF`, `EINVAL`, `ENOMEM`, `ESPIPE`. In a chain, a short move counts as a
/// failure. One that is cancelled while its worker waits may end with 512 (`ERESTARTSYS`), which
/// reads and writes turn into `EINTR`; seen on 6.18.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_SPLICE")]
#[doc(alias = "io_uring_prep_splice")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Splice {
    /// Where the bytes come from.
    pub from: Target,
    /// Where in it; `u64::MAX` for a pipe, or for a file's current position.
    pub from_offset: u64,
    /// Where they go.
    pub to: Target,
    /// Where in it; `u64::MAX` for a pipe, or for a file's current position.
    pub to_offset: u64,
    /// How many bytes at most.
    pub len: u32,
    /// `SPLICE_F_MOVE`, `SPLICE_F_NONBLOCK`, `SPLICE_F_MORE`.
    pub flags: u32,
}

/// Sets the input of a splice or tee, and the flags that share a word with its kind.
pub(super) fn encode_source(from: Target, flags: u32, sqe: &mut Sqe) {
    match from {
        Target::Fd(fd) => {
            sqe.file_index = fd as u32;
            sqe.op_flags = flags;
        }
        Target::Fixed(slot) => {
            sqe.file_index = slot;
            sqe.op_flags = flags | SpliceFlags::FD_IN_FIXED.bits();
        }
    }
}

impl Op for Splice {
    const OPCODE: Opcode = Opcode::SPLICE;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.to.encode(sqe);
        sqe.off = self.to_offset;
        sqe.addr = self.from_offset;
        sqe.len = self.len;
        encode_source(self.from, self.flags, sqe);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }
}

#[cfg(test)]
mod tests;

//! Nothing, in a way that can be told apart. Has no man page of its own: see io_uring_prep_nop(3).

use std::io;

use annulus_abi::{Cqe, NopFlags, Opcode, Sqe};

use super::{Op, Target, count, later};
use crate::Version;

/// Does nothing, but completes as told: with a result of one's choice, after looking up a file or a
/// registered buffer, by task work, or with two words more.
///
/// For tests of what handles completions, and to measure what a lookup or a round of task work
/// costs. The output is the result.
///
/// # Kernel
/// `NOP` with `IORING_NOP_INJECT_RESULT`, since 6.10; `file`, `buffer` and `task_work` since 6.13
/// to 6.16; `extra` since 6.18, on a ring whose completions have room for it. *Inline*, or by task
/// work.
///
/// # Errors
/// What `result` says; `EBADF` (no such file), `EFAULT` (no such buffer), `EINVAL` (a kernel that
/// does not know the option, `extra` on a ring of 16-byte completions).
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_NOP")]
#[doc(alias = "io_uring_prep_nop")]
#[doc(alias = "IORING_NOP_INJECT_RESULT")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NopWith {
    /// What it completes with; negative is an error. It breaks a chain then.
    pub result: i32,
    /// A file to look up.
    pub file: Option<Target>,
    /// A registered buffer to look up.
    pub buffer: Option<u16>,
    /// Whether it completes by task work.
    pub task_work: bool,
    /// The last two words of a 32-byte completion.
    pub extra: Option<[u64; 2]>,
}

impl NopWith {
    fn options(&self) -> NopFlags {
        let mut flags = NopFlags::INJECT_RESULT;
        match self.file {
            Some(Target::Fd(_)) => flags |= NopFlags::FILE,
            Some(Target::Fixed(_)) => flags |= NopFlags::FILE | NopFlags::FIXED_FILE,
            None => {}
        }
        if self.buffer.is_some() {
            flags |= NopFlags::FIXED_BUFFER;
        }
        if self.task_work {
            flags |= NopFlags::TW;
        }
        if self.extra.is_some() {
            flags |= NopFlags::CQE32;
        }
        flags
    }
}

impl Op for NopWith {
    const OPCODE: Opcode = Opcode::NOP;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
        sqe.len = self.result as u32;
        sqe.op_flags = self.options().bits();
        match self.file {
            Some(Target::Fd(fd)) => sqe.fd = fd,
            Some(Target::Fixed(slot)) => sqe.fd = slot as i32,
            None => {}
        }
        sqe.buf_index = self.buffer.unwrap_or(0);
        [sqe.off, sqe.addr] = self.extra.unwrap_or([0; 2]);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn since(&self) -> Version {
        later((6, 10), self.options().since().unwrap_or((6, 10)))
    }
}

#[cfg(test)]
mod tests;

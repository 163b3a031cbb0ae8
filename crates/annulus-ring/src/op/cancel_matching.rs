//! Cancel by any mixture of keys. Mirrors io_uring_prep_cancel(3).

use std::io;

use annulus_abi::{CancelFlags, Cqe, Opcode, Sqe};

use super::{CancelFd, CancelOutcome, OLDEST, Op, Target, first_kernel, later};
use crate::Version;

/// Asks the kernel to end the requests that match every key that is given; with no key, all of this
/// ring.
///
/// Each cancelled request completes by itself, as with [`Cancel`](super::Cancel).
///
/// # Kernel
/// `ASYNC_CANCEL`; with no key since 5.19, with an opcode or several keys since 6.6. *Inline*.
///
/// # Errors
/// As [`CancelFd`](super::CancelFd).
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_ASYNC_CANCEL")]
#[doc(alias = "io_uring_prep_cancel")]
#[doc(alias = "IORING_ASYNC_CANCEL_ANY")]
#[doc(alias = "IORING_ASYNC_CANCEL_OP")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelMatching {
    /// The file that the request works on.
    pub target: Option<Target>,
    /// Its opcode.
    pub opcode: Option<Opcode>,
    /// Its user data.
    pub user_data: Option<u64>,
    /// All that match, and not only the first; with no key it is all in any case.
    pub all: bool,
}

impl Op for CancelMatching {
    const OPCODE: Opcode = Opcode::ASYNC_CANCEL;
    type Output = CancelOutcome;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
        let mut flags = CancelFlags::EMPTY;
        if self.all {
            flags |= CancelFlags::ALL;
        }
        if let Some(target) = self.target {
            CancelFd { target, flags: CancelFlags::EMPTY }.encode(sqe);
            flags |= CancelFlags(sqe.op_flags);
        }
        if let Some(opcode) = self.opcode {
            flags |= CancelFlags::OP;
            sqe.len = u32::from(opcode.0);
        }
        match self.user_data {
            Some(user_data) if flags.without(CancelFlags::ALL).is_empty() => sqe.addr = user_data,
            Some(user_data) => {
                flags |= CancelFlags::USERDATA;
                sqe.addr = user_data;
            }
            None if flags.without(CancelFlags::ALL).is_empty() => flags |= CancelFlags::ANY,
            None => {}
        }
        sqe.op_flags = flags.bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<CancelOutcome> {
        CancelOutcome::decode(cqe)
    }

    fn since(&self) -> Version {
        let mut sqe = Sqe::default();
        self.encode(&mut sqe);
        let flags = CancelFlags(sqe.op_flags).since().unwrap_or(OLDEST);
        later(first_kernel(Self::OPCODE), flags)
    }
}

#[cfg(test)]
mod tests;

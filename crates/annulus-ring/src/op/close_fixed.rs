//! Empty a slot of the fixed-file table. Mirrors io_uring_prep_close_direct(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Place, done};
use crate::Version;

/// Closes a direct descriptor: empties its slot of the fixed-file table.
///
/// Requests in flight on the slot keep their file; the file itself is closed when its last user,
/// slot or descriptor, is gone.
///
/// # Kernel
/// `CLOSE`, since 5.15 for slots. *Inline*.
///
/// # Errors
/// `EBADF` (the slot is empty), `EINVAL` (no such slot), `ENXIO` (no fixed-file table).
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_CLOSE")]
#[doc(alias = "io_uring_prep_close_direct")]
#[doc(alias = "close_direct")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CloseFixed {
    /// The slot to empty.
    pub slot: u32,
}

impl Op for CloseFixed {
    const OPCODE: Opcode = Opcode::CLOSE;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        Place::Fixed(self.slot).encode(sqe);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }

    fn since(&self) -> Version {
        (5, 15)
    }
}

#[cfg(test)]
mod tests;

//! Set a socket option. Mirrors setsockopt(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, address, done};
use crate::Version;

/// Sets an option of a socket, which may be a direct descriptor.
///
/// # Kernel
/// `URING_CMD` with `SOCKET_URING_OP_SETSOCKOPT`, since 6.7. *Inline* or *punted* as the option
/// needs.
///
/// # Errors
/// Those of setsockopt(2): `EINVAL`, `ENOPROTOOPT`, …; `EOPNOTSUPP` (not a socket).
///
/// # Memory
/// `value` to `value + len`, unchanged, until the completion.
#[doc(alias = "IORING_OP_URING_CMD")]
#[doc(alias = "io_uring_prep_cmd_sock")]
#[doc(alias = "SOCKET_URING_OP_SETSOCKOPT")]
#[doc(alias = "setsockopt")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetSocketOption {
    /// The socket.
    pub target: Target,
    /// `SOL_SOCKET`, …
    pub level: i32,
    /// `SO_*`, …
    pub name: i32,
    /// The value.
    pub value: *const u8,
    /// How many bytes it has.
    pub len: u32,
}

/// The command (`SOCKET_URING_OP_SETSOCKOPT`).
const COMMAND: u64 = 3;

impl Op for SetSocketOption {
    const OPCODE: Opcode = Opcode::URING_CMD;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = COMMAND;
        sqe.addr = u64::from(self.level as u32) | u64::from(self.name as u32) << 32;
        sqe.file_index = self.len;
        sqe.addr3 = address(self.value);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }

    fn since(&self) -> Version {
        (6, 7)
    }
}

#[cfg(test)]
mod tests;

//! Read a socket option. Mirrors getsockopt(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, address, count};
use crate::Version;

/// Reads an option of a socket, which may be a direct descriptor.
///
/// The output is the length of the value.
///
/// # Kernel
/// `URING_CMD` with `SOCKET_URING_OP_GETSOCKOPT`, since 6.7. *Inline* or *punted* as the option
/// needs; only options of level `SOL_SOCKET`.
///
/// # Errors
/// Those of getsockopt(2): `EINVAL`, `ENOPROTOOPT`, …; `EOPNOTSUPP` (another level, or not a
/// socket).
///
/// # Memory
/// `value` to `value + len`, writable, until the completion.
#[doc(alias = "IORING_OP_URING_CMD")]
#[doc(alias = "io_uring_prep_cmd_sock")]
#[doc(alias = "SOCKET_URING_OP_GETSOCKOPT")]
#[doc(alias = "getsockopt")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GetSocketOption {
    /// The socket.
    pub target: Target,
    /// `SOL_SOCKET`, …
    pub level: i32,
    /// `SO_*`, …
    pub name: i32,
    /// Where the value goes.
    pub value: *mut u8,
    /// For how many bytes there is room.
    pub len: u32,
}

/// The command (`SOCKET_URING_OP_GETSOCKOPT`).
const COMMAND: u64 = 2;

impl Op for GetSocketOption {
    const OPCODE: Opcode = Opcode::URING_CMD;
    type Output = u32;

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
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn since(&self) -> Version {
        (6, 7)
    }
}

#[cfg(test)]
mod tests;

//! Read an extended attribute of an open file. Mirrors fgetxattr(2).

use std::{ffi::c_char, io};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, address, count};

/// Reads an extended attribute of an open file.
///
/// The output is the length of the value; with `len` 0 nothing is written and the output says how
/// long it is.
///
/// # Kernel
/// `FGETXATTR`, since 5.19. Always *punted*.
///
/// # Errors
/// Those of fgetxattr(2): `E2BIG`, `EACCES`, `ENODATA` (no such attribute), `ERANGE` (`len` too
/// small), `EOPNOTSUPP`, `EPERM`, …
///
/// # Memory
/// `name`, unchanged, and `value`, writable, until the completion.
#[doc(alias = "IORING_OP_FGETXATTR")]
#[doc(alias = "io_uring_prep_fgetxattr")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fgetxattr {
    /// The file.
    pub target: Target,
    /// The name, with its namespace (`user.…`), ended by a zero byte.
    pub name: *const c_char,
    /// Where the value goes.
    pub value: *mut u8,
    /// How many bytes there is room for.
    pub len: u32,
}

impl Op for Fgetxattr {
    const OPCODE: Opcode = Opcode::FGETXATTR;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = address(self.value);
        sqe.addr = address(self.name);
        sqe.len = self.len;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }
}

#[cfg(test)]
mod tests;

//! Read an extended attribute of a path. Mirrors getxattr(2).

use std::{ffi::c_char, io};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, count};

/// Reads an extended attribute of the file at a path.
///
/// The output is the length of the value; with `len` 0 nothing is written and the output says how
/// long it is.
///
/// # Kernel
/// `GETXATTR`, since 5.19. Always *punted*.
///
/// # Errors
/// Those of getxattr(2): `E2BIG`, `EACCES`, `ENODATA` (no such attribute), `ERANGE` (`len` too
/// small), `EOPNOTSUPP`, `EPERM`, …
///
/// # Memory
/// `name`, `path`, unchanged, and `value`, writable, until the completion.
#[doc(alias = "IORING_OP_GETXATTR")]
#[doc(alias = "io_uring_prep_getxattr")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Getxattr {
    /// The path, ended by a zero byte; a symbolic link is followed.
    pub path: *const c_char,
    /// The name, with its namespace (`user.…`), ended by a zero byte.
    pub name: *const c_char,
    /// Where the value goes.
    pub value: *mut u8,
    /// How many bytes there is room for.
    pub len: u32,
}

impl Op for Getxattr {
    const OPCODE: Opcode = Opcode::GETXATTR;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.off = address(self.value);
        sqe.addr = address(self.name);
        sqe.len = self.len;
        sqe.addr3 = address(self.path);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }
}

#[cfg(test)]
mod tests;

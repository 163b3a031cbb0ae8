//! Set an extended attribute of a path. Mirrors setxattr(2).

use std::{ffi::c_char, io};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, done};

/// Sets an extended attribute of the file at a path.
///
/// # Kernel
/// `SETXATTR`, since 5.19. Always *punted*.
///
/// # Errors
/// Those of setxattr(2): `E2BIG`, `EACCES`, `EEXIST`, `ENODATA`, `ENOSPC`, `EOPNOTSUPP`, `EPERM`, …
///
/// # Memory
/// `name`, `path` and `value`, unchanged, until the completion.
#[doc(alias = "IORING_OP_SETXATTR")]
#[doc(alias = "io_uring_prep_setxattr")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setxattr {
    /// The path, ended by a zero byte; a symbolic link is followed.
    pub path: *const c_char,
    /// The name, with its namespace (`user.…`), ended by a zero byte.
    pub name: *const c_char,
    /// The value.
    pub value: *const u8,
    /// How many bytes it has.
    pub len: u32,
    /// `XATTR_CREATE`, `XATTR_REPLACE`, or 0.
    pub flags: i32,
}

impl Op for Setxattr {
    const OPCODE: Opcode = Opcode::SETXATTR;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.off = address(self.value);
        sqe.addr = address(self.name);
        sqe.len = self.len;
        sqe.op_flags = self.flags as u32;
        sqe.addr3 = address(self.path);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;

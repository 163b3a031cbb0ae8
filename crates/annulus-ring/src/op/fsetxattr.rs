//! Set an extended attribute of an open file. Mirrors fsetxattr(2).

use std::{ffi::c_char, io};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, address, done};

/// Sets an extended attribute of an open file.
///
/// # Kernel
/// `FSETXATTR`, since 5.19. Always *punted*.
///
/// # Errors
/// Those of fsetxattr(2): `E2BIG`, `EACCES`, `EEXIST`, `ENODATA`, `ENOSPC`, `EOPNOTSUPP`, `EPERM`,
/// …
///
/// # Memory
/// `name` and `value`, unchanged, until the completion.
#[doc(alias = "IORING_OP_FSETXATTR")]
#[doc(alias = "io_uring_prep_fsetxattr")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fsetxattr {
    /// The file.
    pub target: Target,
    /// The name, with its namespace (`user.…`), ended by a zero byte.
    pub name: *const c_char,
    /// The value.
    pub value: *const u8,
    /// How many bytes it has.
    pub len: u32,
    /// `XATTR_CREATE`, `XATTR_REPLACE`, or 0.
    pub flags: i32,
}

impl Op for Fsetxattr {
    const OPCODE: Opcode = Opcode::FSETXATTR;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = address(self.value);
        sqe.addr = address(self.name);
        sqe.len = self.len;
        sqe.op_flags = self.flags as u32;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;

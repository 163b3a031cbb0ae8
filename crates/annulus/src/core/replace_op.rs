//! Giving a file its name: LINKAT of a file that has none, and RENAMEAT over one that has it.
//!
//! Owns: the operations with their paths, and a share of what they work on. Invariant: a file that
//! a request names by its number is open until the request has ended, because its record counts it.

use std::ffi::CString;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::{self, Op as _, Target};

use super::key::Handle;
use super::op::{Late, Operation};
use super::{Core, errors};

/// What is being given a name; told what becomes of its temporary one.
pub(crate) trait Naming: Send + Sync + 'static {
    /// The file. Its record counts the requests that name it by its number.
    fn handle(&self) -> Handle;

    /// The temporary name is there.
    fn appeared(&self);

    /// The temporary name is there no more.
    fn vanished(&self);
}

/// Gives an open file a name.
pub(crate) struct LinkOpen<H> {
    /// Keeps what `old` names open.
    pub(crate) held: Arc<H>,
    /// Directory and path of the file as it is.
    pub(crate) old: (RawFd, CString),
    pub(crate) new: CString,
    pub(crate) flags: i32,
    /// The new name is a temporary one.
    pub(crate) is_temporary: bool,
}

impl<H: Naming> LinkOpen<H> {
    fn note(&self, res: i32) {
        if res >= 0 && self.is_temporary {
            self.held.appeared();
        }
    }
}

// SAFETY: the paths are on the heap and owned by this operation.
unsafe impl<H: Naming> Operation for LinkOpen<H> {
    type Output = io::Result<()>;
    const OPCODE: Option<Opcode> = Some(Opcode::LINKAT);

    fn handle(&self) -> Option<Handle> {
        Some(self.held.handle())
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        let (old_dir, old_path) = (self.old.0, self.old.1.as_ptr());
        let (new_dir, new_path, flags) = (libc::AT_FDCWD, self.new.as_ptr(), self.flags);
        op::Linkat { old_dir, old_path, new_dir, new_path, flags }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        self.note(res);
        if res < 0 { Err(errors::from_res(res)) } else { Ok(()) }
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }

    fn orphan(self, _core: &Core, late: Late) {
        self.note(late.res);
    }
}

/// Renames a temporary file to what it is for.
pub(crate) struct RenameOver<H> {
    pub(crate) held: Arc<H>,
    pub(crate) from: CString,
    pub(crate) to: CString,
    pub(crate) flags: u32,
}

// SAFETY: the paths are on the heap and owned by this operation.
unsafe impl<H: Naming> Operation for RenameOver<H> {
    type Output = io::Result<()>;
    const OPCODE: Option<Opcode> = Some(Opcode::RENAMEAT);

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        let (old_dir, new_dir, flags) = (libc::AT_FDCWD, libc::AT_FDCWD, self.flags);
        let (old_path, new_path) = (self.from.as_ptr(), self.to.as_ptr());
        op::Renameat { old_dir, old_path, new_dir, new_path, flags }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            return Err(errors::from_res(res));
        }
        self.held.vanished();
        Ok(())
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }

    fn orphan(self, _core: &Core, late: Late) {
        if late.res >= 0 {
            self.held.vanished();
        }
    }
}

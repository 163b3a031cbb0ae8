//! Operations on names: open, and metadata of a path.
//!
//! Owns: the operations with the memory of their paths and structures. Invariant: a descriptor that
//! arrives after its future is gone is closed.

use std::ffi::CString;
use std::io;
use std::os::fd::RawFd;

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::{self, Op as _, Place, Target};

use super::key::Handle;
use super::name_op::{Aside, Failed};
use super::op::{Late, Operation};
use super::record::Kind;
use super::{Core, Owned, errors};

/// An open of a path.
pub(crate) struct Open {
    pub(crate) path: CString,
    pub(crate) flags: i32,
    pub(crate) mode: u32,
}

// SAFETY: the path is on the heap and owned by this operation.
unsafe impl Operation for Open {
    type Output = io::Result<Owned>;
    const OPCODE: Option<Opcode> = Some(Opcode::OPENAT);

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        let (path, flags, mode) = (self.path.as_ptr(), self.flags, self.mode);
        op::Openat { dir: libc::AT_FDCWD, path, flags, mode, place: Place::Fd }.encode(sqe);
    }

    fn complete(self, core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 { Err(errors::from_res(res)) } else { Ok(core.adopt(res, Kind::Plain)) }
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }

    fn orphan(self, core: &Core, late: Late) {
        if late.res >= 0 {
            core.state.borrow_mut().push_close(late.res);
        }
    }
}

/// An open that the kernel keeps below a directory. What has failed is given back, to be tried
/// again.
pub(crate) struct OpenBelow {
    pub(crate) dir: RawFd,
    /// The record of `dir`, which has to outlive the request.
    pub(crate) handle: Handle,
    pub(crate) path: CString,
    pub(crate) how: Box<libc::open_how>,
}

// SAFETY: path and structure are on the heap and owned by this operation.
unsafe impl Operation for OpenBelow {
    type Output = Result<Owned, Failed<Self>>;
    const OPCODE: Option<Opcode> = Some(Opcode::OPENAT2);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        let (dir, path, how) = (self.dir, self.path.as_ptr(), &raw const *self.how);
        op::Openat2 { dir, path, how, place: Place::Fd }.encode(sqe);
    }

    fn complete(self, core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            Err(Failed::of(self, errors::from_res(res)))
        } else {
            Ok(core.adopt(res, Kind::Plain))
        }
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(Failed { error, op: this.map(Box::new) })
    }

    fn orphan(self, core: &Core, late: Late) {
        if late.res >= 0 {
            core.state.borrow_mut().push_close(late.res);
        }
    }
}

/// Metadata of a path.
pub(crate) struct StatPath {
    pub(crate) path: CString,
    pub(crate) flags: i32,
    pub(crate) out: Box<libc::statx>,
}

// SAFETY: path and structure are on the heap and owned by this operation.
unsafe impl Operation for StatPath {
    type Output = Result<Box<libc::statx>, Failed<Self>>;
    const OPCODE: Option<Opcode> = Some(Opcode::STATX);

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        let statx = op::Statx {
            dir: libc::AT_FDCWD,
            path: self.path.as_ptr(),
            flags: self.flags,
            mask: libc::STATX_BASIC_STATS | libc::STATX_BTIME,
            buffer: &raw mut *self.out,
        };
        statx.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 { Err(Failed::of(self, errors::from_res(res))) } else { Ok(self.out) }
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(Failed { error, op: this.map(Box::new) })
    }
}

/// A `statx` to be filled.
pub(crate) fn blank_statx() -> Box<libc::statx> {
    // SAFETY: every field is an integer or an array of integers; zero is a value of each.
    Box::new(unsafe { std::mem::zeroed() })
}

/// An `open_how` with these parts.
pub(crate) fn open_how(flags: i32, mode: u32, resolve: u64) -> Box<libc::open_how> {
    // SAFETY: every field is an integer; zero is a value of each, and the kernel wants unknown ones
    // 0.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = flags as u64;
    how.mode = u64::from(mode);
    how.resolve = resolve;
    Box::new(how)
}

impl Aside for StatPath {
    const ON_RING: Opcode = Opcode::STATX;

    fn detach(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn call(mut self) -> Self::Output {
        let (path, out) = (self.path.as_ptr(), &raw mut *self.out);
        let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
        // SAFETY: the path ends in a zero byte, and the structure may be written to.
        let res = unsafe { libc::statx(libc::AT_FDCWD, path, self.flags, mask, out) };
        if res < 0 { Err(Failed::of(self, io::Error::last_os_error())) } else { Ok(self.out) }
    }
}

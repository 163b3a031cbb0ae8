//! Moves between a pipe and a file, as requests: the file may have to wait for its device.
//!
//! Owns: the operation, with a duplicate of the file's descriptor, so that the file outlives the
//! request whatever becomes of its handle. Invariant: the pipe's record counts the request.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::{Op as _, Splice, Target};

use super::file_op::no_such_offset;
use super::key::Handle;
use super::op::Operation;
use super::{Core, errors};
use crate::buf::clamp_transfer;
use crate::fs::File;

/// Where in a pipe: pipes have no offsets.
const HERE: u64 = u64::MAX;

/// A move between a pipe and a file.
pub(crate) struct SpliceFile {
    pipe: Handle,
    file: OwnedFd,
    offset: u64,
    bytes: usize,
    into_pipe: bool,
}

impl SpliceFile {
    /// From the pipe into the file, at this offset, so many bytes at most.
    pub(crate) fn out_of_pipe(
        pipe: Handle,
        file: &File,
        (offset, bytes): (u64, usize),
    ) -> io::Result<Self> {
        let file = file.owned().duplicate()?;
        Ok(Self { pipe, file, offset, bytes, into_pipe: false })
    }

    /// From the file, at this offset, into the pipe, so many bytes at most.
    pub(crate) fn into_pipe(
        pipe: Handle,
        file: &File,
        (offset, bytes): (u64, usize),
    ) -> io::Result<Self> {
        let file = file.owned().duplicate()?;
        Ok(Self { pipe, file, offset, bytes, into_pipe: true })
    }
}

// SAFETY: the request refers to no memory.
unsafe impl Operation for SpliceFile {
    type Output = io::Result<usize>;
    const OPCODE: Option<Opcode> = Some(Opcode::SPLICE);

    fn handle(&self) -> Option<Handle> {
        Some(self.pipe)
    }

    fn refusal(&self) -> Option<io::Error> {
        no_such_offset(self.offset)
    }

    fn encode(&mut self, pipe: Target, sqe: &mut Sqe) {
        let file = (Target::Fd(self.file.as_raw_fd()), self.offset);
        let (from, to) = if self.into_pipe { (file, (pipe, HERE)) } else { ((pipe, HERE), file) };
        let splice = Splice {
            from: from.0,
            from_offset: from.1,
            to: to.0,
            to_offset: to.1,
            len: clamp_transfer(self.bytes),
            flags: libc::SPLICE_F_NONBLOCK | libc::SPLICE_F_MOVE,
        };
        splice.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 { Err(errors::from_res(res)) } else { Ok(res as usize) }
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }
}

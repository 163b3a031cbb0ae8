//! Operations on an open file: read, write, sync, close.
//!
//! Owns: the operations. Invariant: the file's record counts each of them, so its descriptor
//! outlives them whatever happens to handle and future.

use std::io;
use std::os::fd::RawFd;

use annulus_ring::Kernel as _;
use annulus_ring::abi::{FsyncFlags, Opcode, Sqe};
use annulus_ring::op::{self, Op as _, Target};

use super::cached_read::Wanted;
use super::key::Handle;
use super::op::{Late, Operation};
use super::{Core, errors, with_any};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, receive_len, receive_room, send_len};

/// A read at an offset.
pub(crate) struct ReadAt<B> {
    pub(crate) handle: Handle,
    pub(crate) buf: B,
    pub(crate) offset: u64,
}

// SAFETY: the buffer's memory is stable (the contract of `IoBufMut`) and owned by this operation.
unsafe impl<B: IoBufMut> Operation for ReadAt<B> {
    type Output = BufResult<usize, B>;
    const OPCODE: Option<Opcode> = Some(Opcode::READ);
    const READS_FILE: bool = true;

    #[inline]
    fn handle(&self) -> Option<Handle> {
        Some(Handle { core: self.handle.core, key: self.handle.key })
    }

    #[inline]
    fn refusal(&self) -> Option<io::Error> {
        match receive_len(&self.buf) {
            Err(_) => Some(errors::no_capacity()),
            Ok(_) => no_such_offset(self.offset),
        }
    }

    #[inline]
    fn wanted(&mut self) -> Option<Wanted> {
        let (len, offset) = (receive_room(&self.buf), self.offset);
        Some(Wanted { start: self.buf.bytes_mut_ptr(), len, offset })
    }

    #[inline]
    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let (len, offset) = (receive_room(&self.buf), self.offset);
        let buf_index = buf_index(&self.buf, self.handle);
        let addr = self.buf.bytes_mut_ptr();
        match buf_index {
            None => op::Read { target, addr, len, offset }.encode(sqe),
            Some(buf_index) => op::ReadFixed { target, buf_index, addr, len, offset }.encode(sqe),
        }
    }

    #[inline]
    fn complete(mut self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            return Err(BufError::new(errors::from_res(res), self.buf));
        }
        // SAFETY: the kernel wrote `res` bytes from the start, within the capacity it was given.
        unsafe { self.buf.set_bytes_len(res as usize) };
        Ok((res as usize, self.buf))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| this.buf)))
    }
}

/// A write at an offset.
pub(crate) struct WriteAt<B> {
    pub(crate) handle: Handle,
    pub(crate) buf: B,
    pub(crate) offset: u64,
}

// SAFETY: the buffer's memory is stable (the contract of `IoBuf`) and owned by this operation.
unsafe impl<B: IoBuf> Operation for WriteAt<B> {
    type Output = BufResult<usize, B>;
    const OPCODE: Option<Opcode> = Some(Opcode::WRITE);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn refusal(&self) -> Option<io::Error> {
        no_such_offset(self.offset)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let (addr, len, offset) = (self.buf.bytes_ptr(), send_len(&self.buf), self.offset);
        match buf_index(&self.buf, self.handle) {
            None => op::Write { target, addr, len, offset }.encode(sqe),
            Some(buf_index) => op::WriteFixed { target, buf_index, addr, len, offset }.encode(sqe),
        }
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            return Err(BufError::new(errors::from_res(res), self.buf));
        }
        Ok((res as usize, self.buf))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| this.buf)))
    }
}

/// The number of the registered buffer that `buf` lies in, on the core of the file. Known to be
/// none at compile time for all buffers but those of a pool that registers.
#[inline(always)]
pub(crate) fn buf_index(buf: &impl IoBuf, handle: Handle) -> Option<u16> {
    buf.registered().filter(|there| there.core == handle.core).map(|there| there.index)
}

/// Refuses what no file offset can be. The largest number would mean the file's own position to the
/// kernel, and move it.
#[inline]
pub(crate) fn no_such_offset(offset: u64) -> Option<io::Error> {
    let refused = i64::try_from(offset).is_err();
    refused.then(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "a file offset is below 2^63; to write at the end, open the file for appending",
        )
    })
}

/// A flush to the device.
pub(crate) struct Sync {
    pub(crate) handle: Handle,
    pub(crate) flags: FsyncFlags,
}

// SAFETY: the request refers to no memory.
unsafe impl Operation for Sync {
    type Output = io::Result<()>;
    const OPCODE: Option<Opcode> = Some(Opcode::FSYNC);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        op::Fsync { target, flags: self.flags }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 { Err(errors::from_res(res)) } else { Ok(()) }
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }
}

/// A close whose result somebody wants to see. The record is gone already, so a close that never
/// ran (no worker could be started for it, or the runtime ends) is made up for by a plain call.
pub(crate) struct CloseFd(pub(crate) RawFd);

impl CloseFd {
    fn by_call(self, core: &Core) -> io::Result<()> {
        let mut state = core.state.borrow_mut();
        // SAFETY: the record has given it up to this operation, whose request has not closed it.
        let closed = unsafe { state.ring.kernel().close(self.0) };
        closed.map_err(io::Error::from)
    }
}

// SAFETY: the request refers to no memory.
unsafe impl Operation for CloseFd {
    type Output = io::Result<()>;
    const OPCODE: Option<Opcode> = Some(Opcode::CLOSE);
    const CANCELS: bool = false;

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        op::Close { fd: self.0 }.encode(sqe);
    }

    fn complete(self, core: &Core, res: i32, _flags: u32) -> Self::Output {
        match res {
            res if res == -libc::ECANCELED => self.by_call(core),
            res if res < 0 => Err(errors::from_res(res)),
            _ => Ok(()),
        }
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        match this {
            Some(this) => with_any(|core| this.by_call(core))?,
            None => Err(error),
        }
    }

    fn orphan(self, core: &Core, late: Late) {
        let _ = self.complete(core, late.res, 0);
    }
}

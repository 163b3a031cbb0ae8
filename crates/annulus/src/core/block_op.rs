//! A read and a write of the same memory, linked: a block that is copied without a stop in between.
//!
//! Owns: the block, which both requests share, and the requests. Does not own: their order (a chain
//! of `crate::op`), nor what becomes of short ones (`fs/copy_block.rs`).
//!
//! Invariants: each request holds the block, so its memory stays until both have ended; nothing
//! here looks at the bytes while one of them is in flight; the address is asked for once, where the
//! block has its last place.

use std::cell::UnsafeCell;
use std::io;
use std::sync::Arc;

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::{self, Op as _, Target};

use super::file_op::no_such_offset;
use super::key::Handle;
use super::op::Operation;
use super::{Core, errors};
use crate::buf::{IoBufMut, Registered, receive_len, receive_room};

/// Memory that a read fills and a write empties.
pub(crate) struct Block<B>(Arc<Shared<B>>);

struct Shared<B> {
    buf: UnsafeCell<B>,
    address: *mut u8,
    len: u32,
    registered: Option<Registered>,
}

// SAFETY: the buffer goes in and out as a whole, by who owns the block alone; requests only carry
// the address, which is valid wherever they are.
unsafe impl<B: Send> Send for Shared<B> {}
// SAFETY: nothing is read through a shared reference but an address and numbers.
unsafe impl<B: Send> Sync for Shared<B> {}

impl<B> Clone for Block<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: IoBufMut> Block<B> {
    /// # Errors
    /// `InvalidInput` for a buffer without room; the buffer comes back.
    pub(crate) fn new(buf: B) -> Result<Self, (io::Error, B)> {
        if receive_len(&buf).is_err() {
            return Err((errors::no_capacity(), buf));
        }
        let (len, registered) = (receive_room(&buf), buf.registered());
        let buf = UnsafeCell::new(buf);
        let mut shared = Arc::new(Shared { buf, address: std::ptr::null_mut(), len, registered });
        // Just made: there is no other.
        if let Some(shared) = Arc::get_mut(&mut shared) {
            shared.address = shared.buf.get_mut().bytes_mut_ptr();
        }
        Ok(Self(shared))
    }

    /// How many bytes it has room for.
    pub(crate) fn len(&self) -> u32 {
        self.0.len
    }

    /// The buffer with what was read into it; `None` if a request still has it.
    pub(crate) fn into_inner(self, read: usize) -> Option<B> {
        debug_assert!(read <= self.0.len as usize);
        let mut buf = Arc::into_inner(self.0)?.buf.into_inner();
        // SAFETY: the kernel wrote so many bytes from the start, within the capacity.
        unsafe { buf.set_bytes_len(read) };
        Some(buf)
    }

    fn index_on(&self, handle: Handle) -> Option<u16> {
        self.0.registered.filter(|there| there.core == handle.core).map(|there| there.index)
    }
}

/// Fills the block.
pub(crate) struct ReadBlock<B> {
    pub(crate) handle: Handle,
    pub(crate) block: Block<B>,
    pub(crate) offset: u64,
}

// SAFETY: the block's memory is stable (the contract of `IoBufMut`), and this operation holds it.
unsafe impl<B: IoBufMut> Operation for ReadBlock<B> {
    type Output = io::Result<usize>;
    const OPCODE: Option<Opcode> = Some(Opcode::READ);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn refusal(&self) -> Option<io::Error> {
        no_such_offset(self.offset)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let (addr, len, offset) = (self.block.0.address, self.block.len(), self.offset);
        match self.block.index_on(self.handle) {
            None => op::Read { target, addr, len, offset }.encode(sqe),
            Some(buf_index) => op::ReadFixed { target, buf_index, addr, len, offset }.encode(sqe),
        }
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 { Err(errors::from_res(res)) } else { Ok(res as usize) }
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }
}

/// Writes a part of the block.
pub(crate) struct WriteBlock<B> {
    pub(crate) handle: Handle,
    pub(crate) block: Block<B>,
    /// What is written already.
    pub(crate) from: u32,
    /// Where what is to be written ends.
    pub(crate) to: u32,
    pub(crate) offset: u64,
}

// SAFETY: as for `ReadBlock`; the bytes up to `to` are initialised when the kernel reads them,
// because a link starts this behind a read that filled so many, or such a read has ended.
unsafe impl<B: IoBufMut> Operation for WriteBlock<B> {
    type Output = io::Result<usize>;
    const OPCODE: Option<Opcode> = Some(Opcode::WRITE);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn refusal(&self) -> Option<io::Error> {
        no_such_offset(self.offset)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        debug_assert!(self.from <= self.to && self.to <= self.block.len());
        // Within the block, or one past its end.
        let addr = self.block.0.address.wrapping_add(self.from as usize).cast_const();
        let (len, offset) = (self.to - self.from, self.offset);
        match self.block.index_on(self.handle) {
            None => op::Write { target, addr, len, offset }.encode(sqe),
            Some(buf_index) => op::WriteFixed { target, buf_index, addr, len, offset }.encode(sqe),
        }
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 { Err(errors::from_res(res)) } else { Ok(res as usize) }
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }
}

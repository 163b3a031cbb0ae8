//! Advice about memory that a buffer owns.
//!
//! Owns: the operation, with the buffer, and which of its pages are whole.

use std::io;

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::{Madvise, Op as _, Target};

use super::key::Handle;
use super::op::Operation;
use super::{Core, errors};
use crate::buf::{BufError, BufResult, IoBufMut};

/// Advice about all whole pages of a buffer.
pub(crate) struct Advise<B> {
    pub(crate) buf: B,
    pub(crate) advice: i32,
}

impl<B: IoBufMut> Advise<B> {
    /// Where the whole pages begin, and how many bytes they are.
    pub(crate) fn pages(&mut self) -> (*mut u8, usize) {
        let (start, bytes) = (self.buf.bytes_mut_ptr(), self.buf.bytes_capacity());
        // SAFETY: no pointers.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let skipped = start.addr().next_multiple_of(page) - start.addr();
        let whole = bytes.saturating_sub(skipped) / page * page;
        (start.wrapping_add(skipped), whole)
    }
}

// SAFETY: the pages are the buffer's alone (the contract of `IoBufMut`), and it is owned by this
// operation; advice that discards leaves bytes that can be read.
unsafe impl<B: IoBufMut> Operation for Advise<B> {
    type Output = BufResult<(), B>;
    const OPCODE: Option<Opcode> = Some(Opcode::MADVISE);

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn refusal(&self) -> Option<io::Error> {
        let is_torn = self.advice == libc::MADV_DONTNEED && self.buf.registered().is_some();
        is_torn.then(|| {
            let text = "registered memory cannot be discarded: the ring keeps the old pages";
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        let (addr, bytes) = self.pages();
        Madvise { addr, len: bytes as u64, advice: self.advice }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        match res {
            0.. => Ok(((), self.buf)),
            _ => Err(BufError::new(errors::from_res(res), self.buf)),
        }
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| this.buf)))
    }
}

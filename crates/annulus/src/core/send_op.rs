//! Sending a buffer of the user: once, or until all of it is sent; copied, or if possible not.
//!
//! Owns: the operations. Does not own: which sends go without copying (`zero_copy`). Invariant: it
//! stays in its socket's send queue until it has ended; dropping its future does not take its bytes
//! back.

use std::io;

use annulus_ring::abi::{Opcode, RecvSendFlags, Sqe};
use annulus_ring::op::{self, Op as _, Target};

use super::key::Handle;
use super::op::Operation;
use super::table::Lane;
use super::{Core, errors};
use crate::buf::{BufError, BufResult, IoBuf, clamp_transfer};

/// A send.
pub(crate) struct SendFrom<B> {
    pub(crate) handle: Handle,
    pub(crate) buf: B,
    /// Bytes that the rounds of this operation have sent.
    pub(crate) sent: usize,
    /// Go on until everything is sent.
    pub(crate) all: bool,
}

// SAFETY: the buffer's memory is stable (the contract of `IoBuf`) and owned by this operation.
unsafe impl<B: IoBuf> Operation for SendFrom<B> {
    type Output = BufResult<usize, B>;
    const OPCODE: Option<Opcode> = Some(Opcode::SEND);
    const LANE: Lane = Lane::Send;
    const CANCELS: bool = false;

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    #[inline]
    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let send = op::Send {
            target,
            // Within the buffer: no more was sent than it has.
            addr: self.buf.bytes_ptr().wrapping_add(self.sent),
            len: clamp_transfer(self.buf.bytes_len() - self.sent),
            flags: libc::MSG_NOSIGNAL | libc::MSG_WAITALL,
            ioprio: RecvSendFlags::EMPTY,
        };
        send.encode(sqe);
    }

    fn resume(&mut self, res: i32) -> bool {
        self.sent += res as usize;
        self.all && self.sent < self.buf.bytes_len()
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res == -libc::ECANCELED && self.sent > 0 {
            return Err(BufError::new(errors::cut_short(self.sent), self.buf));
        }
        if res < 0 {
            return Err(BufError::new(errors::from_res(res), self.buf));
        }
        if self.all && self.sent < self.buf.bytes_len() {
            if res > 0 {
                // Something was sent, and yet the rest was not tried: it was cancelled.
                return Err(BufError::new(errors::cut_short(self.sent), self.buf));
            }
            let error = io::Error::new(io::ErrorKind::WriteZero, "the socket took no more bytes");
            return Err(BufError::new(error, self.buf));
        }
        Ok((self.sent, self.buf))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| this.buf)))
    }
}

/// A send that asks to go without copying.
pub(crate) struct SendZeroCopy<B>(pub(crate) SendFrom<B>);

// SAFETY: as for `SendFrom`; the operation owns the buffer until the kernel's last notification,
// because its slot does.
unsafe impl<B: IoBuf> Operation for SendZeroCopy<B> {
    type Output = BufResult<usize, B>;
    const OPCODE: Option<Opcode> = Some(Opcode::SEND_ZC);
    const LANE: Lane = Lane::Send;
    const CANCELS: bool = false;

    fn handle(&self) -> Option<Handle> {
        self.0.handle()
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let SendFrom { buf, sent, .. } = &self.0;
        let send = op::SendZc {
            target,
            // Within the buffer: no more was sent than it has.
            addr: buf.bytes_ptr().wrapping_add(*sent),
            len: clamp_transfer(buf.bytes_len() - sent),
            flags: libc::MSG_NOSIGNAL | libc::MSG_WAITALL,
            ioprio: RecvSendFlags::SEND_ZC_REPORT_USAGE,
            buf_index: 0,
            dest: std::ptr::null(),
            dest_len: 0,
        };
        send.encode(sqe);
    }

    fn resume(&mut self, res: i32) -> bool {
        self.0.resume(res)
    }

    fn complete(self, core: &Core, res: i32, flags: u32) -> Self::Output {
        self.0.complete(core, res, flags)
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        SendFrom::refuse(this.map(|this| this.0), error)
    }
}

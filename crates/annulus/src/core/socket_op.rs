//! Operations that make or end connections, and waits for readiness.
//!
//! Owns: the operations, and what a connect means that the kernel got more than once. Invariant:
//! the address that the kernel reads is owned by the operation.

use std::io;

use annulus_ring::SocketAddress;
use annulus_ring::abi::{Opcode, PollFlags, Sqe};
use annulus_ring::op::{self, Op as _, Target};

use super::key::Handle;
use super::op::Operation;
use super::{Core, errors};

/// A connect.
pub(crate) struct Connect {
    handle: Handle,
    address: Box<SocketAddress>,
    /// How often the kernel got it. What it cancelled unasked may have begun.
    asked: u32,
}

impl Connect {
    pub(crate) fn new(handle: Handle, address: SocketAddress) -> Self {
        Self { handle, address: Box::new(address), asked: 0 }
    }
}

// SAFETY: the address is on the heap and owned by this operation.
unsafe impl Operation for Connect {
    type Output = io::Result<()>;
    const OPCODE: Option<Opcode> = Some(Opcode::CONNECT);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let (addr, addr_len) = (self.address.as_ptr(), self.address.len());
        op::Connect { target, addr, addr_len }.encode(sqe);
        self.asked = self.asked.saturating_add(1);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        match -res {
            // By this operation, earlier.
            libc::EISCONN if self.asked > 1 => Ok(()),
            errno if errno > 0 => Err(errors::from_res(res)),
            _ => Ok(()),
        }
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }
}

/// A wait until the descriptor is ready for some of `events` (`POLLIN`, `POLLOUT`, …).
pub(crate) struct Ready {
    pub(crate) handle: Handle,
    pub(crate) events: u32,
}

// SAFETY: the request refers to no memory.
unsafe impl Operation for Ready {
    type Output = io::Result<u32>;
    const OPCODE: Option<Opcode> = Some(Opcode::POLL_ADD);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        op::PollAdd { target, events: self.events, flags: PollFlags::EMPTY }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 { Err(errors::from_res(res)) } else { Ok(res as u32) }
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }
}

//! Operations that make or end connections, and waits for readiness.
//!
//! Owns: the operations. Invariant: the address that the kernel reads is owned by the operation.

use std::io;

use annulus_ring::SocketAddress;
use annulus_ring::abi::{Opcode, PollFlags, Sqe};
use annulus_ring::op::{self, Op as _, Target};

use super::key::Handle;
use super::op::Operation;
use super::{Core, errors};

/// A connect.
pub(crate) struct Connect {
    pub(crate) handle: Handle,
    pub(crate) address: Box<SocketAddress>,
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
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 { Err(errors::from_res(res)) } else { Ok(()) }
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

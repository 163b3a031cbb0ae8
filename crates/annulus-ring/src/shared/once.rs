//! Which requests complete exactly once, whatever happens.
//!
//! Owns: [`completes_once`]. Does not own: the consequence. Invariant: what cannot be told from the
//! entry is a no.

use annulus_abi::{
    AcceptFlags, Opcode, PollFlags, RecvSendFlags, Sqe, SqeFlags, TimeoutFlags, UringCmdFlags,
};

/// Whether the request has one completion: it is not multishot, it has no notification, and its
/// completion is not left out.
#[inline]
pub(super) fn completes_once(sqe: &Sqe) -> bool {
    if sqe.flags.contains(SqeFlags::CQE_SKIP_SUCCESS) {
        return false;
    }
    match sqe.opcode {
        Opcode::RECV | Opcode::RECVMSG => sqe.ioprio & RecvSendFlags::RECV_MULTISHOT.bits() == 0,
        Opcode::ACCEPT => sqe.ioprio & AcceptFlags::MULTISHOT.bits() == 0,
        Opcode::POLL_ADD | Opcode::POLL_REMOVE => sqe.len & PollFlags::ADD_MULTI.bits() == 0,
        Opcode::TIMEOUT => sqe.op_flags & TimeoutFlags::MULTISHOT.bits() == 0,
        Opcode::URING_CMD => sqe.op_flags & UringCmdFlags::MULTISHOT.bits() == 0,
        Opcode::READ_MULTISHOT | Opcode::RECV_ZC | Opcode::SEND_ZC | Opcode::SENDMSG_ZC => false,
        _ => true,
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

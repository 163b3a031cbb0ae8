//! Any typed operation of the ring, awaited.
//!
//! Owns: the bridge from [`annulus_ring::op::Op`] to a future. Does not own: the memory that such
//! an operation points to; that is what makes [`submit`] unsafe.

use std::io;

use annulus_ring::abi::{Cqe, CqeFlags, Opcode, Sqe};
use annulus_ring::op::{Op, Target};

use super::Core;
use super::key::Handle;
use super::op::{self, Operation};
use crate::op::Linkable;

struct Raw<O>(O);

// SAFETY: the caller of `submit` promises that the addresses in the operation stay valid until it
// has ended, wherever the operation itself is.
unsafe impl<O: Op + 'static> Operation for Raw<O> {
    type Output = io::Result<O::Output>;
    const OPCODE: Option<Opcode> = Some(O::OPCODE);
    /// Others that were submitted may have asked: a limit of time, a cancel by descriptor, a step
    /// that broke the chain.
    const TRIED_AGAIN: bool = false;

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        self.0.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, flags: u32) -> Self::Output {
        O::decode(&Cqe { user_data: 0, res, flags: CqeFlags(flags) })
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }
}

/// Awaits any typed operation of [`annulus_ring::op`] on the current core, device commands
/// included.
///
/// This is the way to what the safe handles do not offer. The operation is written into the ring
/// when the future is first polled, and submitted at the end of the turn. An operation that posts
/// several completions (zero-copy sends) resolves at its last one, with the result of its first.
///
/// # Cancel safety
/// Dropping the future asks the kernel to cancel the operation. The kernel may still use its memory
/// until the operation has really ended, which is why the contract below outlasts the future.
///
/// # Errors
/// Those of the operation; if no runtime runs on this thread, an error that says so.
///
/// # Safety
/// * Everything that the operation points to stays valid and unaliased until the operation has
///   ended: until the future resolves, or, if it is dropped before, until
///   [`Runtime::shutdown`](crate::runtime::Runtime::shutdown) has reported that no operation is in
///   flight ([`ops_in_flight`](crate::runtime::Metrics::ops_in_flight) is 0). If one still is,
///   because the deadline of the end was over, or if nobody asked, because the runtime was merely
///   dropped, it stays valid for ever: closing a ring does not keep the kernel from memory.
/// * Its `encode` neither panics nor calls into the runtime (those of [`annulus_ring::op`] do not).
/// * Descriptors that it names stay open for as long.
/// * A descriptor that it yields is yours only if the future resolves; if it is dropped, a late one
///   leaks. (The safe handles reclaim theirs.)
///
/// # Kernel
/// The operation's own: its opcode and the kernel that has it stand at its type.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus_ring::op::Nop;
///
/// // SAFETY: a no-op points to nothing.
/// unsafe { annulus::submit(Nop::default()) }.await?;
/// # Ok(())
/// # }
/// ```
pub unsafe fn submit<O>(operation: O) -> impl Linkable<Output = io::Result<O::Output>>
where
    O: Op + 'static,
{
    op::Op::new(Raw(operation))
}

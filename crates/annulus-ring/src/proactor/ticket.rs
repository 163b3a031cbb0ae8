//! The right to the output of one request.
//!
//! Owns: [`Ticket`]. Does not own: the cell in which request and output lie. Invariants: a ticket
//! has its cell until it is dropped, so its number finds no other request; it is of the type with
//! which it was made, because a subtype of a request may have another output:
//!
//! ```compile_fail,E0308
//! use annulus_ring::abi::{Cqe, Opcode, Sqe};
//! use annulus_ring::proactor::{Request, Ticket};
//!
//! struct Hold<T>(T);
//!
//! // SAFETY: a NOP borrows no memory.
//! unsafe impl<T: Send + 'static> Request for Hold<T> {
//!     type Output = T;
//!     fn encode(&mut self, sqe: &mut Sqe) {
//!         sqe.opcode = Opcode::NOP;
//!     }
//!     fn complete(self, _cqe: &Cqe) -> T {
//!         self.0
//!     }
//! }
//!
//! fn of_a_supertype(
//!     ticket: Ticket<Hold<for<'a> fn(&'a u8)>>,
//! ) -> Ticket<Hold<fn(&'static u8)>> {
//!     ticket
//! }
//! ```

use core::{fmt, marker::PhantomData, time::Duration};
use std::{sync::Arc, time::Instant};

use super::{Shared, cell::Left, request::Request};

/// The right to the output of one request.
///
/// Dropping it changes nothing for the request; its output is then dropped by the thread that
/// reaps. As long as a ticket is held it keeps its place in the proactor's memory, and one that is
/// forgotten keeps it for ever.
#[must_use = "the output comes to who holds the ticket"]
pub struct Ticket<R: Request> {
    shared: Arc<Shared>,
    cell: u32,
    generation: u32,
    /// Neither for a subtype of the request nor for a supertype.
    _gives: PhantomData<fn(R) -> R>,
}

impl<R: Request> Ticket<R> {
    /// For the request that was begun in a cell, with a ticket.
    pub(super) fn new(shared: Arc<Shared>, cell: u32, generation: u32) -> Self {
        Self { shared, cell, generation, _gives: PhantomData }
    }

    /// Whether the request has completed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.shared.table.cell(self.cell).has_ended()
    }

    /// Waits for the output. A batch that is being collected is submitted at once.
    ///
    /// # Panics
    /// If [`Request::complete`] panicked. So does [`wait_timeout`](Self::wait_timeout).
    pub fn wait(self) -> R::Output {
        match self.wait_until(None) {
            Ok(output) => output,
            Err(_) => unreachable!("a wait without a limit ends with the output"),
        }
    }

    /// Waits for the output, but no longer than so long.
    ///
    /// # Errors
    /// The ticket, if the time is over.
    pub fn wait_timeout(self, timeout: Duration) -> Result<R::Output, Self> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    /// Asks the kernel to end the request. Its output comes as ever: an error with ECANCELED, or
    /// what it was too late for. One that a worker thread of the kernel has begun may have to be
    /// asked again ([`CancelOutcome::Running`](crate::op::CancelOutcome::Running)).
    pub fn cancel(&self) {
        self.shared.cancel(self.cell, self.generation);
    }

    fn wait_until(self, deadline: Option<Instant>) -> Result<R::Output, Self> {
        let cell = self.shared.table.cell(self.cell);
        if !cell.has_ended() {
            self.shared.flush();
        }
        if !cell.wait(deadline) {
            return Err(self);
        }
        // SAFETY: this is the cell's ticket, which was made for an `R`.
        match unsafe { cell.take::<R>() } {
            Some(output) => Ok(output),
            None => panic!("the request panicked when it completed, so it has no output"),
        }
    }
}

impl<R: Request> Drop for Ticket<R> {
    fn drop(&mut self) {
        if self.shared.table.cell(self.cell).let_go() == Left::Free {
            self.shared.table.give(self.cell);
        }
    }
}

impl<R: Request> fmt::Debug for Ticket<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("done", &self.is_done()).finish_non_exhaustive()
    }
}

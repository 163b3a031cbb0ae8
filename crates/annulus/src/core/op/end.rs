//! An operation's future, asked to end.

use super::super::end::End;
use super::super::{errors, with_core};
use super::{Op, Operation, Stage};

impl<D: Operation> End for Op<D> {
    fn ask_to_end(&mut self) -> Option<D::Output> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            // The kernel never heard of it.
            Stage::Idle(description) => Some(D::refuse(Some(description), errors::cancelled())),
            Stage::Flight { core, ticket } => {
                // Elsewhere than on its own core, the next poll says so.
                let _ = with_core(core, |core| core.ask_to_end(ticket.key()));
                self.stage = Stage::Flight { core, ticket };
                None
            }
            Stage::Done => None,
        }
    }
}

//! Change an armed poll. Mirrors io_uring_prep_poll_update(3).

use std::io;

use annulus_abi::{Cqe, Opcode, PollFlags, Sqe};

use super::{Op, done};
use crate::{OpConflict, Version};

/// Changes the events or the user data of the [`PollAdd`](super::PollAdd) that was submitted with
/// `user_data`, and looks anew whether it is ready.
///
/// # Kernel
/// `POLL_REMOVE` with update flags, since 5.13. *Inline*.
///
/// # Errors
/// `ENOENT` (no such poll: it has completed), `EALREADY` (it completes just now), `EINVAL` (nothing
/// to change).
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_POLL_REMOVE")]
#[doc(alias = "io_uring_prep_poll_update")]
#[doc(alias = "IORING_POLL_UPDATE_EVENTS")]
#[doc(alias = "IORING_POLL_UPDATE_USER_DATA")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PollUpdate {
    /// Of the poll to change.
    pub user_data: u64,
    /// The events to wait for from now on, if they change.
    pub events: Option<u32>,
    /// Whether it stays armed with the new events ([`PollFlags::ADD_MULTI`]); ignored if they do
    /// not change.
    pub multishot: bool,
    /// The user data of its completions from now on, if it changes.
    pub new_user_data: Option<u64>,
}

impl Op for PollUpdate {
    const OPCODE: Opcode = Opcode::POLL_REMOVE;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
        sqe.addr = self.user_data;
        let mut flags = PollFlags::EMPTY;
        if let Some(events) = self.events {
            flags |= PollFlags::UPDATE_EVENTS;
            if self.multishot {
                flags |= PollFlags::ADD_MULTI;
            }
            sqe.op_flags = events;
        }
        if let Some(user_data) = self.new_user_data {
            flags |= PollFlags::UPDATE_USER_DATA;
            sqe.off = user_data;
        }
        sqe.len = flags.bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }

    fn since(&self) -> Version {
        (5, 13)
    }

    fn check(&self) -> Result<(), OpConflict> {
        let nothing = self.events.is_none() && self.new_user_data.is_none();
        OpConflict::if_any(Self::OPCODE, &[(nothing, "an update of nothing would remove the poll")])
    }
}

#[cfg(test)]
mod tests;

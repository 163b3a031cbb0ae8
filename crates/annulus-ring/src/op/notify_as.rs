//! A notification of its own name. Mirrors io_uring_prep_send_zc(3).

use std::io;

use annulus_abi::{Cqe, Features, Opcode, Sqe};

use super::{Op, SendMsgZc, SendZc, SendvZc, ZeroCopy, later};
use crate::{OpConflict, Version};

/// A zero-copy send, so that [`NotifyAs`] applies to it.
pub trait ZeroCopySend: Op<Output = ZeroCopy> {}

impl ZeroCopySend for SendZc {}
impl ZeroCopySend for SendvZc {}
impl ZeroCopySend for SendMsgZc {}

/// A zero-copy send whose second completion, the notification, has a user data of its own.
///
/// So the two can go to different places without a look at their flags.
///
/// # Kernel
/// The opcode of the send inside, with `addr3` since 7.1 (`EINVAL` before).
///
/// # Errors
/// As the send inside.
///
/// # Memory
/// As the send inside.
#[doc(alias = "IORING_OP_SEND_ZC")]
#[doc(alias = "IORING_OP_SENDMSG_ZC")]
#[doc(alias = "addr3")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotifyAs<O> {
    /// The send.
    pub send: O,
    /// Of the notification; 0 means the send's own.
    pub user_data: u64,
}

impl<O: ZeroCopySend> Op for NotifyAs<O> {
    const OPCODE: Opcode = O::OPCODE;
    type Output = ZeroCopy;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        self.send.encode(sqe);
        sqe.addr3 = self.user_data;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<ZeroCopy> {
        O::decode(cqe)
    }

    fn since(&self) -> Version {
        if self.user_data == 0 { self.send.since() } else { later(self.send.since(), (7, 1)) }
    }

    fn features(&self) -> Features {
        self.send.features()
    }

    fn check(&self) -> Result<(), OpConflict> {
        self.send.check()
    }
}

#[cfg(test)]
mod tests;

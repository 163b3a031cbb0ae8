//! When packets left. Mirrors `SO_TIMESTAMPING` of socket(7) and io_uring_prep_cmd_sock(3).

use std::io;

use annulus_abi::{Cqe, CqeFlags, Opcode, SocketOp, Sqe};

use super::{Op, Target, count};
use crate::Version;

/// Completes each time a transmit timestamp arrives in the error queue of a socket, for which
/// `SO_TIMESTAMPING` has been set.
///
/// The completions have 32 bytes; [`IoTimespec`](annulus_abi::IoTimespec) is their second half. The
/// request stays armed as long as completions carry
/// [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE); the last one carries no timestamp.
///
/// # Kernel
/// `URING_CMD` with `SOCKET_URING_OP_TX_TIMESTAMP`, since 6.17, on a ring with 32-byte completions.
/// *Polled*.
///
/// # Errors
/// `EINVAL` (a ring of 16-byte completions), `EOPNOTSUPP` (not a socket, or an older kernel),
/// `ECANCELED`.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_URING_CMD")]
#[doc(alias = "SOCKET_URING_OP_TX_TIMESTAMP")]
#[doc(alias = "SO_TIMESTAMPING")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TxTimestamps {
    /// The socket.
    pub target: Target,
}

/// What one completion of [`TxTimestamps`] says besides the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TxTimestamp {
    /// Which packet, as `SOF_TIMESTAMPING_OPT_ID` counts.
    pub key: u32,
    /// `SCM_TSTAMP_SND`, `SCM_TSTAMP_SCHED` or `SCM_TSTAMP_ACK`.
    pub kind: u16,
    /// Whether it is the network card's time, and not the kernel's.
    pub by_hardware: bool,
}

impl Op for TxTimestamps {
    const OPCODE: Opcode = Opcode::URING_CMD;
    type Output = TxTimestamp;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = u64::from(SocketOp::TX_TIMESTAMP.0);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<TxTimestamp> {
        count(cqe).map(|key| TxTimestamp {
            key,
            kind: (cqe.flags.bits() >> CqeFlags::TIMESTAMP_TYPE_SHIFT) as u16,
            by_hardware: cqe.flags.contains(CqeFlags::TSTAMP_HW),
        })
    }

    fn since(&self) -> Version {
        (6, 17)
    }
}

#[cfg(test)]
mod tests;

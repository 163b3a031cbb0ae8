//! Which kernel is played: what it knows, as its real counterpart of that version does.
//!
//! Owns: [`Profile`], and the lists of what the simulation can do at all. Does not own: what any of
//! it means.
//!
//! Invariant: a flag, feature, opcode or registration is there if the real kernel of that version
//! has it *and* the simulation models it; what is not modelled is refused as an older kernel would
//! refuse it, never accepted and ignored.

use annulus_abi::{Features, Opcode, RegisterOp, SetupFlags};

/// The kernel that a [`Sim`](crate::Sim) plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Profile {
    version: (u8, u8),
}

impl Profile {
    /// Linux 6.1: the oldest that the runtime needs. No `NO_SQARRAY`, no incremental buffers.
    pub const LINUX_6_1: Self = Self::new(6, 1);
    /// Linux 6.12: incremental buffers, BIND and LISTEN.
    pub const LINUX_6_12: Self = Self::new(6, 12);
    /// Linux 6.18.
    pub const LINUX_6_18: Self = Self::new(6, 18);

    /// Any mainline version from 5.6 on.
    #[must_use]
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { version: (major, minor) }
    }

    /// Major and minor version.
    #[must_use]
    pub const fn version(&self) -> (u8, u8) {
        self.version
    }

    /// The setup flags that are accepted.
    #[must_use]
    pub fn setup_flags(&self) -> SetupFlags {
        let known = SetupFlags::TABLE.iter().filter(|(_, _, since)| *since <= self.version);
        known.fold(SetupFlags::EMPTY, |all, (_, flag, _)| all | *flag).intersection_of(SETUP)
    }

    /// The features that are offered.
    #[must_use]
    pub fn features(&self) -> Features {
        let known = Features::TABLE.iter().filter(|(_, _, since)| *since <= self.version);
        let known = known.fold(Features::EMPTY, |all, (_, feature, _)| all | *feature);
        Features(known.0 & FEATURES.0)
    }

    /// Whether the operation is there.
    #[must_use]
    pub fn has_op(&self, op: Opcode) -> bool {
        OPS.contains(&op) && op.since().is_some_and(|since| since <= self.version)
    }

    /// Whether the registration is there.
    #[must_use]
    pub fn has_register(&self, op: RegisterOp) -> bool {
        REGISTER.contains(&op) && op.since().is_some_and(|since| since <= self.version)
    }

    /// Whether a feature without a bit is there.
    pub(crate) fn is_since(&self, major: u8, minor: u8) -> bool {
        self.version >= (major, minor)
    }
}

/// What two sets of flags share.
trait Shared {
    fn intersection_of(self, other: Self) -> Self;
}

impl Shared for SetupFlags {
    fn intersection_of(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

const SETUP: SetupFlags = SetupFlags(
    SetupFlags::CQSIZE.0
        | SetupFlags::CLAMP.0
        | SetupFlags::R_DISABLED.0
        | SetupFlags::SUBMIT_ALL.0
        | SetupFlags::COOP_TASKRUN.0
        | SetupFlags::TASKRUN_FLAG.0
        | SetupFlags::SINGLE_ISSUER.0
        | SetupFlags::DEFER_TASKRUN.0
        | SetupFlags::NO_SQARRAY.0,
);

const FEATURES: Features = Features(
    Features::SINGLE_MMAP.0
        | Features::NODROP.0
        | Features::SUBMIT_STABLE.0
        | Features::RW_CUR_POS.0
        | Features::FAST_POLL.0
        | Features::POLL_32BITS.0
        | Features::EXT_ARG.0
        | Features::CQE_SKIP.0
        | Features::LINKED_FILE.0
        | Features::NO_IOWAIT.0,
);

/// The operations that are modelled.
pub(crate) const OPS: &[Opcode] = &[
    Opcode::NOP,
    Opcode::FSYNC,
    Opcode::POLL_ADD,
    Opcode::POLL_REMOVE,
    Opcode::SENDMSG,
    Opcode::RECVMSG,
    Opcode::TIMEOUT,
    Opcode::TIMEOUT_REMOVE,
    Opcode::ACCEPT,
    Opcode::ASYNC_CANCEL,
    Opcode::LINK_TIMEOUT,
    Opcode::CONNECT,
    Opcode::OPENAT,
    Opcode::CLOSE,
    Opcode::STATX,
    Opcode::READ,
    Opcode::WRITE,
    Opcode::SEND,
    Opcode::RECV,
    Opcode::OPENAT2,
    Opcode::SHUTDOWN,
    Opcode::SOCKET,
    Opcode::READ_MULTISHOT,
    Opcode::BIND,
    Opcode::LISTEN,
    Opcode::SEND_ZC,
];

const REGISTER: &[RegisterOp] = &[
    RegisterOp::FILES,
    RegisterOp::UNREGISTER_FILES,
    RegisterOp::FILES_UPDATE,
    RegisterOp::PROBE,
    RegisterOp::ENABLE_RINGS,
    RegisterOp::FILES2,
    RegisterOp::PBUF_RING,
    RegisterOp::UNREGISTER_PBUF_RING,
    RegisterOp::SYNC_CANCEL,
];

//! The first kernel with each setup flag and each feature bit.
//!
//! Owns two tables for people to read; nothing is decided by them, because kernels carry features
//! back. The table of operations is [`Opcode::TABLE`](annulus_abi::Opcode::TABLE).

use annulus_abi::{Features, SetupFlags};

use crate::Version;

/// Each setup flag with its first kernel, oldest first.
pub const SETUP_FLAGS: [(SetupFlags, Version); 21] = [
    (SetupFlags::IOPOLL, (5, 1)),
    (SetupFlags::SQPOLL, (5, 1)),
    (SetupFlags::SQ_AFF, (5, 1)),
    (SetupFlags::CQSIZE, (5, 5)),
    (SetupFlags::CLAMP, (5, 6)),
    (SetupFlags::ATTACH_WQ, (5, 6)),
    (SetupFlags::R_DISABLED, (5, 10)),
    (SetupFlags::SUBMIT_ALL, (5, 18)),
    (SetupFlags::COOP_TASKRUN, (5, 19)),
    (SetupFlags::TASKRUN_FLAG, (5, 19)),
    (SetupFlags::SQE128, (5, 19)),
    (SetupFlags::CQE32, (5, 19)),
    (SetupFlags::SINGLE_ISSUER, (6, 0)),
    (SetupFlags::DEFER_TASKRUN, (6, 1)),
    (SetupFlags::NO_MMAP, (6, 5)),
    (SetupFlags::REGISTERED_FD_ONLY, (6, 5)),
    (SetupFlags::NO_SQARRAY, (6, 6)),
    (SetupFlags::HYBRID_IOPOLL, (6, 13)),
    (SetupFlags::CQE_MIXED, (6, 18)),
    (SetupFlags::SQE_MIXED, (6, 19)),
    (SetupFlags::SQ_REWIND, (7, 0)),
];

/// Each feature bit with its first kernel, oldest first.
pub const FEATURES: [(Features, Version); 18] = [
    (Features::SINGLE_MMAP, (5, 4)),
    (Features::NODROP, (5, 5)),
    (Features::SUBMIT_STABLE, (5, 5)),
    (Features::RW_CUR_POS, (5, 6)),
    (Features::CUR_PERSONALITY, (5, 6)),
    (Features::FAST_POLL, (5, 7)),
    (Features::POLL_32BITS, (5, 9)),
    (Features::SQPOLL_NONFIXED, (5, 11)),
    (Features::EXT_ARG, (5, 11)),
    (Features::NATIVE_WORKERS, (5, 12)),
    (Features::RSRC_TAGS, (5, 13)),
    (Features::CQE_SKIP, (5, 17)),
    (Features::LINKED_FILE, (5, 18)),
    (Features::REG_REG_RING, (6, 3)),
    (Features::RECVSEND_BUNDLE, (6, 10)),
    (Features::MIN_TIMEOUT, (6, 12)),
    (Features::RW_ATTR, (6, 14)),
    (Features::NO_IOWAIT, (6, 15)),
];

/// The kernel's name of one setup flag.
#[must_use]
pub fn setup_flag_name(flag: SetupFlags) -> &'static str {
    let named = SetupFlags::NAMES.iter().find(|(_, bit)| *bit == flag);
    named.map_or("?", |(name, _)| name)
}

/// The kernel's name of one feature bit.
#[must_use]
pub fn feature_name(feature: Features) -> &'static str {
    let named = Features::NAMES.iter().find(|(_, bit)| *bit == feature);
    named.map_or("?", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_and_every_feature_that_has_a_name_has_a_kernel() {
        let flags: Vec<_> = SETUP_FLAGS.iter().map(|(flag, _)| *flag).collect();
        let named: Vec<_> = SetupFlags::NAMES.iter().map(|(_, flag)| *flag).collect();
        assert_eq!(flags, named);
        let features: Vec<_> = FEATURES.iter().map(|(feature, _)| *feature).collect();
        let named: Vec<_> = Features::NAMES.iter().map(|(_, feature)| *feature).collect();
        assert_eq!(features, named);
    }

    #[test]
    fn the_tables_are_in_the_order_of_the_kernels() {
        assert!(SETUP_FLAGS.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        assert!(FEATURES.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }
}

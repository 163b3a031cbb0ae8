//! Why something may be missing: the exceptions of `cargo xtask coverage`, each with its reason.
//!
//! A reason that is not needed is reported, so this list only shrinks.

use super::Column::{self, Conformance, Method};

/// Why some names lack something.
pub struct Reason {
    /// C names; one that ends with `*` stands for all that begin so.
    pub names: &'static [&'static str],
    /// What they lack.
    pub columns: &'static [Column],
    /// Why.
    pub why: &'static str,
}

impl Reason {
    /// Whether it excuses that.
    pub fn covers(&self, c_name: &str, column: Column) -> bool {
        let is_named = |name: &&str| match name.strip_suffix('*') {
            Some(prefix) => c_name.starts_with(prefix),
            None => c_name == *name,
        };
        self.columns.contains(&column) && self.names.iter().any(is_named)
    }
}

const NO_KERNEL: &str = "no kernel that the tests run on has it";
const OWN_NAME: &str = "the ring has it under a name of its own";
const NO_CARD: &str = "needs a network card that splits headers";

/// The exceptions.
pub const REASONS: &[Reason] = &[
    Reason {
        names: &["IORING_CQE_BUFFER_SHIFT"],
        columns: &[Method, Conformance],
        why: "part of Cqe::buffer_id",
    },
    Reason {
        names: &["IORING_NOTIF_USAGE_ZC_COPIED", "IORING_REGISTER_FILES_SKIP"],
        columns: &[Method, Conformance],
        why: OWN_NAME,
    },
    Reason {
        names: &["IORING_TIMEOUT_CLOCK_MASK", "IORING_TIMEOUT_UPDATE_MASK"],
        columns: &[Conformance],
        why: "each flag in it is tested",
    },
    Reason {
        names: &["IORING_OFF_*"],
        columns: &[Conformance],
        why: "no ring could be mapped with another",
    },
    Reason { names: &["IORING_OFF_MMAP_MASK"], columns: &[Method], why: "the kernel's own" },
    Reason {
        names: &["IORING_ZCRX_AREA_*", "ZCRX_FEATURE_*", "ZCRX_REG_*"],
        columns: &[Method, Conformance],
        why: NO_CARD,
    },
    Reason {
        names: &[
            "SOCKET_URING_OP_GETSOCKNAME",
            "IORING_OP_NOP128",
            "IORING_OP_URING_CMD128",
            "IORING_TIMEOUT_IMMEDIATE_ARG",
            "IO_URING_BPF_*",
            "IO_URING_QUERY_ZCRX",
            "IO_URING_QUERY_SCQ",
        ],
        columns: &[Conformance],
        why: NO_KERNEL,
    },
];

//! What io_uring_register(2) can be asked for.
//!
//! Owns: [`RegisterOp`] and its table; the arguments lie in one file a subject below `register/`.
//! Does not own: the call.
//!
//! Invariants: the table has one row a number, in order. All reserved words of all arguments are
//! zero on the way in, else EINVAL.
//!
//! Mirrors `enum io_uring_register_op`; io_uring_register(2).

mod buffers;
mod ops;
mod query;
mod region;
mod resources;
mod rules;
mod settings;
mod zcrx;

pub use buffers::{BufReg, BufRegFlags, BufRingEntry, BufStatus};
pub use query::{Probe, ProbeOp, QueryHeader, QueryOp, QueryOpcodes, QueryRingLayout, QueryZcrx};
pub use region::{MemRegion, MemRegionFlags, RegionDesc, RegionFlags};
pub use resources::{
    CloneBuffers, CloneFlags, FILES_SKIP, FileIndexRange, FilesUpdate, ResourceRegister,
    ResourceUpdate, RingFdUpdate,
};
pub use rules::{
    BpfCommand, BpfFilter, BpfFilterFlags, Restriction, RestrictionKind, TaskRestriction,
};
pub use settings::{ClockRegister, Napi, NapiOp, NapiTracking, SyncCancel, WorkerKind};
pub use zcrx::{
    ZcrxArea, ZcrxAreaFlags, ZcrxControl, ZcrxControlOp, ZcrxFeatures, ZcrxOffsets, ZcrxQueue,
    ZcrxRefill, ZcrxRegFlags,
};

/// What to register (`enum io_uring_register_op`, `IORING_REGISTER_*`, `IORING_UNREGISTER_*`).
///
/// Each says what `arg` and `nr` of io_uring_register(2) are, and what it returns if not 0. `null`
/// and 0 mean that anything else is EINVAL. In a ring with
/// [`SINGLE_ISSUER`](crate::SetupFlags::SINGLE_ISSUER) all are for the issuer alone (EEXIST).
///
/// ```
/// use annulus_abi::RegisterOp;
///
/// assert_eq!(RegisterOp::PBUF_RING.name(), "PBUF_RING");
/// assert_eq!(RegisterOp::PBUF_RING.since(), Some((5, 19)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
#[doc(alias = "io_uring_register_op")]
pub struct RegisterOp(pub u32);

impl RegisterOp {
    /// Or-ed into the operation: the descriptor is the index of a registered one. Since Linux 6.3
    /// ([`Features::REG_REG_RING`](crate::Features::REG_REG_RING)).
    #[doc(alias = "IORING_REGISTER_USE_REGISTERED_RING")]
    pub const USE_REGISTERED_RING: u32 = 1 << 31;

    /// The name of the constant here, or `"?"` for a number without one.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::TABLE.get(self.0 as usize).map_or("?", |&(name, _, _)| name)
    }

    /// The first kernel that has it, as `(major, minor)`.
    #[must_use]
    pub fn since(self) -> Option<(u8, u8)> {
        Self::TABLE.get(self.0 as usize).map(|&(_, _, since)| since)
    }
}

impl core::fmt::Debug for RegisterOp {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

/// Declares the operations: a constant each, and the table indexed by number.
///
/// Each row is `NAME = number => "C_NAME", (major, minor);`.
macro_rules! register_ops {
    ($(
        $(#[$doc:meta])*
        $name:ident = $number:literal => $c_name:literal, ($major:literal, $minor:literal);
    )*) => {
        impl crate::RegisterOp {
            $(
                $(#[$doc])*
                #[doc = ""]
                #[doc = concat!("`", $c_name, "`, since Linux ", $major, ".", $minor, ".")]
                #[doc(alias = $c_name)]
                pub const $name: Self = Self($number);
            )*

            /// Name here, name in the C header, and first kernel `(major, minor)` of each
            /// operation, indexed by number.
            pub const TABLE: &'static [(&'static str, &'static str, (u8, u8))] =
                &[ $( (stringify!($name), $c_name, ($major, $minor)), )* ];
        }

        /// The rows as they were written, to prove that each stands at its number.
        #[cfg(test)]
        pub(super) const ROWS: &[(u32, &str)] = &[ $( ($number, stringify!($name)), )* ];
    };
}
use register_ops;

#[cfg(test)]
mod tests;

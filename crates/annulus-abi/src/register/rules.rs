//! Arguments that restrict what a ring may do.
//!
//! Owns: restrictions (an allow list) and BPF filters. Does not own: any policy.
//!
//! Mirrors `struct io_uring_restriction`, `io_uring_task_restriction`,
//! `<linux/io_uring/bpf_filter.h>`; io_uring_register_restrictions(3),
//! io_uring_register_bpf_filter(3).

use crate::{Opcode, SqeFlags, flags::flags};

/// One entry of an allow list (`struct io_uring_restriction`, 16 bytes), for
/// [`RegisterOp::RESTRICTIONS`](crate::RegisterOp::RESTRICTIONS).
///
/// ```
/// use annulus_abi::{Opcode, Restriction, SqeFlags};
///
/// let allowed = [
///     Restriction::sqe_op(Opcode::RECV),
///     Restriction::sqe_op(Opcode::SEND),
///     Restriction::sqe_flags_allowed(SqeFlags::FIXED_FILE),
/// ];
/// assert_eq!(size_of_val(&allowed), 48);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_restriction")]
pub struct Restriction {
    /// What is allowed or required (`opcode`).
    pub kind: RestrictionKind,
    /// Which (a union of `register_op`, `sqe_op` and `sqe_flags`).
    #[doc(alias = "register_op")]
    #[doc(alias = "sqe_op")]
    #[doc(alias = "sqe_flags")]
    pub value: u8,
    /// Reserved; zero.
    pub resv: u8,
    /// Reserved; zero.
    pub resv2: [u32; 3],
}

impl Restriction {
    /// Allows an operation of io_uring_register(2).
    #[must_use]
    pub const fn register_op(op: crate::RegisterOp) -> Self {
        Self::of(RestrictionKind::REGISTER_OP, op.0 as u8)
    }

    /// Allows an opcode.
    #[must_use]
    pub const fn sqe_op(op: Opcode) -> Self {
        Self::of(RestrictionKind::SQE_OP, op.0)
    }

    /// Allows these flags of submissions; the last such entry counts.
    #[must_use]
    pub const fn sqe_flags_allowed(flags: SqeFlags) -> Self {
        Self::of(RestrictionKind::SQE_FLAGS_ALLOWED, flags.0)
    }

    /// Requires these flags of every submission; the last such entry counts.
    #[must_use]
    pub const fn sqe_flags_required(flags: SqeFlags) -> Self {
        Self::of(RestrictionKind::SQE_FLAGS_REQUIRED, flags.0)
    }

    const fn of(kind: RestrictionKind, value: u8) -> Self {
        Self { kind, value, resv: 0, resv2: [0; 3] }
    }
}

/// What a [`Restriction`] says (`enum io_uring_register_restriction_op`, `IORING_RESTRICTION_*`).
/// Since Linux 5.10.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(transparent)]
#[doc(alias = "io_uring_register_restriction_op")]
pub struct RestrictionKind(pub u16);

impl RestrictionKind {
    /// Allow an operation of io_uring_register(2).
    #[doc(alias = "IORING_RESTRICTION_REGISTER_OP")]
    pub const REGISTER_OP: Self = Self(0);
    /// Allow an opcode.
    #[doc(alias = "IORING_RESTRICTION_SQE_OP")]
    pub const SQE_OP: Self = Self(1);
    /// Allow flags of submissions.
    #[doc(alias = "IORING_RESTRICTION_SQE_FLAGS_ALLOWED")]
    pub const SQE_FLAGS_ALLOWED: Self = Self(2);
    /// Require flags of submissions.
    #[doc(alias = "IORING_RESTRICTION_SQE_FLAGS_REQUIRED")]
    pub const SQE_FLAGS_REQUIRED: Self = Self(3);
}

/// The head of an allow list for the rings that a task will make
/// (`struct io_uring_task_restriction`, 16 bytes); `nr_res` [`Restriction`]s follow it. Since Linux
/// 7.0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_task_restriction")]
pub struct TaskRestriction {
    /// Reserved; zero.
    pub flags: u16,
    /// How many restrictions follow.
    pub nr_res: u16,
    /// Reserved; zero.
    pub resv: [u32; 3],
}

/// A filter to register (`struct io_uring_bpf`, 72 bytes), the argument of
/// [`RegisterOp::BPF_FILTER`](crate::RegisterOp::BPF_FILTER). Since Linux 7.0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_bpf")]
pub struct BpfCommand {
    /// [`BpfCommand::FILTER`].
    pub cmd_type: u16,
    /// Reserved; zero.
    pub cmd_flags: u16,
    /// Reserved; zero.
    pub resv: u32,
    /// The filter.
    pub filter: BpfFilter,
}

impl BpfCommand {
    /// Register a filter.
    #[doc(alias = "IO_URING_BPF_CMD_FILTER")]
    pub const FILTER: u16 = 1;
}

/// A classic BPF program that sees each submission of one opcode (`struct io_uring_bpf_filter`, 64
/// bytes). It returns 0 to deny (EACCES).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_bpf_filter")]
pub struct BpfFilter {
    /// The opcode, as a number of 32 bits.
    pub opcode: u32,
    /// What of opcodes without a filter.
    pub flags: BpfFilterFlags,
    /// Number of instructions.
    pub filter_len: u32,
    /// Size of the opcode's own data that the program expects: 12 for SOCKET, 24 for OPENAT and
    /// OPENAT2, else 0. EMSGSIZE if the kernel has less; it is written back then.
    pub pdu_size: u8,
    /// Reserved; zero.
    pub resv: [u8; 3],
    /// Address of the array of `struct sock_filter`.
    pub filter_ptr: u64,
    /// Reserved; zero.
    pub resv2: [u64; 5],
}

flags! {
    /// Flags of a BPF filter (`IO_URING_BPF_FILTER_*`).
    pub struct BpfFilterFlags(u32) {
        /// Deny every opcode that has no filter.
        const DENY_REST = 1 << 0 => "IO_URING_BPF_FILTER_DENY_REST", (7, 0);
        /// Fail if `pdu_size` is not exactly the kernel's.
        const SZ_STRICT = 1 << 1 => "IO_URING_BPF_FILTER_SZ_STRICT", (7, 0);
    }
}

const _: () = {
    assert!(size_of::<Restriction>() == 16);
    assert!(core::mem::offset_of!(Restriction, value) == 2);
    assert!(size_of::<TaskRestriction>() == 16);
    assert!(size_of::<BpfFilter>() == 64);
    assert!(size_of::<BpfCommand>() == 72);
};

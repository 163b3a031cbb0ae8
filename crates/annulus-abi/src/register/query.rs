//! Asking a kernel what it has.
//!
//! Owns: the probe of operations (5.6) and the chain of queries (6.18). Does not own: what to
//! conclude.
//!
//! Mirrors `struct io_uring_probe`, `<linux/io_uring/query.h>`; io_uring_register_probe(3),
//! io_uring_register_query(3) (which says 6.15; it is 6.18).

use crate::{EnterFlags, Opcode};

/// Whether one operation exists (`struct io_uring_probe_op`, 8 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_probe_op")]
pub struct ProbeOp {
    /// Which operation.
    pub op: Opcode,
    /// Reserved.
    pub resv: u8,
    /// [`ProbeOp::SUPPORTED`] or 0.
    pub flags: u16,
    /// Reserved.
    pub resv2: u32,
}

impl ProbeOp {
    /// This kernel has the operation.
    #[doc(alias = "IO_URING_OP_SUPPORTED")]
    pub const SUPPORTED: u16 = 1 << 0;
}

/// Which operations exist (`struct io_uring_probe` with room for 256), the argument of
/// [`RegisterOp::PROBE`](crate::RegisterOp::PROBE); all zero on the way in.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[doc(alias = "io_uring_probe")]
pub struct Probe {
    /// Out: the highest opcode this kernel knows.
    pub last_op: Opcode,
    /// Out: how many of `ops` were filled.
    pub ops_len: u8,
    /// Reserved.
    pub resv: u16,
    /// Reserved.
    pub resv2: [u32; 3],
    /// One entry an operation.
    pub ops: [ProbeOp; 256],
}

impl Probe {
    /// Whether the kernel said that it has `op`.
    #[doc(alias = "io_uring_opcode_supported")]
    #[must_use]
    pub fn supports(&self, op: Opcode) -> bool {
        self.ops[..usize::from(self.ops_len)]
            .get(usize::from(op.0))
            .is_some_and(|entry| entry.flags & ProbeOp::SUPPORTED != 0)
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            last_op: Opcode(0),
            ops_len: 0,
            resv: 0,
            resv2: [0; 3],
            ops: [ProbeOp::default(); 256],
        }
    }
}

/// One link in a chain of queries (`struct io_uring_query_hdr`, 40 bytes). Since Linux 6.18.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_query_hdr")]
pub struct QueryHeader {
    /// Address of the next header, or 0.
    pub next_entry: u64,
    /// Address of the answer's structure.
    pub query_data: u64,
    /// What is asked.
    pub query_op: QueryOp,
    /// In: size of that structure. Out: how much of it the kernel knows. Either may be the longer.
    pub size: u32,
    /// Out: 0 or `-errno`, of this query.
    pub result: i32,
    /// Reserved; zero.
    pub resv: [u32; 3],
}

/// What a query asks (`IO_URING_QUERY_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(transparent)]
pub struct QueryOp(pub u32);

impl QueryOp {
    /// Which operations, flags and features exist: [`QueryOpcodes`]. Since Linux 6.18.
    #[doc(alias = "IO_URING_QUERY_OPCODES")]
    pub const OPCODES: Self = Self(0);
    /// What zero-copy receive can do: [`QueryZcrx`]. Since Linux 6.19.
    #[doc(alias = "IO_URING_QUERY_ZCRX")]
    pub const ZCRX: Self = Self(1);
    /// How large the rings' header is: [`QueryRingLayout`]. Since Linux 6.19.
    #[doc(alias = "IO_URING_QUERY_SCQ")]
    pub const SCQ: Self = Self(2);
}

/// Which operations, flags and features exist (`struct io_uring_query_opcode`, 48 bytes). That a
/// bit is known does not mean that a configuration allows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_query_opcode")]
pub struct QueryOpcodes {
    /// Out: one past the highest [`Opcode`].
    pub nr_request_opcodes: u32,
    /// Out: one past the highest [`RegisterOp`](crate::RegisterOp).
    pub nr_register_opcodes: u32,
    /// Out: the known bits of [`Features`](crate::Features).
    pub feature_flags: u64,
    /// Out: the known bits of [`SetupFlags`](crate::SetupFlags).
    pub ring_setup_flags: u64,
    /// Out: the known bits of [`EnterFlags`].
    pub enter_flags: u64,
    /// Out: the known bits of [`SqeFlags`](crate::SqeFlags).
    pub sqe_flags: u64,
    /// Out (6.19): one past the highest [`QueryOp`].
    pub nr_query_opcodes: u32,
    /// Reserved.
    pub pad: u32,
}

impl QueryOpcodes {
    /// The flags of io_uring_enter(2) that this kernel knows.
    #[must_use]
    pub const fn enter(&self) -> EnterFlags {
        EnterFlags(self.enter_flags as u32)
    }
}

/// What zero-copy receive can do (`struct io_uring_query_zcrx`, 40 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_query_zcrx")]
pub struct QueryZcrx {
    /// Out: the known bits of [`ZcrxRegFlags`](crate::ZcrxRegFlags).
    pub register_flags: u64,
    /// Out: the known bits of [`ZcrxAreaFlags`](crate::ZcrxAreaFlags).
    pub area_flags: u64,
    /// Out: one past the highest [`ZcrxControlOp`](crate::ZcrxControlOp).
    pub nr_ctrl_opcodes: u32,
    /// Out: the known bits of [`ZcrxFeatures`](crate::ZcrxFeatures).
    pub features: u32,
    /// Out: size of the refill ring's header, in bytes.
    pub rq_hdr_size: u32,
    /// Out: its alignment.
    pub rq_hdr_alignment: u32,
    /// Reserved.
    pub resv2: u64,
}

/// How large the header of the rings' memory is (`struct io_uring_query_scq`, 16 bytes): what
/// [`SetupFlags::NO_MMAP`](crate::SetupFlags::NO_MMAP) needs to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_query_scq")]
pub struct QueryRingLayout {
    /// Out: its size in bytes.
    pub hdr_size: u64,
    /// Out: its alignment.
    pub hdr_alignment: u64,
}

const _: () = {
    assert!(size_of::<ProbeOp>() == 8);
    assert!(size_of::<Probe>() == 16 + 256 * 8);
    assert!(size_of::<QueryHeader>() == 40);
    assert!(size_of::<QueryOpcodes>() == 48);
    assert!(size_of::<QueryZcrx>() == 40);
    assert!(size_of::<QueryRingLayout>() == 16);
};

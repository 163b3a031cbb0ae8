//! The io_uring kernel ABI: entries, parameters, opcodes, flags, and the three raw system calls.
//!
//! Owns: the layout of what user space and the kernel share, documented field by field, and
//! [`setup`], [`enter`] and [`register`]. Does not own: any mapping, any queue, any policy.
//!
//! Invariants: every structure has the kernel's size and field offsets (asserted at compile time,
//! and compared with the machine's header by a test); a value is only a number, so nothing here is
//! unsafe except the system calls.
//!
//! Mirrors `<linux/io_uring.h>`, io_uring_setup(2), io_uring_enter(2), io_uring_register(2).
//!
//! # Where things are
//!
//! | shared with the kernel | here |
//! |---|---|
//! | a submission and its flags | [`Sqe`], [`SqeFlags`], [`Opcode`] |
//! | what one operation adds | [`RecvSendFlags`], [`AcceptFlags`], [`PollFlags`], [`CancelFlags`], [`TimeoutFlags`], … |
//! | a completion and its flags | [`Cqe`], [`CqeFlags`] |
//! | io_uring_setup(2) | [`Params`], [`SetupFlags`], [`Features`] |
//! | the words in the rings | [`SqOffsets`], [`CqOffsets`], [`SqFlags`], [`CqFlags`] |
//! | io_uring_enter(2) | [`EnterFlags`], [`GetEventsArg`], [`RegWait`] |
//! | io_uring_register(2) | [`RegisterOp`], which names the argument of each operation |
//!
//! Every item can be searched by its C name. Names are the C names without their prefix: the `RECV`
//! of [`Opcode::RECV`] is `IORING_OP_RECV`. Versions are those of mainline; distributions backport,
//! so ask the kernel ([`Features`], [`RegisterOp::PROBE`], [`RegisterOp::QUERY`], or a trial),
//! never `uname`.

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    target_endian = "little",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!(
    "Annulus needs 64-bit little-endian Linux on x86_64 or aarch64: io_uring's ABI is described for these alone"
);

mod flags;

mod cqe;
mod op_flags;
mod opcode;
mod payload;
mod sqe;

mod enter;
mod features;
mod params;
mod setup;
mod words;

mod register;

mod errno;
mod syscall;

pub use cqe::{Cqe, Cqe32, CqeFlags};
pub use enter::{EnterFlags, GetEventsArg, RegWait, RegWaitFlags, Timespec};
pub use errno::Errno;
pub use features::Features;
pub use op_flags::{
    AcceptFlags, CancelFlags, FixedFdFlags, FsyncFlags, MsgRingCommand, MsgRingFlags,
    NOTIF_USAGE_ZC_COPIED, NopFlags, PollFlags, RecvSendFlags, SocketOp, SpliceFlags, TimeoutFlags,
    UringCmdFlags,
};
pub use opcode::{Issue, Opcode};
pub use params::{
    CqOffsets, MMAP_CQ_RING, MMAP_MASK, MMAP_PBUF_RING, MMAP_PBUF_SHIFT, MMAP_SQ_RING, MMAP_SQES,
    Params, SqOffsets,
};
pub use payload::{AttrPi, IoTimespec, RecvmsgOut, ZcrxCqe};
pub use register::{
    BpfCommand, BpfFilter, BpfFilterFlags, BufReg, BufRegFlags, BufRingEntry, BufStatus,
    ClockRegister, CloneBuffers, CloneFlags, FILES_SKIP, FileIndexRange, FilesUpdate, MemRegion,
    MemRegionFlags, Napi, NapiOp, NapiTracking, Probe, ProbeOp, QueryHeader, QueryOp, QueryOpcodes,
    QueryRingLayout, QueryZcrx, RegionDesc, RegionFlags, RegisterOp, ResourceRegister,
    ResourceUpdate, Restriction, RestrictionKind, RingFdUpdate, SyncCancel, TaskRestriction,
    WorkerKind, ZcrxArea, ZcrxAreaFlags, ZcrxControl, ZcrxControlOp, ZcrxFeatures, ZcrxOffsets,
    ZcrxQueue, ZcrxRefill, ZcrxRegFlags,
};
pub use setup::SetupFlags;
pub use sqe::{FILE_INDEX_ALLOC, Sqe, Sqe128, SqeFlags};
pub use syscall::{enter, register, setup};
pub use words::{CqFlags, SqFlags};

/// The examples of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

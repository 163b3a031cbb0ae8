//! Flags of single operations: what goes into `op_flags`, `ioprio`, `len` or `addr`.
//!
//! Owns: the flag words that io_uring itself defines, one type each. Does not own: those of the
//! system calls behind the operations (O_…, MSG_…, SOCK_…), which `libc` has.
//!
//! Mirrors `<linux/io_uring.h>`; the io_uring_prep_…(3) pages.

use crate::flags::flags;

flags! {
    /// Flags of sends and receives, in [`Sqe::ioprio`](crate::Sqe::ioprio) (`IORING_RECVSEND_*` and
    /// kin); io_uring_prep_send(3), io_uring_prep_recv(3).
    pub struct RecvSendFlags(u16) {
        /// Wait for readiness first; do not try at once. Pays when the last completion lacked
        /// [`SOCK_NONEMPTY`](crate::CqeFlags::SOCK_NONEMPTY).
        const POLL_FIRST = 1 << 0 => "IORING_RECVSEND_POLL_FIRST", (5, 19);
        /// Receive again and again, into provided buffers, until an error, the end of the stream,
        /// or an empty group (ENOBUFS) ends it. Not with MSG_WAITALL.
        const RECV_MULTISHOT = 1 << 1 => "IORING_RECV_MULTISHOT", (6, 0);
        /// Use the registered buffer of [`Sqe::buf_index`](crate::Sqe::buf_index). SEND_ZC since
        /// 6.0, SENDMSG_ZC since 6.15, plain SEND and RECV since 7.2 (EINVAL before).
        const FIXED_BUF = 1 << 2 => "IORING_RECVSEND_FIXED_BUF", (6, 0);
        /// Say in the notification whether data was copied
        /// ([`NOTIF_USAGE_ZC_COPIED`]).
        const SEND_ZC_REPORT_USAGE = 1 << 3 => "IORING_SEND_ZC_REPORT_USAGE", (6, 2);
        /// Use as many provided buffers at once as there is data (or room) for; one completion with
        /// the sum of bytes and the first buffer.
        const BUNDLE = 1 << 4 => "IORING_RECVSEND_BUNDLE", (6, 10);
        /// [`Sqe::addr`](crate::Sqe::addr) of a SEND or SEND_ZC is an iovec array, `len` its
        /// length.
        const SEND_VECTORIZED = 1 << 5 => "IORING_SEND_VECTORIZED", (6, 17);
    }
}

/// In `res` of a notification, if [`RecvSendFlags::SEND_ZC_REPORT_USAGE`] asked for it: (some of)
/// the data was copied after all, as loopback and many devices do. A flag; other bits are reserved.
/// Since Linux 6.2.
#[doc(alias = "IORING_NOTIF_USAGE_ZC_COPIED")]
pub const NOTIF_USAGE_ZC_COPIED: u32 = 1 << 31;

flags! {
    /// Flags of accept, in [`Sqe::ioprio`](crate::Sqe::ioprio) (`IORING_ACCEPT_*`);
    /// io_uring_prep_accept(3).
    pub struct AcceptFlags(u16) {
        /// Accept again and again. An address to be written would be overwritten by each.
        const MULTISHOT = 1 << 0 => "IORING_ACCEPT_MULTISHOT", (5, 19);
        /// Fail with EAGAIN if no connection waits.
        const DONTWAIT = 1 << 1 => "IORING_ACCEPT_DONTWAIT", (6, 10);
        /// Wait for readiness first; do not try at once.
        const POLL_FIRST = 1 << 2 => "IORING_ACCEPT_POLL_FIRST", (6, 10);
    }
}

flags! {
    /// Flags of polls, in [`Sqe::len`](crate::Sqe::len) (`IORING_POLL_*`);
    /// io_uring_prep_poll_add(3), io_uring_prep_poll_update(3).
    pub struct PollFlags(u32) {
        /// POLL_ADD: report each time, until a completion lacks [`MORE`](crate::CqeFlags::MORE).
        const ADD_MULTI = 1 << 0 => "IORING_POLL_ADD_MULTI", (5, 13);
        /// POLL_REMOVE: do not remove the poll but change its events.
        const UPDATE_EVENTS = 1 << 1 => "IORING_POLL_UPDATE_EVENTS", (5, 13);
        /// POLL_REMOVE: do not remove the poll but change its user data.
        const UPDATE_USER_DATA = 1 << 2 => "IORING_POLL_UPDATE_USER_DATA", (5, 13);
        /// POLL_ADD: level-triggered rather than edge-triggered. Linux 6.18 still refuses it.
        const ADD_LEVEL = 1 << 3 => "IORING_POLL_ADD_LEVEL", (6, 0);
    }
}

flags! {
    /// Flags of cancel, in [`Sqe::op_flags`](crate::Sqe::op_flags) and
    /// [`SyncCancel::flags`](crate::SyncCancel::flags) (`IORING_ASYNC_CANCEL_*`);
    /// io_uring_prep_cancel(3).
    ///
    /// Without FD, ANY, USERDATA and OP the key is the user data; with several keys all must match.
    pub struct CancelFlags(u32) {
        /// Cancel all that match, not just the first; the result is how many.
        const ALL = 1 << 0 => "IORING_ASYNC_CANCEL_ALL", (5, 19);
        /// Match by descriptor. EBADF if it is closed by then: cancel first, close after.
        const FD = 1 << 1 => "IORING_ASYNC_CANCEL_FD", (5, 19);
        /// Match anything; implies ALL and excludes FD.
        const ANY = 1 << 2 => "IORING_ASYNC_CANCEL_ANY", (5, 19);
        /// The descriptor is a fixed-file slot.
        const FD_FIXED = 1 << 3 => "IORING_ASYNC_CANCEL_FD_FIXED", (6, 0);
        /// Match by user data, besides other keys.
        const USERDATA = 1 << 4 => "IORING_ASYNC_CANCEL_USERDATA", (6, 6);
        /// Match by opcode, in [`Sqe::len`](crate::Sqe::len).
        const OP = 1 << 5 => "IORING_ASYNC_CANCEL_OP", (6, 6);
    }
}

flags! {
    /// Flags of timeouts, in [`Sqe::op_flags`](crate::Sqe::op_flags) (`IORING_TIMEOUT_*`);
    /// io_uring_prep_timeout(3), io_uring_prep_timeout_update(3).
    ///
    /// The clock is CLOCK_MONOTONIC unless BOOTTIME or REALTIME is set; both are EINVAL.
    pub struct TimeoutFlags(u32) {
        /// The time is absolute. Not with MULTISHOT.
        const ABS = 1 << 0 => "IORING_TIMEOUT_ABS", (5, 4);
        /// TIMEOUT_REMOVE: do not remove the timeout but give it a new time.
        const UPDATE = 1 << 1 => "IORING_TIMEOUT_UPDATE", (5, 11);
        /// Measure on CLOCK_BOOTTIME.
        const BOOTTIME = 1 << 2 => "IORING_TIMEOUT_BOOTTIME", (5, 15);
        /// Measure on CLOCK_REALTIME.
        const REALTIME = 1 << 3 => "IORING_TIMEOUT_REALTIME", (5, 15);
        /// TIMEOUT_REMOVE: give a linked timeout a new time.
        const LINK_UPDATE = 1 << 4 => "IORING_LINK_TIMEOUT_UPDATE", (5, 15);
        /// Expiry is success: it neither breaks a link chain nor defeats CQE_SKIP_SUCCESS.
        const ETIME_SUCCESS = 1 << 5 => "IORING_TIMEOUT_ETIME_SUCCESS", (5, 16);
        /// Fire again and again, `off` times or without end.
        const MULTISHOT = 1 << 6 => "IORING_TIMEOUT_MULTISHOT", (6, 4);
        /// [`Sqe::addr`](crate::Sqe::addr) holds nanoseconds, not the address of a timespec.
        const IMMEDIATE_ARG = 1 << 7 => "IORING_TIMEOUT_IMMEDIATE_ARG", (7, 1);
    }
}

impl TimeoutFlags {
    /// The bits that choose a clock.
    #[doc(alias = "IORING_TIMEOUT_CLOCK_MASK")]
    pub const CLOCK_MASK: Self = Self::BOOTTIME.union(Self::REALTIME);
    /// The bits that make a removal an update.
    #[doc(alias = "IORING_TIMEOUT_UPDATE_MASK")]
    pub const UPDATE_MASK: Self = Self::UPDATE.union(Self::LINK_UPDATE);
}

flags! {
    /// Flags of fsync, in [`Sqe::op_flags`](crate::Sqe::op_flags) (`IORING_FSYNC_*`);
    /// io_uring_prep_fsync(3).
    pub struct FsyncFlags(u32) {
        /// As fdatasync(2): skip metadata that reading does not need.
        const DATASYNC = 1 << 0 => "IORING_FSYNC_DATASYNC", (5, 1);
    }
}

/// What a MSG_RING does, in [`Sqe::addr`](crate::Sqe::addr) (`enum io_uring_msg_ring_flags`,
/// `IORING_MSG_*`); io_uring_prep_msg_ring(3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(transparent)]
#[doc(alias = "io_uring_msg_ring_flags")]
pub struct MsgRingCommand(pub u64);

impl MsgRingCommand {
    /// Post a completion with `off` as user data and `len` as result. Since Linux 5.18.
    #[doc(alias = "IORING_MSG_DATA")]
    pub const DATA: Self = Self(0);
    /// Put the file of slot `addr3` into the target's fixed-file table, then post a completion with
    /// `off` as user data. Since Linux 6.0.
    #[doc(alias = "IORING_MSG_SEND_FD")]
    pub const SEND_FD: Self = Self(1);
}

flags! {
    /// Flags of msg_ring, in [`Sqe::op_flags`](crate::Sqe::op_flags) (`IORING_MSG_RING_*`);
    /// io_uring_prep_msg_ring(3).
    pub struct MsgRingFlags(u32) {
        /// Post no completion on the target ring; only for
        /// [`MsgRingCommand::SEND_FD`].
        const CQE_SKIP = 1 << 0 => "IORING_MSG_RING_CQE_SKIP", (6, 0);
        /// Pass [`Sqe::file_index`](crate::Sqe::file_index) as the flags of the target's
        /// completion; only for [`MsgRingCommand::DATA`].
        const FLAGS_PASS = 1 << 1 => "IORING_MSG_RING_FLAGS_PASS", (6, 3);
    }
}

flags! {
    /// Flags of no-ops, in [`Sqe::op_flags`](crate::Sqe::op_flags) (`IORING_NOP_*`);
    /// io_uring_prep_nop(3). For tests and measurements.
    pub struct NopFlags(u32) {
        /// Complete with [`Sqe::len`](crate::Sqe::len), as an `i32`, as the result.
        const INJECT_RESULT = 1 << 0 => "IORING_NOP_INJECT_RESULT", (6, 10);
        /// Look [`Sqe::fd`](crate::Sqe::fd) up, as a read would; EBADF if it is none.
        const FILE = 1 << 1 => "IORING_NOP_FILE", (6, 13);
        /// With FILE: `fd` is a fixed-file slot.
        const FIXED_FILE = 1 << 2 => "IORING_NOP_FIXED_FILE", (6, 13);
        /// Look the registered buffer `buf_index` up; EFAULT if there is none.
        const FIXED_BUFFER = 1 << 3 => "IORING_NOP_FIXED_BUFFER", (6, 13);
        /// Complete through task work, not inline.
        const TW = 1 << 4 => "IORING_NOP_TW", (6, 16);
        /// Post a completion of 32 bytes, with `off` and `addr` as the extra words.
        const CQE32 = 1 << 5 => "IORING_NOP_CQE32", (6, 18);
    }
}

flags! {
    /// Flags of FIXED_FD_INSTALL, in [`Sqe::op_flags`](crate::Sqe::op_flags) (`IORING_FIXED_FD_*`);
    /// io_uring_prep_fixed_fd_install(3).
    pub struct FixedFdFlags(u32) {
        /// The new descriptor survives execve(2); without this it is close-on-exec.
        const NO_CLOEXEC = 1 << 0 => "IORING_FIXED_FD_NO_CLOEXEC", (6, 8);
    }
}

flags! {
    /// io_uring's addition to the flags of splice(2), in [`Sqe::op_flags`](crate::Sqe::op_flags);
    /// io_uring_prep_splice(3).
    pub struct SpliceFlags(u32) {
        /// The input, in [`Sqe::file_index`](crate::Sqe::file_index), is a fixed-file slot.
        const FD_IN_FIXED = 1 << 31 => "SPLICE_F_FD_IN_FIXED", (5, 7);
    }
}

flags! {
    /// Flags of commands, in [`Sqe::op_flags`](crate::Sqe::op_flags) (`IORING_URING_CMD_*`);
    /// io_uring_prep_uring_cmd(3).
    pub struct UringCmdFlags(u32) {
        /// Use the registered buffer of [`Sqe::buf_index`](crate::Sqe::buf_index).
        const FIXED = 1 << 0 => "IORING_URING_CMD_FIXED", (6, 1);
        /// Complete again and again, with a provided buffer each; for drivers that know it.
        const MULTISHOT = 1 << 1 => "IORING_URING_CMD_MULTISHOT", (6, 18);
    }
}

/// The command of a URING_CMD on a socket, in `cmd_op` (`enum io_uring_socket_op`,
/// `SOCKET_URING_OP_*`); io_uring_prep_cmd_sock(3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
#[doc(alias = "io_uring_socket_op")]
pub struct SocketOp(pub u32);

impl SocketOp {
    /// Bytes that wait to be read. Since Linux 6.7.
    #[doc(alias = "SOCKET_URING_OP_SIOCINQ")]
    pub const SIOCINQ: Self = Self(0);
    /// Bytes that wait to be sent or acknowledged. Since Linux 6.7.
    #[doc(alias = "SOCKET_URING_OP_SIOCOUTQ")]
    pub const SIOCOUTQ: Self = Self(1);
    /// As getsockopt(2), of level SOL_SOCKET alone. Since Linux 6.7.
    #[doc(alias = "SOCKET_URING_OP_GETSOCKOPT")]
    pub const GETSOCKOPT: Self = Self(2);
    /// As setsockopt(2). Since Linux 6.7.
    #[doc(alias = "SOCKET_URING_OP_SETSOCKOPT")]
    pub const SETSOCKOPT: Self = Self(3);
    /// Multishot: a 32-byte completion for each transmit timestamp in the error queue. Since Linux
    /// 6.17.
    #[doc(alias = "SOCKET_URING_OP_TX_TIMESTAMP")]
    pub const TX_TIMESTAMP: Self = Self(4);
    /// As getsockname(2) or, with `optlen` 1, getpeername(2). Since Linux 6.19.
    #[doc(alias = "SOCKET_URING_OP_GETSOCKNAME")]
    pub const GETSOCKNAME: Self = Self(5);
}

//! The submission queue entry: 64 bytes that say what to do.
//!
//! Owns: [`Sqe`], [`Sqe128`] and [`SqeFlags`], and for each field of the entry what the kernel
//! reads it as, operation by operation. The members of the C unions that differ in width from the
//! field they share are accessors (`sqe/members.rs`). Does not own: which values are sensible; the
//! kernel answers EINVAL.
//!
//! Invariants: the layout is the kernel's (asserted below); all-zero is a valid entry (a NOP); a
//! field that an operation does not use is zero, for newer kernels may give it a meaning.
//!
//! Mirrors `struct io_uring_sqe`; io_uring_enter(2).

mod members;

use crate::{Opcode, flags::flags};

/// A submission queue entry (`struct io_uring_sqe`), 64 bytes, aligned to 8.
///
/// ```text
///       0        1        2        3        4        5        6        7
///   0 | opcode | flags  |     ioprio      |                fd                 |
///   8 |                                  off                                  |
///  16 |                                  addr                                 |
///  24 |                len                |             op_flags              |
///  32 |                               user_data                               |
///  40 |    buf_index    |   personality   |            file_index             |
///  48 |                                 addr3                                 |
///  56 |                                  pad                                  |
/// ```
///
/// Where the C header has a union, the field here is one plain integer under the member's most
/// common name; the tables say which operation reads it as what, and each other member of the union
/// finds its field by its C name in the search of this documentation. In every table, operations
/// that are not listed want the field to be 0: many check it and answer EINVAL.
///
/// The entry itself may be reused as soon as it is submitted. What it points to is another matter:
/// paths, iovec arrays, socket addresses *of the request*, timespecs and `open_how` are copied at
/// submission ([`Features::SUBMIT_STABLE`](crate::Features::SUBMIT_STABLE)); data buffers and
/// everything the kernel writes are borrowed until the final completion.
///
/// ```
/// use annulus_abi::{Opcode, RecvSendFlags, Sqe, SqeFlags};
///
/// let mut sqe = Sqe::new(Opcode::RECV);
/// sqe.fd = 3;
/// sqe.flags = SqeFlags::BUFFER_SELECT;
/// sqe.ioprio = RecvSendFlags::RECV_MULTISHOT.bits();
/// sqe.set_buf_group(7);
/// sqe.user_data = 42;
/// assert_eq!(sqe.buf_index, 7);
/// assert_eq!(size_of_val(&sqe), 64);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_sqe")]
pub struct Sqe {
    /// What to do (`opcode`, byte 0). An unknown one completes with EINVAL.
    pub opcode: Opcode,

    /// How to do it (`flags`, byte 1): link, drain, fixed file, buffer selection. A bit that the
    /// kernel does not know completes with EINVAL.
    pub flags: SqeFlags,

    /// Priority, or more flags (`ioprio`, bytes 2–3).
    ///
    /// | operations | meaning |
    /// |---|---|
    /// | READ, WRITE, READV, WRITEV, and the FIXED forms of these | as ioprio_set(2): class in the upper 3 bits, level in the lower 13; 0: the task's |
    /// | SEND, SENDMSG, SEND_ZC, SENDMSG_ZC, RECV, RECVMSG, RECV_ZC | [`RecvSendFlags`](crate::RecvSendFlags) |
    /// | ACCEPT | [`AcceptFlags`](crate::AcceptFlags) |
    /// | all others | must be 0 (EINVAL) |
    pub ioprio: u16,

    /// The descriptor, or the fixed-file slot with [`SqeFlags::FIXED_FILE`] (`fd`, bytes 4–7).
    ///
    /// | operations | meaning |
    /// |---|---|
    /// | reads, writes, FSYNC, FTRUNCATE, FALLOCATE, FADVISE, SYNC_FILE_RANGE, FGETXATTR, FSETXATTR | the file |
    /// | socket operations, POLL_ADD, URING_CMD | the socket or file |
    /// | OPENAT, OPENAT2, STATX, UNLINKAT, MKDIRAT, RENAMEAT, LINKAT | directory descriptor, or AT_FDCWD; never a slot (EBADF) |
    /// | SYMLINKAT | directory of the new name, or AT_FDCWD |
    /// | CLOSE | the descriptor; 0 if a slot is closed through `file_index` |
    /// | SPLICE, TEE | the output; the input is in [`file_index`](Self::file_index) |
    /// | EPOLL_CTL, EPOLL_WAIT | the epoll set |
    /// | MSG_RING | the target ring |
    /// | FIXED_FD_INSTALL | the slot, with [`SqeFlags::FIXED_FILE`] |
    /// | ASYNC_CANCEL | descriptor to match with [`CancelFlags::FD`](crate::CancelFlags::FD) |
    /// | SOCKET | the domain (AF_…) |
    /// | PROVIDE_BUFFERS, REMOVE_BUFFERS | number of buffers |
    /// | WAITID | the id to wait for (pid, pgid or pidfd, see `len`) |
    /// | FUTEX_WAIT, FUTEX_WAKE | futex2 flags (FUTEX2_SIZE_U32, FUTEX2_PRIVATE) |
    /// | NOP | the file to look up with [`NopFlags::FILE`](crate::NopFlags::FILE) |
    /// | PIPE | must be 0 |
    /// | TIMEOUT, TIMEOUT_REMOVE, LINK_TIMEOUT, POLL_REMOVE, FILES_UPDATE, MADVISE | not read; -1 by custom |
    pub fd: i32,

    /// Offset, second address, or command (`off`, union of `addr2` and `cmd_op`; bytes 8–15).
    ///
    /// | operations | C member | meaning |
    /// |---|---|---|
    /// | reads and writes | `off` | position in the file; `u64::MAX`: the file's own position, and advance it; 0 for what cannot seek |
    /// | FSYNC, SYNC_FILE_RANGE, FALLOCATE, FADVISE | `off` | start of the range |
    /// | FTRUNCATE | `off` | the new length |
    /// | SPLICE | `off` | output offset; `u64::MAX` for a pipe or the file's own position |
    /// | TIMEOUT | `off` | number of completions that also end it, 0 for none; with [`MULTISHOT`](crate::TimeoutFlags::MULTISHOT) the number of shots, 0 for no end |
    /// | TIMEOUT_REMOVE with UPDATE | `addr2` | address of the new [`Timespec`](crate::Timespec) |
    /// | POLL_REMOVE with UPDATE_USER_DATA | `off` | the new user data |
    /// | ACCEPT | `addr2` | address of the `socklen_t` (in: room, out: length), or 0 |
    /// | CONNECT, BIND | `addr2` | length of the address in bytes |
    /// | SEND, SEND_ZC | `addr2` | destination address, or 0 |
    /// | SOCKET | `off` | the type (SOCK_… with SOCK_CLOEXEC, SOCK_NONBLOCK) |
    /// | OPENAT2 | `addr2` | address of `struct open_how` |
    /// | STATX | `addr2` | address of the `struct statx` to be written |
    /// | RENAMEAT, LINKAT, SYMLINKAT | `addr2` | address of the new path |
    /// | SETXATTR, FSETXATTR, GETXATTR, FGETXATTR | `addr2` | address of the value |
    /// | FILES_UPDATE | `off` | the first slot; [`FILE_INDEX_ALLOC`]: let the kernel choose them |
    /// | PROVIDE_BUFFERS | `off` | id of the first buffer |
    /// | EPOLL_CTL | `off` | the descriptor to add, change or remove |
    /// | MSG_RING | `off` | user data of the target's completion |
    /// | MADVISE | `off` | length, if `len` is 0 (newer kernels) |
    /// | WAITID | `addr2` | address of the `siginfo_t` to be written |
    /// | FUTEX_WAIT | `addr2` | the value expected |
    /// | FUTEX_WAKE | `addr2` | how many to wake |
    /// | URING_CMD, URING_CMD128 | `cmd_op` | the command, in the lower 32 bits ([`set_cmd_op`](Self::set_cmd_op)); the upper are 0 |
    /// | NOP with [`CQE32`](crate::NopFlags::CQE32) | `off` | first extra word of the completion |
    #[doc(alias = "addr2")]
    pub off: u64,

    /// First address (`addr`, union of `splice_off_in`, `level` and `optname`; bytes 16–23).
    ///
    /// | operations | C member | meaning |
    /// |---|---|---|
    /// | READ, WRITE, SEND, RECV, SEND_ZC, READ_FIXED, WRITE_FIXED | `addr` | the buffer; 0 if the kernel chooses one; with a FIXED form, an address inside the registered buffer |
    /// | READV, WRITEV, READV_FIXED, WRITEV_FIXED, SEND with SEND_VECTORIZED | `addr` | the iovec array |
    /// | SENDMSG, SENDMSG_ZC, RECVMSG | `addr` | the `struct msghdr` |
    /// | ACCEPT | `addr` | the `sockaddr` to be written, or 0 |
    /// | CONNECT, BIND | `addr` | the `sockaddr` |
    /// | OPENAT, OPENAT2, STATX, UNLINKAT, MKDIRAT, RENAMEAT, LINKAT | `addr` | the (old) path |
    /// | SYMLINKAT | `addr` | what the link shall say |
    /// | TIMEOUT, LINK_TIMEOUT | `addr` | the [`Timespec`](crate::Timespec); with [`IMMEDIATE_ARG`](crate::TimeoutFlags::IMMEDIATE_ARG) nanoseconds |
    /// | TIMEOUT_REMOVE, POLL_REMOVE, ASYNC_CANCEL | `addr` | user data of the request meant |
    /// | FALLOCATE, FADVISE | `addr` | length (FADVISE: if 0, `len` has it) |
    /// | MADVISE | `addr` | start of the range |
    /// | SPLICE | `splice_off_in` | input offset; `u64::MAX` for a pipe or the file's own position |
    /// | FILES_UPDATE | `addr` | array of `i32` descriptors |
    /// | PROVIDE_BUFFERS | `addr` | the first buffer; the others follow it |
    /// | EPOLL_CTL, EPOLL_WAIT | `addr` | the `struct epoll_event` or the array of them |
    /// | MSG_RING | `addr` | [`MsgRingCommand`](crate::MsgRingCommand) |
    /// | SETXATTR, FSETXATTR, GETXATTR, FGETXATTR | `addr` | the attribute's name |
    /// | FUTEX_WAIT, FUTEX_WAKE | `addr` | the futex |
    /// | FUTEX_WAITV | `addr` | array of `struct futex_waitv` |
    /// | PIPE | `addr` | array of two `i32` to be written |
    /// | URING_CMD on a socket | `level`, `optname` | lower and upper 32 bits ([`set_level`](Self::set_level), [`set_optname`](Self::set_optname)) |
    /// | URING_CMD, GETSOCKNAME | `addr` | the `sockaddr` to be written |
    /// | NOP with [`CQE32`](crate::NopFlags::CQE32) | `addr` | second extra word of the completion |
    pub addr: u64,

    /// Length in bytes, or a count (`len`, bytes 24–27).
    ///
    /// | operations | meaning |
    /// |---|---|
    /// | READ, WRITE, SEND, RECV, READ_FIXED, WRITE_FIXED, SEND_ZC, SPLICE, TEE | bytes; with [`BUFFER_SELECT`](SqeFlags::BUFFER_SELECT) at most this many, 0: the buffer's length |
    /// | READV, WRITEV, their FIXED forms, SEND with SEND_VECTORIZED | number of iovecs |
    /// | SENDMSG, SENDMSG_ZC, RECVMSG | 1 |
    /// | RECV_ZC | bytes after which it ends, 0 for no end |
    /// | FSYNC, SYNC_FILE_RANGE | length of the range; 0: to the end |
    /// | FADVISE, MADVISE | length of the range, if it fits and no 64-bit one is given |
    /// | FALLOCATE | the mode (FALLOC_FL_…) |
    /// | OPENAT, MKDIRAT | the file mode |
    /// | OPENAT2 | size of `struct open_how` |
    /// | STATX | the mask (STATX_…) |
    /// | RENAMEAT, LINKAT | directory descriptor of the new name, or AT_FDCWD |
    /// | SETXATTR, FSETXATTR, GETXATTR, FGETXATTR | length of the value |
    /// | POLL_ADD, POLL_REMOVE | [`PollFlags`](crate::PollFlags) |
    /// | TIMEOUT, LINK_TIMEOUT | must be 1: the number of timespecs |
    /// | ASYNC_CANCEL | the opcode to match with [`CancelFlags::OP`](crate::CancelFlags::OP) |
    /// | SOCKET | the protocol |
    /// | SHUTDOWN | SHUT_RD, SHUT_WR or SHUT_RDWR |
    /// | LISTEN | the backlog |
    /// | FILES_UPDATE | number of descriptors |
    /// | PROVIDE_BUFFERS | length of each buffer |
    /// | EPOLL_CTL | EPOLL_CTL_ADD, _MOD or _DEL |
    /// | EPOLL_WAIT | room in the array of events |
    /// | MSG_RING | `res` of the target's completion |
    /// | WAITID | P_PID, P_PGID, P_PIDFD or P_ALL |
    /// | FUTEX_WAITV | number of futexes |
    /// | NOP | the result, with [`NopFlags::INJECT_RESULT`](crate::NopFlags::INJECT_RESULT) |
    pub len: u32,

    /// The operation's own flags (a union of 26 members; bytes 28–31).
    ///
    /// | operations | C member | meaning |
    /// |---|---|---|
    /// | reads and writes | `rw_flags` | RWF_… of preadv2(2) |
    /// | FSYNC | `fsync_flags` | [`FsyncFlags`](crate::FsyncFlags) |
    /// | POLL_ADD, POLL_REMOVE | `poll32_events` (`poll_events` before 5.9: the lower 16 bits) | POLLIN, EPOLLEXCLUSIVE, … |
    /// | SYNC_FILE_RANGE | `sync_range_flags` | SYNC_FILE_RANGE_… |
    /// | SEND, SENDMSG, RECV, RECVMSG and zero-copy forms | `msg_flags` | MSG_… of send(2), recv(2) |
    /// | TIMEOUT, TIMEOUT_REMOVE, LINK_TIMEOUT | `timeout_flags` | [`TimeoutFlags`](crate::TimeoutFlags) |
    /// | ACCEPT | `accept_flags` | SOCK_CLOEXEC, SOCK_NONBLOCK of accept4(2) |
    /// | ASYNC_CANCEL | `cancel_flags` | [`CancelFlags`](crate::CancelFlags) |
    /// | OPENAT | `open_flags` | O_… of openat(2) |
    /// | STATX | `statx_flags` | AT_… of statx(2) |
    /// | FADVISE, MADVISE | `fadvise_advice` | the advice itself |
    /// | SPLICE, TEE | `splice_flags` | [`SpliceFlags`](crate::SpliceFlags) and SPLICE_F_… of splice(2) |
    /// | RENAMEAT | `rename_flags` | RENAME_… of renameat2(2) |
    /// | UNLINKAT | `unlink_flags` | AT_REMOVEDIR |
    /// | LINKAT | `hardlink_flags` | AT_… of linkat(2) |
    /// | SETXATTR, FSETXATTR | `xattr_flags` | XATTR_CREATE, XATTR_REPLACE |
    /// | MSG_RING | `msg_ring_flags` | [`MsgRingFlags`](crate::MsgRingFlags) |
    /// | URING_CMD, URING_CMD128 | `uring_cmd_flags` | [`UringCmdFlags`](crate::UringCmdFlags); the upper 8 bits are the kernel's |
    /// | WAITID | `waitid_flags` | must be 0 |
    /// | FUTEX_… | `futex_flags` | must be 0 |
    /// | FIXED_FD_INSTALL | `install_fd_flags` | [`FixedFdFlags`](crate::FixedFdFlags) |
    /// | NOP, NOP128 | `nop_flags` | [`NopFlags`](crate::NopFlags) |
    /// | PIPE | `pipe_flags` | O_CLOEXEC, O_NONBLOCK, O_DIRECT of pipe2(2) |
    /// | SOCKET, CLOSE, CONNECT, BIND, LISTEN, SHUTDOWN | `rw_flags` | must be 0 |
    #[doc(alias = "rw_flags")]
    #[doc(alias = "fsync_flags")]
    #[doc(alias = "poll32_events")]
    #[doc(alias = "sync_range_flags")]
    #[doc(alias = "msg_flags")]
    #[doc(alias = "timeout_flags")]
    #[doc(alias = "accept_flags")]
    #[doc(alias = "cancel_flags")]
    #[doc(alias = "open_flags")]
    #[doc(alias = "statx_flags")]
    #[doc(alias = "fadvise_advice")]
    #[doc(alias = "splice_flags")]
    #[doc(alias = "rename_flags")]
    #[doc(alias = "unlink_flags")]
    #[doc(alias = "hardlink_flags")]
    #[doc(alias = "xattr_flags")]
    #[doc(alias = "msg_ring_flags")]
    #[doc(alias = "uring_cmd_flags")]
    #[doc(alias = "waitid_flags")]
    #[doc(alias = "futex_flags")]
    #[doc(alias = "install_fd_flags")]
    #[doc(alias = "nop_flags")]
    #[doc(alias = "pipe_flags")]
    pub op_flags: u32,

    /// Returned unchanged in [`Cqe::user_data`](crate::Cqe::user_data) (`user_data`, bytes 32–39).
    /// Never looked at, except to match it in ASYNC_CANCEL, POLL_REMOVE and TIMEOUT_REMOVE.
    #[doc(alias = "io_uring_sqe_set_data")]
    #[doc(alias = "io_uring_sqe_set_data64")]
    pub user_data: u64,

    /// Index of a registered buffer, or a buffer group (`buf_index`, union of `buf_group`; bytes
    /// 40–41).
    ///
    /// | operations | C member | meaning |
    /// |---|---|---|
    /// | READ_FIXED, WRITE_FIXED, READV_FIXED, WRITEV_FIXED | `buf_index` | the registered buffer |
    /// | SEND, SEND_ZC, SENDMSG_ZC with [`FIXED_BUF`](crate::RecvSendFlags::FIXED_BUF) | `buf_index` | the registered buffer |
    /// | URING_CMD with [`FIXED`](crate::UringCmdFlags::FIXED), NOP with [`FIXED_BUFFER`](crate::NopFlags::FIXED_BUFFER) | `buf_index` | the registered buffer |
    /// | READ, READV, RECV, RECVMSG, READ_MULTISHOT and (since 6.10) SEND, SENDMSG with [`BUFFER_SELECT`](SqeFlags::BUFFER_SELECT) | `buf_group` | the group (`bgid`) |
    /// | PROVIDE_BUFFERS, REMOVE_BUFFERS | `buf_group` | the group |
    #[doc(alias = "buf_group")]
    pub buf_index: u16,

    /// Credentials to act with, from [`RegisterOp::PERSONALITY`](crate::RegisterOp::PERSONALITY),
    /// or 0 for the submitter's (`personality`, bytes 42–43). An unknown one completes with EINVAL.
    pub personality: u16,

    /// Slot, second descriptor, or a length (`file_index`, union of `splice_fd_in`, `zcrx_ifq_idx`,
    /// `optlen` and `addr_len`; bytes 44–47).
    ///
    /// | operations | C member | meaning |
    /// |---|---|---|
    /// | OPENAT, OPENAT2, ACCEPT, SOCKET, PIPE | `file_index` | 0: make an ordinary descriptor; slot + 1: put it there; [`FILE_INDEX_ALLOC`]: into any free slot |
    /// | CLOSE | `file_index` | slot + 1, or 0 to close `fd` |
    /// | MSG_RING with [`SEND_FD`](crate::MsgRingCommand::SEND_FD) | `file_index` | slot + 1 in the target ring, or [`FILE_INDEX_ALLOC`] |
    /// | MSG_RING with [`FLAGS_PASS`](crate::MsgRingFlags::FLAGS_PASS) | `file_index` | `flags` of the target's completion |
    /// | SPLICE, TEE | `splice_fd_in` | the input; a slot with [`FD_IN_FIXED`](crate::SpliceFlags::FD_IN_FIXED) |
    /// | RECV_ZC | `zcrx_ifq_idx` | which registered queue (its `zcrx_id`) |
    /// | RECV multishot | `optlen` | bytes after which it must be armed again, 0 for no limit (6.17) |
    /// | URING_CMD on a socket | `optlen` | length of the option's value; for GETSOCKNAME 1 asks for the peer |
    /// | SEND, SEND_ZC | `addr_len` | length of the address in `off`, in the lower 16 bits |
    /// | WAITID | `file_index` | options (WEXITED, …) |
    #[doc(alias = "splice_fd_in")]
    #[doc(alias = "zcrx_ifq_idx")]
    #[doc(alias = "optlen")]
    #[doc(alias = "addr_len")]
    pub file_index: u32,

    /// Third address (`addr3`, union of `attr_ptr`, `optval` and `cmd`; bytes 48–55).
    ///
    /// | operations | C member | meaning |
    /// |---|---|---|
    /// | GETXATTR, SETXATTR | `addr3` | the path |
    /// | MSG_RING with [`SEND_FD`](crate::MsgRingCommand::SEND_FD) | `addr3` | slot of the file in this ring |
    /// | FUTEX_WAIT, FUTEX_WAKE | `addr3` | the mask, of the futex's width |
    /// | SEND_ZC, SENDMSG_ZC | `addr3` | user data of the notification, 0: the request's (7.1) |
    /// | READ, WRITE and kin, if `attr_type_mask` is not 0 | `attr_ptr` | address of the attributes ([`AttrPi`](crate::AttrPi)) |
    /// | URING_CMD on a socket | `optval` | address of the option's value; for GETSOCKNAME of the length |
    /// | other URING_CMD | `cmd` | bytes 0–7 of the command |
    #[doc(alias = "attr_ptr")]
    #[doc(alias = "optval")]
    #[doc(alias = "cmd")]
    pub addr3: u64,

    /// The last word (`__pad2`, union of `attr_type_mask` and `cmd`; bytes 56–63).
    ///
    /// | operations | C member | meaning |
    /// |---|---|---|
    /// | READ, WRITE and kin | `attr_type_mask` | which attributes `addr3` points to: [`AttrPi::TYPE`](crate::AttrPi::TYPE) or 0 |
    /// | URING_CMD | `cmd` | bytes 8–15 of the command |
    /// | all others | `__pad2` | must be 0 |
    #[doc(alias = "attr_type_mask")]
    pub pad: u64,
}

impl Sqe {
    /// An entry of which only the opcode is set.
    #[must_use]
    #[doc(alias = "io_uring_prep_rw")]
    #[doc(alias = "io_uring_initialize_sqe")]
    pub const fn new(opcode: Opcode) -> Self {
        Self {
            opcode,
            flags: SqeFlags::EMPTY,
            ioprio: 0,
            fd: 0,
            off: 0,
            addr: 0,
            len: 0,
            op_flags: 0,
            user_data: 0,
            buf_index: 0,
            personality: 0,
            file_index: 0,
            addr3: 0,
            pad: 0,
        }
    }
}

/// A submission queue entry of 128 bytes, as all are with
/// [`SetupFlags::SQE128`](crate::SetupFlags::SQE128) and those of 128-byte opcodes are with
/// [`SQE_MIXED`](crate::SetupFlags::SQE_MIXED).
///
/// The command of a URING_CMD is 80 bytes long then: [`Sqe::addr3`], [`Sqe::pad`] and `cmd_rest`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Sqe128 {
    /// The first 64 bytes.
    pub sqe: Sqe,
    /// Bytes 16–79 of the command; not read by other operations.
    pub cmd_rest: [u8; 64],
}

/// In [`Sqe::file_index`]: let the kernel choose a free fixed-file slot, which is then the result
/// (ENFILE if there is none).
#[doc(alias = "IORING_FILE_INDEX_ALLOC")]
pub const FILE_INDEX_ALLOC: u32 = u32::MAX;

flags! {
    /// Flags of a submission, in [`Sqe::flags`] (`IOSQE_*`); io_uring_enter(2).
    pub struct SqeFlags(u8) {
        /// [`Sqe::fd`] is a slot of the fixed-file table, not a descriptor. EBADF if it is empty.
        const FIXED_FILE = 1 << 0 => "IOSQE_FIXED_FILE", (5, 1);
        /// Start after all earlier submissions have completed, and hold up all later ones until
        /// then.
        const IO_DRAIN = 1 << 1 => "IOSQE_IO_DRAIN", (5, 2);
        /// Start the next submission only after this one succeeded; if it fails or falls short, the
        /// rest of the chain completes with ECANCELED. A chain ends with the submit call.
        const IO_LINK = 1 << 2 => "IOSQE_IO_LINK", (5, 3);
        /// Start the next submission after this one, however it ended.
        const IO_HARDLINK = 1 << 3 => "IOSQE_IO_HARDLINK", (5, 5);
        /// Hand it to a worker thread at once, without a try.
        const ASYNC = 1 << 4 => "IOSQE_ASYNC", (5, 6);
        /// The kernel takes a provided buffer of group [`Sqe::buf_index`] when it has data, and
        /// names it in [`CqeFlags::BUFFER`](crate::CqeFlags::BUFFER). ENOBUFS if the group is
        /// empty, EOPNOTSUPP if the operation cannot.
        const BUFFER_SELECT = 1 << 5 => "IOSQE_BUFFER_SELECT", (5, 7);
        /// Post no completion if the request succeeds. Not together with IO_DRAIN.
        const CQE_SKIP_SUCCESS = 1 << 6 => "IOSQE_CQE_SKIP_SUCCESS", (5, 17);
    }
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Sqe>() == 64);
    assert!(align_of::<Sqe>() == 8);
    assert!(offset_of!(Sqe, opcode) == 0);
    assert!(offset_of!(Sqe, flags) == 1);
    assert!(offset_of!(Sqe, ioprio) == 2);
    assert!(offset_of!(Sqe, fd) == 4);
    assert!(offset_of!(Sqe, off) == 8);
    assert!(offset_of!(Sqe, addr) == 16);
    assert!(offset_of!(Sqe, len) == 24);
    assert!(offset_of!(Sqe, op_flags) == 28);
    assert!(offset_of!(Sqe, user_data) == 32);
    assert!(offset_of!(Sqe, buf_index) == 40);
    assert!(offset_of!(Sqe, personality) == 42);
    assert!(offset_of!(Sqe, file_index) == 44);
    assert!(offset_of!(Sqe, addr3) == 48);
    assert!(offset_of!(Sqe, pad) == 56);
    assert!(size_of::<Sqe128>() == 128);
    assert!(offset_of!(Sqe128, cmd_rest) == 64);
};

#[cfg(test)]
mod tests;

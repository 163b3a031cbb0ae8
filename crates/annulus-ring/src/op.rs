//! Typed operations: descriptions of requests, one file each.
//!
//! Owns: which field of an SQE each part of a request goes to, and what a CQE of that request
//! means. Does not own: the memory that an operation points at, the descriptors that it names, or
//! any ring.
//!
//! Invariants: `encode` and `decode` are pure; an operation is plain data, made with a struct
//! literal; nothing here is unsafe, because only *pushing* an operation lets the kernel follow its
//! pointers ([`Ring::push`](crate::Ring::push) is where that promise is made).
//!
//! Mirrors the `io_uring_prep_*(3)` functions of liburing, and io_uring_enter(2).

#![forbid(unsafe_code)]

use std::{io, os::fd::RawFd};

use annulus_abi::{Cqe, Errno, FILE_INDEX_ALLOC, Features, Opcode, Sqe, Sqe128, SqeFlags};

use crate::{OpConflict, Version};

// What can be said of any of them.
mod flagged;

// Nothing, and the end of other requests.
mod cancel;
mod cancel_fd;
mod cancel_matching;
mod nop;
mod nop128;
mod nop_with;

// Bytes.
mod pipe;
mod read;
mod read_fixed;
mod read_multi;
mod read_select;
mod readv;
mod readv_fixed;
mod rw_with;
mod splice;
mod tee;
mod write;
mod write_fixed;
mod writev;
mod writev_fixed;

// Open files.
mod close;
mod close_fixed;
mod fadvise;
mod fallocate;
mod fsync;
mod fsync_range;
mod ftruncate;
mod madvise;
mod sync_file_range;

// Names.
mod fgetxattr;
mod fsetxattr;
mod getxattr;
mod linkat;
mod mkdirat;
mod openat;
mod openat2;
mod renameat;
mod setxattr;
mod statx;
mod symlinkat;
mod unlinkat;

// Sockets.
mod accept;
mod accept_multi;
mod bind;
mod connect;
mod get_socket_option;
mod listen;
mod set_socket_option;
mod shutdown;
mod socket;
mod socket_input;
mod socket_name;
mod socket_output;
mod tx_timestamps;

// Messages.
mod notify_as;
mod recv;
mod recv_fixed;
mod recv_msg;
mod recv_msg_multi;
mod recv_msg_select;
mod recv_multi;
mod recv_multi_with;
mod recv_select;
mod recv_zc;
mod send;
mod send_fixed;
mod send_msg;
mod send_msg_zc;
mod send_select;
mod send_to;
mod send_zc;
mod sendv;
mod sendv_zc;

// Time and readiness.
mod epoll_ctl;
mod epoll_wait;
mod link_timeout;
mod link_timeout_ns;
mod poll_add;
mod poll_remove;
mod poll_update;
mod timeout;
mod timeout_ns;
mod timeout_remove;
mod timeout_update;
mod timeout_update_ns;

// Processes.
mod futex_wait;
mod futex_waitv;
mod futex_wake;
mod waitid;

// The ring itself, other rings, drivers.
mod cmd;
mod cmd128;
mod cmd80;
mod cmd_fixed;
mod cmd_multi;
mod discard;
mod files_update;
mod fixed_fd_install;
mod msg_ring;
mod msg_ring_fd;
mod provide_buffers;
mod remove_buffers;
mod zone_reset_all;

pub use accept::Accept;
pub use accept_multi::AcceptMulti;
pub use bind::Bind;
pub use cancel::{Cancel, CancelOutcome};
pub use cancel_fd::CancelFd;
pub use cancel_matching::CancelMatching;
pub use close::Close;
pub use close_fixed::CloseFixed;
pub use cmd::Cmd;
pub use cmd_fixed::CmdFixed;
pub use cmd_multi::CmdMulti;
pub use cmd80::Cmd80;
pub use cmd128::Cmd128;
pub use connect::Connect;
pub use discard::Discard;
pub use epoll_ctl::EpollCtl;
pub use epoll_wait::EpollWait;
pub use fadvise::Fadvise;
pub use fallocate::Fallocate;
pub use fgetxattr::Fgetxattr;
pub use files_update::FilesUpdate;
pub use fixed_fd_install::FixedFdInstall;
pub use flagged::Flagged;
pub use fsetxattr::Fsetxattr;
pub use fsync::Fsync;
pub use fsync_range::FsyncRange;
pub use ftruncate::Ftruncate;
pub use futex_wait::FutexWait;
pub use futex_waitv::FutexWaitv;
pub use futex_wake::FutexWake;
pub use get_socket_option::GetSocketOption;
pub use getxattr::Getxattr;
pub use link_timeout::{LinkTimeout, LinkTimeoutEnd};
pub use link_timeout_ns::LinkTimeoutNs;
pub use linkat::Linkat;
pub use listen::Listen;
pub use madvise::Madvise;
pub use mkdirat::Mkdirat;
pub use msg_ring::MsgRing;
pub use msg_ring_fd::MsgRingFd;
pub use nop::Nop;
pub use nop_with::NopWith;
pub use nop128::Nop128;
pub use notify_as::{NotifyAs, ZeroCopySend};
pub use openat::Openat;
pub use openat2::Openat2;
pub use pipe::Pipe;
pub use poll_add::PollAdd;
pub use poll_remove::PollRemove;
pub use poll_update::PollUpdate;
pub use provide_buffers::ProvideBuffers;
pub use read::Read;
pub use read_fixed::ReadFixed;
pub use read_multi::ReadMulti;
pub use read_select::ReadSelect;
pub use readv::Readv;
pub use readv_fixed::ReadvFixed;
pub use recv::Recv;
pub use recv_fixed::RecvFixed;
pub use recv_msg::RecvMsg;
pub use recv_msg_multi::{MessageParts, RecvMsgMulti};
pub use recv_msg_select::RecvMsgSelect;
pub use recv_multi::RecvMulti;
pub use recv_multi_with::RecvMultiWith;
pub use recv_select::RecvSelect;
pub use recv_zc::RecvZc;
pub use remove_buffers::RemoveBuffers;
pub use renameat::Renameat;
pub use rw_with::{ReadWrite, RwWith};
pub use send::Send;
pub use send_fixed::SendFixed;
pub use send_msg::SendMsg;
pub use send_msg_zc::SendMsgZc;
pub use send_select::SendSelect;
pub use send_to::SendTo;
pub use send_zc::{SendZc, ZeroCopy};
pub use sendv::Sendv;
pub use sendv_zc::SendvZc;
pub use set_socket_option::SetSocketOption;
pub use setxattr::Setxattr;
pub use shutdown::Shutdown;
pub use socket::Socket;
pub use socket_input::SocketInput;
pub use socket_name::SocketName;
pub use socket_output::SocketOutput;
pub use splice::Splice;
pub use statx::Statx;
pub use symlinkat::Symlinkat;
pub use sync_file_range::SyncFileRange;
pub use tee::Tee;
pub use timeout::{Timeout, TimeoutEnd};
pub use timeout_ns::TimeoutNs;
pub use timeout_remove::TimeoutRemove;
pub use timeout_update::TimeoutUpdate;
pub use timeout_update_ns::TimeoutUpdateNs;
pub use tx_timestamps::{TxTimestamp, TxTimestamps};
pub use unlinkat::Unlinkat;
pub use waitid::Waitid;
pub use write::Write;
pub use write_fixed::WriteFixed;
pub use writev::Writev;
pub use writev_fixed::WritevFixed;
pub use zone_reset_all::ZoneResetAll;

/// A request that the kernel can carry out: how it is written down, and what its result means.
///
/// An operation holds pointers, never owners. Whoever pushes it promises that all memory behind
/// them stays valid, in place and unaliased until the completion that the operation's own page
/// names (its section *Memory*); most often that is the completion without
/// [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE).
///
/// ```
/// use annulus_abi::{Cqe, Opcode, Sqe};
/// use annulus_ring::op::{Op, Read, Target};
///
/// let mut buffer = [0u8; 512];
/// let read = Read { target: Target::Fd(3), addr: buffer.as_mut_ptr(), len: 512, offset: 4096 };
/// let mut sqe = Sqe::default();
/// read.encode(&mut sqe);
/// assert_eq!((sqe.opcode, sqe.fd, sqe.off, sqe.len), (Opcode::READ, 3, 4096, 512));
///
/// let cqe = Cqe { res: 100, ..Cqe::default() };
/// assert_eq!(Read::decode(&cqe)?, 100);
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Op {
    /// The opcode that `encode` writes.
    const OPCODE: Opcode;

    /// What one successful completion says.
    type Output;

    /// Writes the request into `sqe`, which arrives zeroed except for `user_data`.
    ///
    /// Sets the opcode and every flag that the operation itself needs ([`SqeFlags::FIXED_FILE`],
    /// [`SqeFlags::BUFFER_SELECT`]); leaves `user_data` and the flags of the submitter (links,
    /// drain, `ASYNC`) alone.
    fn encode(&self, sqe: &mut Sqe);

    /// Reads one completion of this operation.
    ///
    /// # Errors
    /// The error that the kernel reports, as [`io::Error::raw_os_error`]; results that merely say
    /// how a request ended (a timeout that expired) are values, not errors.
    fn decode(cqe: &Cqe) -> io::Result<Self::Output>;

    /// The first kernel that has this operation with these options. For people: kernels carry
    /// features back, so nothing is decided by it.
    ///
    /// ```
    /// use annulus_abi::CancelFlags;
    /// use annulus_ring::{Target, op::{Cancel, CancelFd, Op}};
    ///
    /// assert_eq!(Cancel { user_data: 1, flags: CancelFlags::EMPTY }.since(), (5, 5));
    /// let slot = CancelFd { target: Target::Fixed(1), flags: CancelFlags::EMPTY };
    /// assert_eq!(slot.since(), (6, 0));
    /// ```
    fn since(&self) -> Version {
        first_kernel(Self::OPCODE)
    }

    /// The features that these options depend on, where the kernel has a bit for them.
    fn features(&self) -> Features {
        Features::EMPTY
    }

    /// Looks whether the options go together, where the kernel would answer no more than `EINVAL`,
    /// or do something else than was meant. It costs time and is never done unasked: see
    /// [`Capabilities::admit`](crate::Capabilities::admit).
    ///
    /// # Errors
    /// [`OpConflict`], which says what excludes what.
    fn check(&self) -> Result<(), OpConflict> {
        Ok(())
    }

    /// The same operation with flags of the submitter, or as somebody else: links, drain, a worker
    /// at once, no completion on success, a personality.
    fn flagged(self) -> Flagged<Self>
    where
        Self: Sized,
    {
        Flagged { op: self, flags: SqeFlags::EMPTY, personality: 0 }
    }
}

/// A request that takes an entry of 128 bytes: of a ring with
/// [`SetupFlags::SQE128`](annulus_abi::SetupFlags::SQE128), where every entry is that long, or with
/// [`SetupFlags::SQE_MIXED`](annulus_abi::SetupFlags::SQE_MIXED), where those of
/// [`Opcode::NOP128`] and [`Opcode::URING_CMD128`] are.
///
/// It is not an [`Op`], so that no entry of 64 bytes can be made of it by mistake;
/// [`Ring::push_wide`](crate::Ring::push_wide) takes it, which only those rings have.
pub trait WideOp {
    /// The opcode that `encode` writes.
    const OPCODE: Opcode;

    /// What one successful completion says.
    type Output;

    /// Writes the request into `sqe`, which arrives zeroed except for `user_data`; otherwise as
    /// [`Op::encode`].
    fn encode(&self, sqe: &mut Sqe128);

    /// Reads one completion of this operation.
    ///
    /// # Errors
    /// The error that the kernel reports, as [`io::Error::raw_os_error`].
    fn decode(cqe: &Cqe) -> io::Result<Self::Output>;

    /// As [`Op::since`].
    fn since(&self) -> Version {
        later(first_kernel(Self::OPCODE), (5, 19))
    }
}

/// The file that an operation works on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// A descriptor of the process.
    Fd(RawFd),
    /// A slot of the ring's fixed-file table: a direct descriptor.
    Fixed(u32),
}

impl Target {
    /// Sets `fd`, and [`SqeFlags::FIXED_FILE`] for a slot.
    #[inline]
    pub fn encode(self, sqe: &mut Sqe) {
        // Both stores always: no branch.
        let (fd, flags) = match self {
            Self::Fd(fd) => (fd, SqeFlags::EMPTY),
            Self::Fixed(slot) => (slot as i32, SqeFlags::FIXED_FILE),
        };
        sqe.fd = fd;
        sqe.flags |= flags;
    }
}

/// Where the file that an operation creates goes.
///
/// Only a process descriptor can be close-on-exec: with a slot, `O_CLOEXEC` and `SOCK_CLOEXEC` are
/// refused with `EINVAL`.
#[doc(alias = "__io_uring_set_target_fixed_file")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Place {
    /// A new descriptor of the process; the completion carries its number.
    #[default]
    Fd,
    /// This slot of the fixed-file table, replacing (and closing) what it held; the completion
    /// carries 0.
    Fixed(u32),
    /// A free slot that the kernel chooses; the completion carries its number. Since 5.19.
    FixedAny,
}

impl Place {
    /// Sets `file_index`.
    #[inline]
    pub fn encode(self, sqe: &mut Sqe) {
        sqe.file_index = match self {
            Self::Fd => 0,
            Self::Fixed(slot) => {
                debug_assert!(slot < FILE_INDEX_ALLOC - 1, "no table has a slot {slot}");
                slot.wrapping_add(1)
            }
            Self::FixedAny => FILE_INDEX_ALLOC,
        };
    }

    /// The first kernel that puts files there.
    fn since(self) -> Version {
        match self {
            Self::Fd => (5, 1),
            Self::Fixed(_) => (5, 15),
            Self::FixedAny => (5, 19),
        }
    }

    /// A slot and a flag that only a descriptor of the process can have.
    fn check(self, op: Opcode, flags: i32, close_on_exec: i32) -> Result<(), OpConflict> {
        let conflict = self != Self::Fd && flags & close_on_exec != 0;
        OpConflict::if_any(op, &[(conflict, "a slot cannot be close-on-exec")])
    }
}

/// What one receive into a provided buffer brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// Bytes received; 0 is the end of the stream (or an empty datagram).
    pub bytes: u32,
    /// The provided buffer that holds them; none at the end of a stream. It belongs to the
    /// application from this completion on, until it is pushed to the buffer ring again. In a
    /// bundle it is the first of as many consecutive buffers as `bytes` fill.
    pub buffer: Option<u16>,
    /// The kernel goes on filling the same buffer behind these bytes, so it must not be pushed
    /// again yet (`IORING_CQE_F_BUF_MORE`; only in incremental groups).
    pub buffer_more: bool,
    /// There was more to receive when this completed (`IORING_CQE_F_SOCK_NONEMPTY`); a hint.
    pub nonempty: bool,
}

/// What one send from a group of provided buffers took out of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// Bytes sent.
    pub bytes: u32,
    /// The provided buffer they came from; in a bundle the first of as many consecutive ones as
    /// `bytes` were in. It belongs to the application from this completion on.
    pub buffer: Option<u16>,
    /// The rest of the buffer stays in the group (`IORING_CQE_F_BUF_MORE`; only in incremental
    /// groups).
    pub buffer_more: bool,
}

/// The first kernel with an opcode.
fn first_kernel(opcode: Opcode) -> Version {
    opcode.since().unwrap_or(OLDEST)
}

/// The first kernel with io_uring.
const OLDEST: Version = (5, 1);

/// The later of two kernels.
fn later(one: Version, other: Version) -> Version {
    one.max(other)
}

/// The value of a pointer as the kernel reads it. Its provenance is exposed: a kernel that lives in
/// this process makes a pointer of it again.
#[inline]
fn address<T>(pointer: *const T) -> u64 {
    pointer.expose_provenance() as u64
}

/// A result that is a number of bytes, events or items.
#[inline]
fn count(cqe: &Cqe) -> io::Result<u32> {
    Errno::from_result(cqe.res).map_err(io::Error::from)
}

/// A result that says nothing but success.
#[inline]
fn done(cqe: &Cqe) -> io::Result<()> {
    count(cqe).map(drop)
}

/// A result that is a descriptor, or the slot of a direct one.
#[inline]
fn descriptor(cqe: &Cqe) -> io::Result<RawFd> {
    count(cqe).map(|number| number as RawFd)
}

/// A result that is a number of bytes in a buffer that the kernel chose.
#[inline]
fn received(cqe: &Cqe) -> io::Result<Received> {
    use annulus_abi::CqeFlags;

    count(cqe).map(|bytes| Received {
        bytes,
        buffer: cqe.buffer_id(),
        buffer_more: cqe.flags.contains(CqeFlags::BUF_MORE),
        nonempty: cqe.flags.contains(CqeFlags::SOCK_NONEMPTY),
    })
}

/// A result that is a number of bytes out of a buffer that the kernel chose.
#[inline]
fn sent(cqe: &Cqe) -> io::Result<Sent> {
    received(cqe).map(|taken| Sent {
        bytes: taken.bytes,
        buffer: taken.buffer,
        buffer_more: taken.buffer_more,
    })
}

#[cfg(test)]
mod tests;

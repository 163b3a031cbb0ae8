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

use annulus_abi::{Cqe, Errno, FILE_INDEX_ALLOC, Opcode, Sqe, SqeFlags};

// Nothing, and the end of other requests.
mod cancel;
mod cancel_fd;
mod cancel_matching;
mod nop;

// Bytes.
mod pipe;
mod read;
mod read_fixed;
mod read_multi;
mod readv;
mod readv_fixed;
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

// Messages.
mod recv;
mod recv_msg;
mod recv_msg_multi;
mod recv_multi;
mod send;
mod send_msg;
mod send_msg_zc;
mod send_to;
mod send_zc;

// Time and readiness.
mod epoll_ctl;
mod epoll_wait;
mod link_timeout;
mod poll_add;
mod poll_remove;
mod poll_update;
mod timeout;
mod timeout_remove;
mod timeout_update;

// Processes.
mod futex_wait;
mod futex_waitv;
mod futex_wake;
mod waitid;

// The ring itself, other rings, drivers.
mod cmd;
mod files_update;
mod fixed_fd_install;
mod msg_ring;
mod msg_ring_fd;
mod provide_buffers;
mod remove_buffers;

pub use accept::Accept;
pub use accept_multi::AcceptMulti;
pub use bind::Bind;
pub use cancel::{Cancel, CancelOutcome};
pub use cancel_fd::CancelFd;
pub use cancel_matching::CancelMatching;
pub use close::Close;
pub use close_fixed::CloseFixed;
pub use cmd::Cmd;
pub use connect::Connect;
pub use epoll_ctl::EpollCtl;
pub use epoll_wait::EpollWait;
pub use fadvise::Fadvise;
pub use fallocate::Fallocate;
pub use fgetxattr::Fgetxattr;
pub use files_update::FilesUpdate;
pub use fixed_fd_install::FixedFdInstall;
pub use fsetxattr::Fsetxattr;
pub use fsync::Fsync;
pub use ftruncate::Ftruncate;
pub use futex_wait::FutexWait;
pub use futex_waitv::FutexWaitv;
pub use futex_wake::FutexWake;
pub use get_socket_option::GetSocketOption;
pub use getxattr::Getxattr;
pub use link_timeout::{LinkTimeout, LinkTimeoutEnd};
pub use linkat::Linkat;
pub use listen::Listen;
pub use madvise::Madvise;
pub use mkdirat::Mkdirat;
pub use msg_ring::MsgRing;
pub use msg_ring_fd::MsgRingFd;
pub use nop::Nop;
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
pub use readv::Readv;
pub use readv_fixed::ReadvFixed;
pub use recv::Recv;
pub use recv_msg::RecvMsg;
pub use recv_msg_multi::{MessageParts, RecvMsgMulti};
pub use recv_multi::RecvMulti;
pub use remove_buffers::RemoveBuffers;
pub use renameat::Renameat;
pub use send::Send;
pub use send_msg::SendMsg;
pub use send_msg_zc::SendMsgZc;
pub use send_to::SendTo;
pub use send_zc::{SendZc, ZeroCopy};
pub use set_socket_option::SetSocketOption;
pub use setxattr::Setxattr;
pub use shutdown::Shutdown;
pub use socket::Socket;
pub use splice::Splice;
pub use statx::Statx;
pub use symlinkat::Symlinkat;
pub use sync_file_range::SyncFileRange;
pub use tee::Tee;
pub use timeout::{Timeout, TimeoutEnd};
pub use timeout_remove::TimeoutRemove;
pub use timeout_update::TimeoutUpdate;
pub use unlinkat::Unlinkat;
pub use waitid::Waitid;
pub use write::Write;
pub use write_fixed::WriteFixed;
pub use writev::Writev;
pub use writev_fixed::WritevFixed;

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
        match self {
            Self::Fd(fd) => sqe.fd = fd,
            Self::Fixed(slot) => {
                sqe.fd = slot as i32;
                sqe.flags |= SqeFlags::FIXED_FILE;
            }
        }
    }
}

/// Where the file that an operation creates goes.
///
/// Only a process descriptor can be close-on-exec: with a slot, `O_CLOEXEC` and `SOCK_CLOEXEC` are
/// refused with `EINVAL`.
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

#[cfg(test)]
mod tests;

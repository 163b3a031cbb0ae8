//! The completion queue entry: 16 bytes that say what came of it.
//!
//! Owns: [`Cqe`], [`Cqe32`] and [`CqeFlags`], documented to the bit. Does not own: what a result
//! means for an operation (its manual page says).
//!
//! Invariants: the layout is the kernel's (asserted below). The kernel writes an entry, then
//! releases the tail; user space reads it, then releases the head.
//!
//! Mirrors `struct io_uring_cqe`; io_uring_enter(2).

use std::io;

use crate::{Errno, flags::flags};

/// A completion queue entry (`struct io_uring_cqe`), 16 bytes, aligned to 8.
///
/// ```text
///       0        1        2        3        4        5        6        7
///   0 |                               user_data                               |
///   8 |                res                |               flags               |
/// ```
///
/// Each submission without [`CQE_SKIP_SUCCESS`](crate::SqeFlags::CQE_SKIP_SUCCESS) completes
/// exactly once with [`more`](Self::more) false. Multishot requests complete any number of times
/// with `more` true before that; a zero-copy send exactly once. Completions of different requests
/// come in any order, and a linked timeout's may precede that of the request it cancels.
///
/// ```
/// use annulus_abi::{Cqe, CqeFlags, Errno};
///
/// let cqe = Cqe { user_data: 42, res: 512, flags: CqeFlags(7 << 16) | CqeFlags::BUFFER };
/// assert_eq!(cqe.result(), Ok(512));
/// assert_eq!(cqe.buffer_id(), Some(7));
/// assert!(!cqe.more());
///
/// let failed = Cqe { res: -104, ..Cqe::default() };
/// assert_eq!(failed.result(), Err(Errno(104)));
/// assert_eq!(failed.io_result().unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_cqe")]
pub struct Cqe {
    /// Copied unchanged from [`Sqe::user_data`](crate::Sqe::user_data) (`user_data`, bytes 0–7).
    ///
    /// | completion of | meaning |
    /// |---|---|
    /// | a submission | its user data |
    /// | the target of MSG_RING | [`Sqe::off`](crate::Sqe::off) of the sender |
    /// | a resource with a tag, when the kernel drops it | the tag |
    /// | a zero-copy send's notification | the send's user data, or its `addr3` (7.1) |
    #[doc(alias = "io_uring_cqe_get_data")]
    #[doc(alias = "io_uring_cqe_get_data64")]
    pub user_data: u64,

    /// The result (`res`, bytes 8–11): what the system call would have returned, or `-errno`.
    ///
    /// | completion of | meaning if it is not negative |
    /// |---|---|
    /// | reads, writes, sends, receives, splices | bytes moved; 0 from a receive is the end of the stream |
    /// | a bundle | bytes over all its buffers |
    /// | OPENAT, ACCEPT, SOCKET, FIXED_FD_INSTALL | the descriptor; the slot with [`FILE_INDEX_ALLOC`](crate::FILE_INDEX_ALLOC); 0 with a slot of the caller's choice |
    /// | POLL_ADD | the mask of events |
    /// | TIMEOUT | 0: its number of completions came; expiry is `-ETIME` |
    /// | ASYNC_CANCEL with ALL or ANY | how many were cancelled |
    /// | REMOVE_BUFFERS, FILES_UPDATE, FUTEX_WAKE, EPOLL_WAIT | how many |
    /// | the target of MSG_RING | [`Sqe::len`](crate::Sqe::len) of the sender |
    /// | a notification | 0, or [`NOTIF_USAGE_ZC_COPIED`](crate::NOTIF_USAGE_ZC_COPIED) if asked for |
    pub res: i32,

    /// What else the kernel says of this completion (`flags`, bytes 12–15).
    ///
    /// | bits | meaning |
    /// |---|---|
    /// | 0–15 | [`CqeFlags`] |
    /// | 16–31 | with [`CqeFlags::BUFFER`], the id of the provided buffer |
    /// | 16 | of a TX_TIMESTAMP command: [`CqeFlags::TSTAMP_HW`] |
    /// | 17–31 | of a TX_TIMESTAMP command: the kind of timestamp |
    ///
    /// The target of a MSG_RING with [`FLAGS_PASS`](crate::MsgRingFlags::FLAGS_PASS) sees whatever
    /// the sender wrote.
    pub flags: CqeFlags,
}

impl Cqe {
    /// The result as a value or an error number, which can be compared and matched.
    ///
    /// # Errors
    /// The negated `res` if that is negative.
    pub const fn result(&self) -> Result<u32, Errno> {
        Errno::from_result(self.res)
    }

    /// The result as system calls of the standard library give it. [`result`](Self::result) can be
    /// compared, and its error becomes an [`io::Error`] by `?` as well.
    ///
    /// # Errors
    /// The negated `res` if that is negative, as [`io::Error::raw_os_error`].
    pub fn io_result(&self) -> io::Result<u32> {
        self.result().map_err(io::Error::from)
    }

    /// The id of the provided buffer that holds the data, if the kernel chose one. Of a bundle, the
    /// first: the others follow in the order of the buffer ring.
    #[must_use]
    pub const fn buffer_id(&self) -> Option<u16> {
        if self.flags.contains(CqeFlags::BUFFER) {
            Some((self.flags.0 >> CqeFlags::BUFFER_SHIFT) as u16)
        } else {
            None
        }
    }

    /// Whether more completions of the same request follow.
    #[must_use]
    pub const fn more(&self) -> bool {
        self.flags.contains(CqeFlags::MORE)
    }

    /// How many 16-byte slots of the ring it takes: 2 with [`CqeFlags::F_32`], else 1. (With
    /// [`SetupFlags::CQE32`](crate::SetupFlags::CQE32) slots are 32 bytes and all take one.)
    #[doc(alias = "io_uring_cqe_nr")]
    #[must_use]
    pub const fn slots(&self) -> u32 {
        if self.flags.contains(CqeFlags::F_32) { 2 } else { 1 }
    }
}

/// A completion queue entry of 32 bytes, as all are with
/// [`SetupFlags::CQE32`](crate::SetupFlags::CQE32), and those with [`CqeFlags::F_32`] are with
/// [`CQE_MIXED`](crate::SetupFlags::CQE_MIXED).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Cqe32 {
    /// The first 16 bytes.
    pub cqe: Cqe,
    /// What the operation adds (`big_cqe`): the result words of a command,
    /// [`ZcrxCqe`](crate::ZcrxCqe) of a RECV_ZC, [`IoTimespec`](crate::IoTimespec) of a
    /// TX_TIMESTAMP.
    #[doc(alias = "big_cqe")]
    pub extra: [u64; 2],
}

flags! {
    /// Flags of a completion, in [`Cqe::flags`] (`IORING_CQE_F_*`); io_uring_enter(2).
    pub struct CqeFlags(u32) {
        /// The upper 16 bits hold the id of the provided buffer used. A failed receive and the end
        /// of the stream carry none.
        const BUFFER = 1 << 0 => "IORING_CQE_F_BUFFER", (5, 7);
        /// The request stays armed: more completions follow. If it is absent the request is over,
        /// whatever `res` says; on overflow even a successful multishot completion lacks it.
        const MORE = 1 << 1 => "IORING_CQE_F_MORE", (5, 13);
        /// The socket had more to read after this receive (or more connections after this accept,
        /// since 6.10). A hint; also set at the end of the stream.
        const SOCK_NONEMPTY = 1 << 2 => "IORING_CQE_F_SOCK_NONEMPTY", (5, 19);
        /// The notification that a zero-copy send's memory is free again; not a result.
        const NOTIF = 1 << 3 => "IORING_CQE_F_NOTIF", (6, 0);
        /// The provided buffer is only partly consumed and stays with the kernel, which goes on
        /// behind these bytes ([`BufRegFlags::INC`](crate::BufRegFlags::INC)).
        const BUF_MORE = 1 << 4 => "IORING_CQE_F_BUF_MORE", (6, 12);
        /// A filler of 16 bytes in a mixed-size completion ring, to be skipped.
        const SKIP = 1 << 5 => "IORING_CQE_F_SKIP", (6, 18);
        /// This completion is 32 bytes long, in a mixed-size ring.
        const F_32 = 1 << 15 => "IORING_CQE_F_32", (6, 18);
    }
}

impl CqeFlags {
    /// How far the buffer id is shifted left in the flags.
    #[doc(alias = "IORING_CQE_BUFFER_SHIFT")]
    pub const BUFFER_SHIFT: u32 = 16;
    /// Of a TX_TIMESTAMP command: the timestamp is the network card's. It shares its bit with the
    /// buffer id and so has no entry in [`NAMES`](Self::NAMES). Since Linux 6.17.
    #[doc(alias = "IORING_CQE_F_TSTAMP_HW")]
    pub const TSTAMP_HW: Self = Self(1 << 16);
    /// Where the kind of timestamp starts, in completions of a TX_TIMESTAMP command.
    #[doc(alias = "IORING_TIMESTAMP_TYPE_SHIFT")]
    pub const TIMESTAMP_TYPE_SHIFT: u32 = 17;
}

const _: () = {
    assert!(size_of::<Cqe>() == 16);
    assert!(align_of::<Cqe>() == 8);
    assert!(core::mem::offset_of!(Cqe, user_data) == 0);
    assert!(core::mem::offset_of!(Cqe, res) == 8);
    assert!(core::mem::offset_of!(Cqe, flags) == 12);
    assert!(size_of::<Cqe32>() == 32);
};

#[cfg(test)]
mod tests;

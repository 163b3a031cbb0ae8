//! The seam: what a ring needs of a kernel.
//!
//! Owns: the [`Kernel`] trait, [`Enter`], [`AnyKernel`], which forwards to one of them, and
//! [`Layer`], a kernel around another one. Does not own: any kernel ([`Real`] is one; the simulated
//! and the software kernels are others), nor any policy: retries, ladders and deadlines are above.
//!
//! Invariants: nothing above the seam makes a system call on the ring's behalf; everything here
//! maps one to one to a call of the manual. Mirrors io_uring_setup(2), io_uring_enter(2),
//! io_uring_register(2) and the few calls that are cheaper as calls than as operations.

mod any;
mod layer;

pub use any::AnyKernel;
pub use layer::Layer;

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;
use std::os::fd::RawFd;

use annulus_abi::{EnterFlags, Errno, Params, RegisterOp};

use crate::{RingMemory, SocketAddress};

/// The arguments of one io_uring_enter(2).
#[derive(Clone, Copy, Debug)]
pub struct Enter {
    /// How many entries to consume at most.
    pub to_submit: u32,
    /// How many completions to wait for, with [`EnterFlags::GETEVENTS`].
    pub min_complete: u32,
    /// How to do it.
    pub flags: EnterFlags,
    /// With [`EnterFlags::EXT_ARG`] a [`GetEventsArg`](annulus_abi::GetEventsArg); else null.
    pub arg: *const c_void,
    /// Its size in bytes.
    pub arg_bytes: usize,
}

/// A kernel, seen from one ring: real, simulated, or software.
///
/// One value serves one ring. All calls come from the ring's thread.
///
/// Who wants to change a few calls of a kernel implements [`Layer`] instead: that passes the others
/// on, also those that have a default here.
///
/// # Safety
/// * The memory that [`setup`](Self::setup) returns is as its `params` describe it, and what the
///   other side writes into it obeys io_uring's protocol: a completion for memory-borrowing
///   requests is posted only when the kernel no longer touches that memory.
pub unsafe trait Kernel {
    /// Makes the ring: entries and flags as in `params`, which is completed as the kernel does.
    ///
    /// Called until it succeeds once, with fewer wishes each time.
    ///
    /// # Errors
    /// As io_uring_setup(2) and mmap(2). EINVAL: a flag is unknown. ENOMEM: too large.
    fn setup(&mut self, entries: u32, params: &mut Params) -> Result<RingMemory, Errno>;

    /// Submits and waits. Returns the number of entries consumed.
    ///
    /// # Errors
    /// As io_uring_enter(2).
    ///
    /// # Safety
    /// * Every published entry describes memory that stays valid until its last completion.
    /// * `call.arg` is what `call.flags` say.
    unsafe fn enter(&mut self, call: Enter) -> Result<u32, Errno>;

    /// Registers, updates or removes resources.
    ///
    /// # Errors
    /// As io_uring_register(2).
    ///
    /// # Safety
    /// * `arg` points to what `op` says, `nr` elements long, valid for as long as `op` demands.
    unsafe fn register(&mut self, op: RegisterOp, arg: *mut c_void, nr: u32) -> Result<u32, Errno>;

    /// Registers the ring's descriptor with the calling thread and uses it from now on.
    ///
    /// # Errors
    /// As `IORING_REGISTER_RING_FDS`; EINVAL where there is no such thing, which is the default.
    fn register_ring(&mut self) -> Result<(), Errno> {
        Err(Errno(libc::EINVAL))
    }

    /// Undoes [`register_ring`](Self::register_ring), on the same thread. Does nothing by default.
    fn unregister_ring(&mut self) {}

    /// Closes the ring's descriptor, which is used through its registered twin only from now on.
    ///
    /// # Errors
    /// EINVAL without such a twin, which is the default; EBADF if it is closed already.
    fn close_ring_fd(&mut self) -> Result<(), Errno> {
        Err(Errno(libc::EINVAL))
    }

    /// Maps the queues of the ring anew, after `IORING_REGISTER_RESIZE_RINGS` has moved them and
    /// described them by `params`.
    ///
    /// # Errors
    /// As mmap(2); ENOSYS where nothing can be resized, which is the default.
    fn remap(&mut self, params: &Params) -> Result<RingMemory, Errno> {
        let _ = params;
        Err(Errno(libc::ENOSYS))
    }

    /// Waits until the ring is readable (poll(2) on its descriptor): the timed wait of kernels
    /// without `EXT_ARG`.
    ///
    /// # Errors
    /// ETIME when the time is over, EINTR, and ENOSYS where there is no such thing, which is the
    /// default.
    fn poll_ring(&mut self, timeout_ns: u64) -> Result<(), Errno> {
        let _ = timeout_ns;
        Err(Errno(libc::ENOSYS))
    }

    /// Whether the peer of a socket has ended its direction, or is gone (poll(2) for `POLLRDHUP`,
    /// which does not wait). A kernel that never loses that event may say no, which is the default.
    fn is_hung_up(&mut self, fd: RawFd) -> bool {
        self.hung_up(&mut [libc::pollfd { fd, events: libc::POLLRDHUP, revents: 0 }]) > 0
    }

    /// The same of many sockets in one call: sets `revents` of those that have hung up, asked for
    /// by `events`, and says how many they are. A negative descriptor is passed over. If they
    /// cannot be asked, all of them have.
    fn hung_up(&mut self, sockets: &mut [libc::pollfd]) -> usize {
        let _ = sockets;
        0
    }

    /// Sleeps while `word` has the value `expected` (FUTEX_WAIT of futex(2), private to the
    /// process): for who has nothing in the ring to wait for, only another thread.
    ///
    /// # Errors
    /// EAGAIN when it has another value, EINTR, and ENOSYS where there is no such thing,
    /// which is the default.
    fn wait_on_word(&mut self, word: &AtomicU32, expected: u32) -> Result<(), Errno> {
        let _ = (word, expected);
        Err(Errno(libc::ENOSYS))
    }

    /// CLOCK_MONOTONIC in nanoseconds.
    fn now(&self) -> u64;

    /// Whether descriptors are numbers of this process, which any thread may use and close, also
    /// after the end of the ring. Those of a simulated kernel are not, and end with it. They are by
    /// default.
    fn has_process_descriptors(&self) -> bool {
        true
    }

    /// close(2).
    ///
    /// # Errors
    /// As close(2); the descriptor is gone whatever is returned, except with EBADF.
    ///
    /// # Safety
    /// * Nobody else owns the descriptor, or uses it after this.
    unsafe fn close(&mut self, fd: RawFd) -> Result<(), Errno>;

    /// socket(2); the caller adds `SOCK_CLOEXEC` to `kind`.
    ///
    /// # Errors
    /// As socket(2).
    fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd, Errno>;

    /// socketpair(2).
    ///
    /// # Errors
    /// As socketpair(2).
    fn socketpair(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<[RawFd; 2], Errno>;

    /// bind(2).
    ///
    /// # Errors
    /// As bind(2).
    fn bind(&mut self, fd: RawFd, address: &SocketAddress) -> Result<(), Errno>;

    /// listen(2).
    ///
    /// # Errors
    /// As listen(2).
    fn listen(&mut self, fd: RawFd, backlog: i32) -> Result<(), Errno>;

    /// shutdown(2).
    ///
    /// # Errors
    /// As shutdown(2).
    fn shutdown(&mut self, fd: RawFd, how: i32) -> Result<(), Errno>;

    /// getsockname(2).
    ///
    /// # Errors
    /// As getsockname(2).
    fn local_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno>;

    /// getpeername(2).
    ///
    /// # Errors
    /// As getpeername(2).
    fn peer_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno>;

    /// setsockopt(2).
    ///
    /// # Errors
    /// As setsockopt(2).
    fn set_option(&mut self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno>;

    /// getsockopt(2). Returns the length of the value.
    ///
    /// # Errors
    /// As getsockopt(2).
    fn option(
        &mut self,
        fd: RawFd,
        level: i32,
        name: i32,
        value: &mut [u8],
    ) -> Result<usize, Errno>;

    /// statx(2) of an open descriptor (`AT_EMPTY_PATH`).
    ///
    /// # Errors
    /// As statx(2).
    fn statx(&mut self, fd: RawFd, mask: u32) -> Result<libc::statx, Errno>;

    /// lseek(2): moves the position of an open file, and gives where it is then.
    ///
    /// # Errors
    /// As lseek(2): ESPIPE where there is no position; ENOSYS where there is no such call, which is
    /// the default.
    fn seek(&mut self, fd: RawFd, offset: i64, whence: i32) -> Result<u64, Errno> {
        let _ = (fd, offset, whence);
        Err(Errno(libc::ENOSYS))
    }

    /// fcntl(2), `F_GETFL`: the access mode and the status flags of an open file.
    ///
    /// # Errors
    /// As fcntl(2); ENOSYS where there is no such call, which is the default.
    fn status_flags(&mut self, fd: RawFd) -> Result<i32, Errno> {
        let _ = fd;
        Err(Errno(libc::ENOSYS))
    }

    /// fcntl(2), `F_DUPFD_CLOEXEC`: one more descriptor of the same open file.
    ///
    /// # Errors
    /// As fcntl(2): EMFILE; ENOSYS where there is no such call, which is the default.
    fn duplicate(&mut self, fd: RawFd) -> Result<RawFd, Errno> {
        let _ = fd;
        Err(Errno(libc::ENOSYS))
    }

    /// flock(2), with `LOCK_NB` whether it was asked for or not: it never waits for a lock.
    ///
    /// # Errors
    /// As flock(2): EWOULDBLOCK; ENOSYS where there is no such call, which is the default.
    fn try_lock(&mut self, fd: RawFd, operation: i32) -> Result<(), Errno> {
        let _ = (fd, operation);
        Err(Errno(libc::ENOSYS))
    }

    /// eventfd(2): close-on-exec, counting from 0.
    ///
    /// # Errors
    /// As eventfd(2).
    fn eventfd(&mut self) -> Result<RawFd, Errno>;

    /// sendfile(2). Never blocks on the socket, because the caller made it `O_NONBLOCK`.
    ///
    /// # Errors
    /// As sendfile(2); EAGAIN when the socket is full.
    fn send_file(
        &mut self,
        socket: RawFd,
        file: RawFd,
        offset: u64,
        len: usize,
    ) -> Result<usize, Errno>;

    /// pipe2(2): close-on-exec, `O_NONBLOCK`, with room for so many bytes if the system allows it,
    /// or for what a pipe usually has if that is 0; the end to read from, and the end to write to.
    /// A kernel may have none, which is the default.
    ///
    /// # Errors
    /// As pipe2(2); ENOSYS where there is none.
    fn pipe(&mut self, bytes: usize) -> Result<[RawFd; 2], Errno> {
        let _ = bytes;
        Err(Errno(libc::ENOSYS))
    }

    /// splice(2) between a pipe and a socket or another pipe, without waiting for either.
    ///
    /// # Errors
    /// As splice(2); EAGAIN when there is nothing to move, or no room; ENOSYS where there is none.
    fn splice(&mut self, from: RawFd, to: RawFd, len: usize) -> Result<usize, Errno> {
        let _ = (from, to, len);
        Err(Errno(libc::ENOSYS))
    }

    /// sendmmsg(2), without waiting and without a signal: sends messages up to the first that
    /// cannot be sent, and gives how many these were. Each one's `msg_len` is its bytes that were.
    ///
    /// # Errors
    /// Those of sendmsg(2) for the first message; EAGAIN when it would have to wait; ENOSYS where
    /// there is none, which is the default.
    ///
    /// # Safety
    /// * What the messages name is as sendmsg(2) demands, for the time of the call.
    unsafe fn send_messages(
        &mut self,
        socket: RawFd,
        messages: &mut [libc::mmsghdr],
    ) -> Result<usize, Errno> {
        let _ = (socket, messages);
        Err(Errno(libc::ENOSYS))
    }

    /// tee(2) between two pipes, without waiting for either.
    ///
    /// # Errors
    /// As tee(2); EAGAIN when there is nothing to duplicate, or no room; ENOSYS where there is
    /// none, which is the default.
    fn tee(&mut self, from: RawFd, to: RawFd, len: usize) -> Result<usize, Errno> {
        let _ = (from, to, len);
        Err(Errno(libc::ENOSYS))
    }

    /// preadv2(2) at an offset or at the file's position, with these `RWF_*` flags. For what
    /// does not block: a nonblocking descriptor, or `RWF_NOWAIT`. Returns how many bytes from the
    /// first one on are initialised then.
    ///
    /// # Errors
    /// As preadv2(2): EAGAIN when there is nothing, EOPNOTSUPP for flags that the file does not
    /// have; ENOSYS where there is no such call, which is the default.
    fn read(
        &mut self,
        fd: RawFd,
        room: &mut [MaybeUninit<u8>],
        offset: Option<u64>,
        flags: i32,
    ) -> Result<usize, Errno> {
        let _ = (fd, room, offset, flags);
        Err(Errno(libc::ENOSYS))
    }

    /// pwritev2(2) at the file's position, with these `RWF_*` flags; write(2) without any. As
    /// [`read`](Self::read), for what does not block.
    ///
    /// # Errors
    /// As pwritev2(2): EAGAIN when there is no room, EPIPE when nobody reads, EOPNOTSUPP for flags
    /// that the file does not have; ENOSYS where there is no such call, which is the default.
    fn write(&mut self, fd: RawFd, bytes: &[u8], flags: i32) -> Result<usize, Errno> {
        let _ = (fd, bytes, flags);
        Err(Errno(libc::ENOSYS))
    }

    /// send(2) with these `MSG_*` flags, without waiting and without a signal.
    ///
    /// # Errors
    /// As send(2): EAGAIN when there is no room; ENOSYS where there is no such call, which is the
    /// default.
    fn send(&mut self, socket: RawFd, bytes: &[u8], flags: i32) -> Result<usize, Errno> {
        let _ = (socket, bytes, flags);
        Err(Errno(libc::ENOSYS))
    }

    /// cachestat(2): how many pages of the range are in the page cache.
    ///
    /// # Errors
    /// As cachestat(2); ENOSYS before Linux 6.5.
    fn cached(&mut self, file: RawFd, offset: u64, len: u64) -> Result<u64, Errno>;
}

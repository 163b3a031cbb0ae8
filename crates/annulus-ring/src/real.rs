//! The real kernel.
//!
//! Owns: the ring's descriptor, its registered twin, and the system calls of [`Kernel`]. Does not
//! own: the mappings, which belong to [`RingMemory`].
//!
//! Invariants: a registered descriptor is per thread, so it is used and removed on the thread that
//! registered it (a ring is not `Send`); it is removed before the descriptor is closed, else the
//! thread's table keeps the ring alive. Mirrors io_uring_setup(2), io_uring_enter(2),
//! io_uring_register(2), and each call's own page.

use core::{
    ffi::{c_long, c_void},
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::NonNull,
    sync::atomic::AtomicU32,
};
use std::{
    any::Any,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
    process,
    sync::Arc,
};

use annulus_abi::{
    Cqe, EnterFlags, Errno, Features, MMAP_CQ_RING, MMAP_SQ_RING, MMAP_SQES, Params, RegisterOp,
    RingFdUpdate, SetupFlags, Sqe,
};

use crate::{Enter, Kernel, Pages, RingMemory, SocketAddress, memory::slot_bytes, mmap::Mapping};

/// The real kernel, for one ring, on one thread: neither `Send` nor `Sync`.
#[derive(Debug)]
pub struct Real {
    fd: Option<OwnedFd>,
    features: Features,
    registered: Option<Registered>,
    /// For the next setup with `NO_MMAP`.
    pages: Option<Pages>,
    /// What `enter` is called with: the descriptor, or the registered index and its flag.
    enter_fd: u32,
    enter_flags: EnterFlags,
    /// The same for `register`.
    register_fd: u32,
    register_bit: u32,
    /// An index of this thread's table would name another ring, or none, on another thread.
    _of_one_thread: PhantomData<*const ()>,
}

/// The registered twin of the descriptor: its index in the table of the thread of this process.
#[derive(Debug)]
struct Registered {
    index: u32,
    owner: u32,
}

impl Real {
    /// A kernel that has no ring yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            fd: None,
            features: Features::EMPTY,
            registered: None,
            pages: None,
            enter_fd: u32::MAX,
            enter_flags: EnterFlags::EMPTY,
            register_fd: u32::MAX,
            register_bit: 0,
            _of_one_thread: PhantomData,
        }
    }

    fn use_descriptor(&mut self) {
        let fd = self.fd.as_ref().map_or(u32::MAX, |fd| fd.as_raw_fd() as u32);
        self.enter_fd = fd;
        self.enter_flags = EnterFlags::EMPTY;
        self.register_fd = fd;
        self.register_bit = 0;
    }

    fn use_registered(&mut self, index: u32) {
        self.enter_fd = index;
        self.enter_flags = EnterFlags::REGISTERED_RING;
        if self.features.contains(Features::REG_REG_RING) {
            self.register_fd = index;
            self.register_bit = RegisterOp::USE_REGISTERED_RING;
        }
        self.registered = Some(Registered { index, owner: process::id() });
    }

    /// The memory for a setup with `NO_MMAP`, which this kernel would otherwise allocate itself.
    pub(crate) fn bring(&mut self, pages: Pages) {
        self.pages = Some(pages);
    }

    fn ring_fds(&self, op: RegisterOp, update: &mut RingFdUpdate) -> Result<u32, Errno> {
        let update: *mut RingFdUpdate = update;
        let arg = update.cast();
        // SAFETY: both ring-descriptor operations take an array of updates, here of one, and only
        // for the duration of the call.
        unsafe { annulus_abi::register(self.register_fd, op.0 | self.register_bit, arg, 1) }
    }
}

impl Default for Real {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.unregister_ring();
    }
}

// SAFETY: the kernel maps the rings as it says, and keeps io_uring's protocol.
unsafe impl Kernel for Real {
    fn setup(&mut self, entries: u32, params: &mut Params) -> Result<RingMemory, Errno> {
        if self.fd.is_some() || self.registered.is_some() {
            return Err(Errno(libc::EBUSY));
        }
        let lent = params.flags.contains(SetupFlags::NO_MMAP);
        if lent {
            let pages = self.pages.as_ref().ok_or(Errno(libc::EINVAL))?;
            pages.place(entries, params).map_err(|_| Errno(libc::EFAULT))?;
        }
        // SAFETY: with NO_MMAP the parameters hold the addresses of memory that is large enough and
        // stays, as `RingMemory` keeps it; otherwise none.
        let number = unsafe { annulus_abi::setup(entries, params) }?;
        self.features = params.features;
        if params.flags.contains(SetupFlags::REGISTERED_FD_ONLY) {
            self.use_registered(number as u32);
        } else {
            // SAFETY: the kernel just made this descriptor, and nobody else knows it.
            self.fd = Some(unsafe { OwnedFd::from_raw_fd(number) });
            self.use_descriptor();
        }
        let fd = self.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let memory = match self.pages.take() {
            Some(pages) if lent => Ok(pages.into_memory(fd, params)),
            _ => self.map(params),
        };
        if memory.is_err() {
            self.fd = None;
        }
        memory
    }

    #[inline]
    unsafe fn enter(&mut self, call: Enter) -> Result<u32, Errno> {
        // SAFETY: the caller answers for the entries and for the argument.
        unsafe {
            annulus_abi::enter(
                self.enter_fd,
                call.to_submit,
                call.min_complete,
                call.flags | self.enter_flags,
                (call.arg, call.arg_bytes),
            )
        }
    }

    unsafe fn register(&mut self, op: RegisterOp, arg: *mut c_void, nr: u32) -> Result<u32, Errno> {
        // SAFETY: the caller answers for the argument.
        unsafe { annulus_abi::register(self.register_fd, op.0 | self.register_bit, arg, nr) }
    }

    fn register_ring(&mut self) -> Result<(), Errno> {
        if self.registered.is_some() {
            return Ok(());
        }
        let fd = self.fd.as_ref().ok_or(Errno(libc::EBADF))?.as_raw_fd();
        let mut update = RingFdUpdate { offset: u32::MAX, resv: 0, data: fd as u64 };
        self.ring_fds(RegisterOp::RING_FDS, &mut update)?;
        self.use_registered(update.offset);
        Ok(())
    }

    fn unregister_ring(&mut self) {
        let Some(registered) = self.registered.take() else {
            return;
        };
        // The index itself serves for its own removal, where it can: the descriptor may be closed.
        // A forked child has no table of its own: there is nothing to remove there.
        if registered.owner == process::id() {
            let mut update = RingFdUpdate { offset: registered.index, resv: 0, data: 0 };
            let removed = self.ring_fds(RegisterOp::UNREGISTER_RING_FDS, &mut update);
            debug_assert!(removed.is_ok(), "the registering thread removes its index");
        }
        self.use_descriptor();
    }

    fn close_ring_fd(&mut self) -> Result<(), Errno> {
        if self.fd.is_none() {
            return Err(Errno(libc::EBADF));
        }
        if self.register_bit == 0 {
            return Err(Errno(libc::EINVAL));
        }
        self.fd = None;
        Ok(())
    }

    fn remap(&mut self, params: &Params) -> Result<RingMemory, Errno> {
        self.map(params)
    }

    fn poll_ring(&mut self, timeout_ns: u64) -> Result<(), Errno> {
        let fd = self.fd.as_ref().ok_or(Errno(libc::EBADF))?.as_raw_fd();
        let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let timeout = libc::timespec {
            tv_sec: (timeout_ns / 1_000_000_000) as libc::time_t,
            tv_nsec: (timeout_ns % 1_000_000_000) as libc::c_long,
        };
        // SAFETY: one valid entry, a valid timeout, and no signal mask.
        match unsafe { libc::ppoll(&mut entry, 1, &timeout, core::ptr::null()) } {
            0 => Err(Errno(libc::ETIME)),
            n if n < 0 => Err(Errno::last()),
            _ => Ok(()),
        }
    }

    fn hung_up(&mut self, sockets: &mut [libc::pollfd]) -> usize {
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let (now, no_mask) = (&raw const now, core::ptr::null::<c_void>());
        let (entries, count) = (sockets.as_mut_ptr(), sockets.len());
        // Not the C library's poll, which is a place to cancel a thread and takes a lock for that.
        // SAFETY: so many valid entries, no wait, and no signal mask.
        let found =
            unsafe { libc::syscall(libc::SYS_ppoll, entries, count, now, no_mask, 0_usize) };
        // A signal interrupts it when it has looked at all of them and has found nothing.
        match check(found as i32) {
            Ok(found) => found as usize,
            Err(Errno(libc::EINTR)) => 0,
            Err(_) => {
                sockets.iter_mut().for_each(|socket| socket.revents = libc::POLLHUP);
                count
            }
        }
    }

    fn wait_on_word(&mut self, word: &AtomicU32, expected: u32) -> Result<(), Errno> {
        let wait = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        let forever = core::ptr::null::<libc::timespec>();
        // SAFETY: the word is valid; there is no timeout.
        let result =
            unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), wait, expected, forever) };
        check(result as i32).map(drop)
    }

    fn now(&self) -> u64 {
        let mut time = MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: the pointer is valid for one timespec. CLOCK_MONOTONIC always exists.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr()) };
        // SAFETY: the call above cannot fail, so it filled the value.
        let time = unsafe { time.assume_init() };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }

    unsafe fn close(&mut self, fd: RawFd) -> Result<(), Errno> {
        // As all calls that a core makes at its work not by libc's function of that name: that is
        // a cancellation point, which takes two locked instructions where there are threads.
        // SAFETY: the descriptor is the caller's to close.
        let closed = unsafe { libc::syscall(libc::SYS_close, fd) };
        if closed < 0 { Err(Errno::last()) } else { Ok(()) }
    }

    fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd, Errno> {
        // SAFETY: no pointers.
        check(unsafe { libc::socket(domain, kind, protocol) })
    }

    fn socketpair(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<[RawFd; 2], Errno> {
        let mut pair = [-1; 2];
        // SAFETY: the pointer is valid for two descriptors.
        check(unsafe { libc::socketpair(domain, kind, protocol, pair.as_mut_ptr()) })?;
        Ok(pair)
    }

    fn bind(&mut self, fd: RawFd, address: &SocketAddress) -> Result<(), Errno> {
        // SAFETY: the pointer is valid for `len` bytes.
        check(unsafe { libc::bind(fd, address.as_ptr(), address.len()) }).map(drop)
    }

    fn listen(&mut self, fd: RawFd, backlog: i32) -> Result<(), Errno> {
        // SAFETY: no pointers.
        check(unsafe { libc::listen(fd, backlog) }).map(drop)
    }

    fn shutdown(&mut self, fd: RawFd, how: i32) -> Result<(), Errno> {
        // SAFETY: no pointers.
        check(unsafe { libc::shutdown(fd, how) }).map(drop)
    }

    fn local_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno> {
        let mut address = SocketAddress::empty();
        let (pointer, len) = address.as_mut();
        // SAFETY: both pointers are valid, and `len` holds the room there is.
        check(unsafe { libc::getsockname(fd, pointer, len) })?;
        Ok(address)
    }

    fn peer_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno> {
        let mut address = SocketAddress::empty();
        let (pointer, len) = address.as_mut();
        // SAFETY: both pointers are valid, and `len` holds the room there is.
        check(unsafe { libc::getpeername(fd, pointer, len) })?;
        Ok(address)
    }

    fn set_option(&mut self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        let pointer = value.as_ptr().cast();
        let len = value.len() as libc::socklen_t;
        // SAFETY: the pointer is valid for `len` bytes.
        check(unsafe { libc::setsockopt(fd, level, name, pointer, len) }).map(drop)
    }

    fn option(
        &mut self,
        fd: RawFd,
        level: i32,
        name: i32,
        value: &mut [u8],
    ) -> Result<usize, Errno> {
        let mut len = value.len() as libc::socklen_t;
        let pointer = value.as_mut_ptr().cast();
        // SAFETY: the pointer is valid for `len` bytes, and `len` itself is valid.
        check(unsafe { libc::getsockopt(fd, level, name, pointer, &mut len) })?;
        Ok(len as usize)
    }

    fn statx(&mut self, fd: RawFd, mask: u32) -> Result<libc::statx, Errno> {
        let mut stat = MaybeUninit::<libc::statx>::zeroed();
        let path = c"".as_ptr();
        let flags = libc::AT_EMPTY_PATH;
        // SAFETY: the path is a C string and the pointer valid for one statx.
        check(unsafe { libc::statx(fd, path, flags, mask, stat.as_mut_ptr()) })?;
        // SAFETY: a statx is plain integers, all initialised by `zeroed` at least.
        Ok(unsafe { stat.assume_init() })
    }

    fn seek(&mut self, fd: RawFd, offset: i64, whence: i32) -> Result<u64, Errno> {
        // SAFETY: no pointers.
        let position = unsafe { libc::lseek(fd, offset, whence) };
        u64::try_from(position).map_err(|_| Errno::last())
    }

    fn status_flags(&mut self, fd: RawFd) -> Result<i32, Errno> {
        // SAFETY: no pointers.
        check(unsafe { libc::fcntl(fd, libc::F_GETFL) })
    }

    fn duplicate(&mut self, fd: RawFd) -> Result<RawFd, Errno> {
        // SAFETY: no pointers.
        check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) })
    }

    fn try_lock(&mut self, fd: RawFd, operation: i32) -> Result<(), Errno> {
        // SAFETY: no pointers.
        check(unsafe { libc::flock(fd, operation | libc::LOCK_NB) }).map(drop)
    }

    fn eventfd(&mut self) -> Result<RawFd, Errno> {
        // SAFETY: no pointers.
        check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) })
    }

    fn send_file(
        &mut self,
        socket: RawFd,
        file: RawFd,
        offset: u64,
        len: usize,
    ) -> Result<usize, Errno> {
        let mut offset = libc::off64_t::try_from(offset).map_err(|_| Errno(libc::EOVERFLOW))?;
        // SAFETY: the offset is a valid pointer for the duration of the call.
        let sent = unsafe { libc::sendfile64(socket, file, &mut offset, len) };
        usize::try_from(sent).map_err(|_| Errno::last())
    }

    fn pipe(&mut self, bytes: usize) -> Result<[RawFd; 2], Errno> {
        let mut ends = [0; 2];
        // SAFETY: room for two descriptors.
        check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        if bytes > 0 {
            // SAFETY: no pointers. A pipe that stays smaller works as well.
            unsafe { libc::fcntl(ends[1], libc::F_SETPIPE_SZ, bytes) };
        }
        Ok(ends)
    }

    fn splice(&mut self, from: RawFd, to: RawFd, len: usize) -> Result<usize, Errno> {
        let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
        let none = std::ptr::null_mut();
        // SAFETY: pipes and sockets have no offsets, so there are no pointers.
        let moved = unsafe { libc::splice(from, none, to, none, len, flags) };
        usize::try_from(moved).map_err(|_| Errno::last())
    }

    unsafe fn send_messages(
        &mut self,
        socket: RawFd,
        messages: &mut [libc::mmsghdr],
    ) -> Result<usize, Errno> {
        let count = libc::c_uint::try_from(messages.len()).unwrap_or(libc::c_uint::MAX);
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: so many headers, whose contents are the caller's promise.
        let sent = unsafe { libc::sendmmsg(socket, messages.as_mut_ptr(), count, flags) };
        usize::try_from(sent).map_err(|_| Errno::last())
    }

    fn tee(&mut self, from: RawFd, to: RawFd, len: usize) -> Result<usize, Errno> {
        // SAFETY: no pointers.
        let doubled = unsafe { libc::tee(from, to, len, libc::SPLICE_F_NONBLOCK) };
        usize::try_from(doubled).map_err(|_| Errno::last())
    }

    fn read(
        &mut self,
        fd: RawFd,
        room: &mut [MaybeUninit<u8>],
        offset: Option<u64>,
        flags: i32,
    ) -> Result<usize, Errno> {
        let (start, len) = (room.as_mut_ptr(), room.len());
        let read = if flags == 0 && offset.is_none() {
            // SAFETY: the room is writable for the length of the call.
            unsafe { libc::syscall(libc::SYS_read, fd, start, len) }
        } else {
            let piece = libc::iovec { iov_base: start.cast(), iov_len: len };
            // The largest number means the position. Where a long has 64 bits, the lower half is
            // all of it.
            let at = offset.unwrap_or(u64::MAX);
            let (list, low, high) = (&raw const piece, at as c_long, (at >> 32) as c_long);
            // SAFETY: one piece, which is writable for the length of the call.
            unsafe { libc::syscall(libc::SYS_preadv2, fd, list, 1, low, high, flags) }
        };
        usize::try_from(read).map_err(|_| Errno::last())
    }

    fn write(&mut self, fd: RawFd, bytes: &[u8], flags: i32) -> Result<usize, Errno> {
        let (start, len) = (bytes.as_ptr(), bytes.len());
        let written = if flags == 0 {
            // SAFETY: the bytes are readable for the length of the call.
            unsafe { libc::syscall(libc::SYS_write, fd, start, len) }
        } else {
            let piece = libc::iovec { iov_base: start.cast_mut().cast(), iov_len: len };
            let (list, here) = (&raw const piece, -1 as c_long);
            // SAFETY: one piece, which is readable for the length of the call.
            unsafe { libc::syscall(libc::SYS_pwritev2, fd, list, 1, here, here, flags) }
        };
        usize::try_from(written).map_err(|_| Errno::last())
    }

    fn send(&mut self, socket: RawFd, bytes: &[u8], flags: i32) -> Result<usize, Errno> {
        let (start, len) = (bytes.as_ptr(), bytes.len());
        let flags = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let nobody = std::ptr::null::<libc::sockaddr>();
        // SAFETY: the bytes are readable for the length of the call, and no address is given.
        let sent = unsafe { libc::syscall(libc::SYS_sendto, socket, start, len, flags, nobody, 0) };
        usize::try_from(sent).map_err(|_| Errno::last())
    }

    fn cached(&mut self, file: RawFd, offset: u64, len: u64) -> Result<u64, Errno> {
        let range = [offset, len];
        // nr_cache, nr_dirty, nr_writeback, nr_evicted, nr_recently_evicted.
        let mut counts = [0_u64; 5];
        let (range, out) = (range.as_ptr(), counts.as_mut_ptr());
        // SAFETY: `struct cachestat_range` is two u64, `struct cachestat` five, both valid.
        let result = unsafe { libc::syscall(SYS_CACHESTAT, file, range, out, 0) };
        check(result as i32)?;
        Ok(counts[0])
    }
}

/// cachestat(2), the same number on every architecture.
const SYS_CACHESTAT: libc::c_long = 451;

/// A result of a call that reports failure by a negative number and `errno`.
fn check(result: i32) -> Result<i32, Errno> {
    if result < 0 { Err(Errno::last()) } else { Ok(result) }
}

impl Real {
    /// Maps what `params` describe. One mapping holds both rings where the kernel says so (since
    /// 5.4).
    fn map(&self, params: &Params) -> Result<RingMemory, Errno> {
        let fd = self.fd.as_ref().ok_or(Errno(libc::EBADF))?;
        let no_array = params.flags.contains(SetupFlags::NO_SQARRAY);
        let (sq_entries, cq_entries) = (params.sq_entries as usize, params.cq_entries as usize);
        let array_bytes = if no_array { 0 } else { sq_entries * size_of::<u32>() };
        let sq_bytes = params.sq_off.array as usize + array_bytes;
        let cqe_bytes = slot_bytes::<Cqe>(params, SetupFlags::CQE32);
        let cq_bytes = params.cq_off.cqes as usize + cq_entries * cqe_bytes;
        let sqes_bytes = sq_entries * slot_bytes::<Sqe>(params, SetupFlags::SQE128);

        let single = params.features.contains(Features::SINGLE_MMAP);
        let ring_bytes = if single { sq_bytes.max(cq_bytes) } else { sq_bytes };
        let rings = Mapping::of_ring(fd.as_fd(), MMAP_SQ_RING, ring_bytes)?;
        let cq =
            if single { None } else { Some(Mapping::of_ring(fd.as_fd(), MMAP_CQ_RING, cq_bytes)?) };
        let sqes = Mapping::of_ring(fd.as_fd(), MMAP_SQES, sqes_bytes)?;

        let sq_start = rings.start();
        let cq_start: NonNull<u8> = cq.as_ref().map_or(sq_start, Mapping::start);
        let sqes_start = sqes.start().cast::<Sqe>();
        let keep: Arc<dyn Any + Send + Sync> = Arc::new((rings, cq, sqes));
        // SAFETY: the mappings are as large as the offsets reach, page-aligned, and owned by
        // `keep`.
        Ok(unsafe { RingMemory::new(fd.as_raw_fd(), sq_start, cq_start, sqes_start, keep) })
    }
}

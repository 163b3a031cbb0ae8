//! Kernels around other kernels.
//!
//! Owns: [`Layer`], in which every call goes to the kernel inside unless it is written anew, and
//! the [`Kernel`] that each layer thereby is. Does not own: any layer.
//!
//! Invariant: no call of [`Kernel`] passes a layer by. One that is added there and not here would
//! be answered by its default instead of by the kernel inside, so clippy refuses an
//! implementation below that leaves out a method.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;
use std::os::fd::RawFd;

use annulus_abi::{Errno, Params, RegisterOp};

use super::{Enter, Kernel};
use crate::{RingMemory, SocketAddress};

/// A kernel around another one: to count calls, to let some of them fail, or to answer some itself.
///
/// A layer says which kernel is inside and writes the calls that it changes; every other call goes
/// there. It is a [`Kernel`] itself, so layers can be put around each other.
///
/// A call that is written here does not go inside by itself: it calls the same method of
/// [`inner_mut`](Self::inner_mut) when it wants that.
///
/// # Safety
/// * What the layer changes leaves the contract of [`Kernel`] as it is: a layer that passes every
///   call on keeps it by that.
///
/// ```
/// use annulus_ring::abi::Errno;
/// use annulus_ring::{AnyKernel, Enter, Kernel, Layer, Real, Ring, op::Nop};
///
/// /// Each third call of io_uring_enter(2) is interrupted by a signal.
/// struct Interrupted {
///     real: Real,
///     calls: u32,
/// }
///
/// // SAFETY: a call that is interrupted has done nothing, and every other one is passed on.
/// unsafe impl Layer for Interrupted {
///     type Inner = Real;
///
///     fn inner(&self) -> &Real {
///         &self.real
///     }
///
///     fn inner_mut(&mut self) -> &mut Real {
///         &mut self.real
///     }
///
///     unsafe fn enter(&mut self, call: Enter) -> Result<u32, Errno> {
///         self.calls += 1;
///         if self.calls % 3 == 0 {
///             return Err(Errno(4)); // EINTR
///         }
///         // SAFETY: the caller's promise is passed on.
///         unsafe { self.real.enter(call) }
///     }
/// }
///
/// let kernel = Interrupted { real: Real::new(), calls: 0 };
/// let mut ring = Ring::builder().kernel(AnyKernel::Dyn(Box::new(kernel))).build()?;
/// for number in 0..4 {
///     // SAFETY: a NOP borrows no memory.
///     unsafe { ring.push(&Nop, number) }?;
///     while ring.cq_ready() == 0 {
///         let _ = ring.submit_and_wait(1, None);
///     }
///     assert_eq!(ring.completions().count(), 1);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub unsafe trait Layer {
    /// The kernel inside.
    type Inner: Kernel + ?Sized;

    /// The kernel inside, to be asked.
    fn inner(&self) -> &Self::Inner;

    /// The kernel inside, to be called.
    fn inner_mut(&mut self) -> &mut Self::Inner;

    /// As [`Kernel::setup`].
    fn setup(&mut self, entries: u32, params: &mut Params) -> Result<RingMemory, Errno> {
        self.inner_mut().setup(entries, params)
    }

    /// As [`Kernel::enter`].
    ///
    /// # Safety
    /// * As for [`Kernel::enter`].
    unsafe fn enter(&mut self, call: Enter) -> Result<u32, Errno> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner_mut().enter(call) }
    }

    /// As [`Kernel::register`].
    ///
    /// # Safety
    /// * As for [`Kernel::register`].
    unsafe fn register(&mut self, op: RegisterOp, arg: *mut c_void, nr: u32) -> Result<u32, Errno> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner_mut().register(op, arg, nr) }
    }

    /// As [`Kernel::register_ring`].
    fn register_ring(&mut self) -> Result<(), Errno> {
        self.inner_mut().register_ring()
    }

    /// As [`Kernel::unregister_ring`].
    fn unregister_ring(&mut self) {
        self.inner_mut().unregister_ring();
    }

    /// As [`Kernel::close_ring_fd`].
    fn close_ring_fd(&mut self) -> Result<(), Errno> {
        self.inner_mut().close_ring_fd()
    }

    /// As [`Kernel::remap`].
    fn remap(&mut self, params: &Params) -> Result<RingMemory, Errno> {
        self.inner_mut().remap(params)
    }

    /// As [`Kernel::poll_ring`].
    fn poll_ring(&mut self, timeout_ns: u64) -> Result<(), Errno> {
        self.inner_mut().poll_ring(timeout_ns)
    }

    /// As [`Kernel::is_hung_up`]: one socket more for [`hung_up`](Self::hung_up), also that of the
    /// layer.
    fn is_hung_up(&mut self, fd: RawFd) -> bool {
        self.hung_up(&mut [libc::pollfd { fd, events: libc::POLLRDHUP, revents: 0 }]) > 0
    }

    /// As [`Kernel::hung_up`].
    fn hung_up(&mut self, sockets: &mut [libc::pollfd]) -> usize {
        self.inner_mut().hung_up(sockets)
    }

    /// As [`Kernel::wait_on_word`].
    fn wait_on_word(&mut self, word: &AtomicU32, expected: u32) -> Result<(), Errno> {
        self.inner_mut().wait_on_word(word, expected)
    }

    /// As [`Kernel::now`].
    fn now(&self) -> u64 {
        self.inner().now()
    }

    /// As [`Kernel::has_process_descriptors`].
    fn has_process_descriptors(&self) -> bool {
        self.inner().has_process_descriptors()
    }

    /// As [`Kernel::close`].
    ///
    /// # Safety
    /// * As for [`Kernel::close`].
    unsafe fn close(&mut self, fd: RawFd) -> Result<(), Errno> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner_mut().close(fd) }
    }

    /// As [`Kernel::socket`].
    fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd, Errno> {
        self.inner_mut().socket(domain, kind, protocol)
    }

    /// As [`Kernel::socketpair`].
    fn socketpair(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<[RawFd; 2], Errno> {
        self.inner_mut().socketpair(domain, kind, protocol)
    }

    /// As [`Kernel::bind`].
    fn bind(&mut self, fd: RawFd, address: &SocketAddress) -> Result<(), Errno> {
        self.inner_mut().bind(fd, address)
    }

    /// As [`Kernel::listen`].
    fn listen(&mut self, fd: RawFd, backlog: i32) -> Result<(), Errno> {
        self.inner_mut().listen(fd, backlog)
    }

    /// As [`Kernel::shutdown`].
    fn shutdown(&mut self, fd: RawFd, how: i32) -> Result<(), Errno> {
        self.inner_mut().shutdown(fd, how)
    }

    /// As [`Kernel::local_address`].
    fn local_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno> {
        self.inner_mut().local_address(fd)
    }

    /// As [`Kernel::peer_address`].
    fn peer_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno> {
        self.inner_mut().peer_address(fd)
    }

    /// As [`Kernel::set_option`].
    fn set_option(&mut self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        self.inner_mut().set_option(fd, level, name, value)
    }

    /// As [`Kernel::option`].
    fn option(
        &mut self,
        fd: RawFd,
        level: i32,
        name: i32,
        value: &mut [u8],
    ) -> Result<usize, Errno> {
        self.inner_mut().option(fd, level, name, value)
    }

    /// As [`Kernel::statx`].
    fn statx(&mut self, fd: RawFd, mask: u32) -> Result<libc::statx, Errno> {
        self.inner_mut().statx(fd, mask)
    }

    /// As [`Kernel::seek`].
    fn seek(&mut self, fd: RawFd, offset: i64, whence: i32) -> Result<u64, Errno> {
        self.inner_mut().seek(fd, offset, whence)
    }

    /// As [`Kernel::status_flags`].
    fn status_flags(&mut self, fd: RawFd) -> Result<i32, Errno> {
        self.inner_mut().status_flags(fd)
    }

    /// As [`Kernel::duplicate`].
    fn duplicate(&mut self, fd: RawFd) -> Result<RawFd, Errno> {
        self.inner_mut().duplicate(fd)
    }

    /// As [`Kernel::try_lock`].
    fn try_lock(&mut self, fd: RawFd, operation: i32) -> Result<(), Errno> {
        self.inner_mut().try_lock(fd, operation)
    }

    /// As [`Kernel::eventfd`].
    fn eventfd(&mut self) -> Result<RawFd, Errno> {
        self.inner_mut().eventfd()
    }

    /// As [`Kernel::send_file`].
    fn send_file(
        &mut self,
        socket: RawFd,
        file: RawFd,
        offset: u64,
        len: usize,
    ) -> Result<usize, Errno> {
        self.inner_mut().send_file(socket, file, offset, len)
    }

    /// As [`Kernel::pipe`].
    fn pipe(&mut self, bytes: usize) -> Result<[RawFd; 2], Errno> {
        self.inner_mut().pipe(bytes)
    }

    /// As [`Kernel::splice`].
    fn splice(&mut self, from: RawFd, to: RawFd, len: usize) -> Result<usize, Errno> {
        self.inner_mut().splice(from, to, len)
    }

    /// As [`Kernel::send_messages`].
    ///
    /// # Safety
    /// * As for [`Kernel::send_messages`].
    unsafe fn send_messages(
        &mut self,
        socket: RawFd,
        messages: &mut [libc::mmsghdr],
    ) -> Result<usize, Errno> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner_mut().send_messages(socket, messages) }
    }

    /// As [`Kernel::tee`].
    fn tee(&mut self, from: RawFd, to: RawFd, len: usize) -> Result<usize, Errno> {
        self.inner_mut().tee(from, to, len)
    }

    /// As [`Kernel::read`].
    fn read(
        &mut self,
        fd: RawFd,
        room: &mut [MaybeUninit<u8>],
        offset: Option<u64>,
        flags: i32,
    ) -> Result<usize, Errno> {
        self.inner_mut().read(fd, room, offset, flags)
    }

    /// As [`Kernel::write`].
    fn write(&mut self, fd: RawFd, bytes: &[u8], flags: i32) -> Result<usize, Errno> {
        self.inner_mut().write(fd, bytes, flags)
    }

    /// As [`Kernel::send`].
    fn send(&mut self, socket: RawFd, bytes: &[u8], flags: i32) -> Result<usize, Errno> {
        self.inner_mut().send(socket, bytes, flags)
    }

    /// As [`Kernel::cached`].
    fn cached(&mut self, file: RawFd, offset: u64, len: u64) -> Result<u64, Errno> {
        self.inner_mut().cached(file, offset, len)
    }
}

// SAFETY: every call goes to the layer, which promises to leave the contract of the kernel inside
// as it is.
#[deny(clippy::missing_trait_methods)]
unsafe impl<L: Layer> Kernel for L {
    fn setup(&mut self, entries: u32, params: &mut Params) -> Result<RingMemory, Errno> {
        Layer::setup(self, entries, params)
    }

    unsafe fn enter(&mut self, call: Enter) -> Result<u32, Errno> {
        // SAFETY: the caller's promise is passed on.
        unsafe { Layer::enter(self, call) }
    }

    unsafe fn register(&mut self, op: RegisterOp, arg: *mut c_void, nr: u32) -> Result<u32, Errno> {
        // SAFETY: the caller's promise is passed on.
        unsafe { Layer::register(self, op, arg, nr) }
    }

    fn register_ring(&mut self) -> Result<(), Errno> {
        Layer::register_ring(self)
    }

    fn unregister_ring(&mut self) {
        Layer::unregister_ring(self);
    }

    fn close_ring_fd(&mut self) -> Result<(), Errno> {
        Layer::close_ring_fd(self)
    }

    fn remap(&mut self, params: &Params) -> Result<RingMemory, Errno> {
        Layer::remap(self, params)
    }

    fn poll_ring(&mut self, timeout_ns: u64) -> Result<(), Errno> {
        Layer::poll_ring(self, timeout_ns)
    }

    fn is_hung_up(&mut self, fd: RawFd) -> bool {
        Layer::is_hung_up(self, fd)
    }

    fn hung_up(&mut self, sockets: &mut [libc::pollfd]) -> usize {
        Layer::hung_up(self, sockets)
    }

    fn wait_on_word(&mut self, word: &AtomicU32, expected: u32) -> Result<(), Errno> {
        Layer::wait_on_word(self, word, expected)
    }

    fn now(&self) -> u64 {
        Layer::now(self)
    }

    fn has_process_descriptors(&self) -> bool {
        Layer::has_process_descriptors(self)
    }

    unsafe fn close(&mut self, fd: RawFd) -> Result<(), Errno> {
        // SAFETY: the caller's promise is passed on.
        unsafe { Layer::close(self, fd) }
    }

    fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd, Errno> {
        Layer::socket(self, domain, kind, protocol)
    }

    fn socketpair(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<[RawFd; 2], Errno> {
        Layer::socketpair(self, domain, kind, protocol)
    }

    fn bind(&mut self, fd: RawFd, address: &SocketAddress) -> Result<(), Errno> {
        Layer::bind(self, fd, address)
    }

    fn listen(&mut self, fd: RawFd, backlog: i32) -> Result<(), Errno> {
        Layer::listen(self, fd, backlog)
    }

    fn shutdown(&mut self, fd: RawFd, how: i32) -> Result<(), Errno> {
        Layer::shutdown(self, fd, how)
    }

    fn local_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno> {
        Layer::local_address(self, fd)
    }

    fn peer_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno> {
        Layer::peer_address(self, fd)
    }

    fn set_option(&mut self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        Layer::set_option(self, fd, level, name, value)
    }

    fn option(
        &mut self,
        fd: RawFd,
        level: i32,
        name: i32,
        value: &mut [u8],
    ) -> Result<usize, Errno> {
        Layer::option(self, fd, level, name, value)
    }

    fn statx(&mut self, fd: RawFd, mask: u32) -> Result<libc::statx, Errno> {
        Layer::statx(self, fd, mask)
    }

    fn seek(&mut self, fd: RawFd, offset: i64, whence: i32) -> Result<u64, Errno> {
        Layer::seek(self, fd, offset, whence)
    }

    fn status_flags(&mut self, fd: RawFd) -> Result<i32, Errno> {
        Layer::status_flags(self, fd)
    }

    fn duplicate(&mut self, fd: RawFd) -> Result<RawFd, Errno> {
        Layer::duplicate(self, fd)
    }

    fn try_lock(&mut self, fd: RawFd, operation: i32) -> Result<(), Errno> {
        Layer::try_lock(self, fd, operation)
    }

    fn eventfd(&mut self) -> Result<RawFd, Errno> {
        Layer::eventfd(self)
    }

    fn send_file(
        &mut self,
        socket: RawFd,
        file: RawFd,
        offset: u64,
        len: usize,
    ) -> Result<usize, Errno> {
        Layer::send_file(self, socket, file, offset, len)
    }

    fn pipe(&mut self, bytes: usize) -> Result<[RawFd; 2], Errno> {
        Layer::pipe(self, bytes)
    }

    fn splice(&mut self, from: RawFd, to: RawFd, len: usize) -> Result<usize, Errno> {
        Layer::splice(self, from, to, len)
    }

    unsafe fn send_messages(
        &mut self,
        socket: RawFd,
        messages: &mut [libc::mmsghdr],
    ) -> Result<usize, Errno> {
        // SAFETY: the caller's promise is passed on.
        unsafe { Layer::send_messages(self, socket, messages) }
    }

    fn tee(&mut self, from: RawFd, to: RawFd, len: usize) -> Result<usize, Errno> {
        Layer::tee(self, from, to, len)
    }

    fn read(
        &mut self,
        fd: RawFd,
        room: &mut [MaybeUninit<u8>],
        offset: Option<u64>,
        flags: i32,
    ) -> Result<usize, Errno> {
        Layer::read(self, fd, room, offset, flags)
    }

    fn write(&mut self, fd: RawFd, bytes: &[u8], flags: i32) -> Result<usize, Errno> {
        Layer::write(self, fd, bytes, flags)
    }

    fn send(&mut self, socket: RawFd, bytes: &[u8], flags: i32) -> Result<usize, Errno> {
        Layer::send(self, socket, bytes, flags)
    }

    fn cached(&mut self, file: RawFd, offset: u64, len: u64) -> Result<u64, Errno> {
        Layer::cached(self, file, offset, len)
    }
}

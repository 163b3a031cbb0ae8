//! The kernel of a ring, whichever it is.
//!
//! Owns: [`AnyKernel`], which hands each call on. Invariant: a call of the real kernel costs one
//! predictable branch more than the call.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;
use std::os::fd::RawFd;

use annulus_abi::{EnterFlags, Errno, Params, RegisterOp};

use super::{Enter, Kernel};
use crate::{Real, RingMemory, SocketAddress};

/// The kernel of a ring: the real one at the price of one predictable branch, or any other.
pub enum AnyKernel {
    /// The real kernel.
    Real(Real),
    /// Another one.
    Dyn(Box<dyn Kernel>),
}

impl core::fmt::Debug for AnyKernel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Real(real) => real.fmt(f),
            Self::Dyn(_) => f.write_str("Dyn"),
        }
    }
}

impl Default for AnyKernel {
    fn default() -> Self {
        Self::Real(Real::new())
    }
}

impl From<Real> for AnyKernel {
    fn from(real: Real) -> Self {
        Self::Real(real)
    }
}

impl From<Box<dyn Kernel>> for AnyKernel {
    fn from(kernel: Box<dyn Kernel>) -> Self {
        Self::Dyn(kernel)
    }
}

/// Calls the same method of whichever kernel it is.
macro_rules! forward {
    ($self:ident.$method:ident($($arg:ident),*)) => {
        match $self {
            Self::Real(kernel) => kernel.$method($($arg),*),
            Self::Dyn(kernel) => kernel.$method($($arg),*),
        }
    };
}

/// As [`Kernel::enter`], of another kernel than the real one. The call is put together only here,
/// so that it stays in registers on the way to that one.
///
/// # Safety
/// * As for [`Kernel::enter`].
#[cold]
#[inline(never)]
unsafe fn enter_other(
    kernel: &mut dyn Kernel,
    to_submit: u32,
    min_complete: u32,
    flags: EnterFlags,
    (arg, arg_bytes): (*const c_void, usize),
) -> Result<u32, Errno> {
    // SAFETY: the caller's promise is passed on.
    unsafe { kernel.enter(Enter { to_submit, min_complete, flags, arg, arg_bytes }) }
}

// SAFETY: every call goes to a kernel that keeps the contract itself.
#[deny(clippy::missing_trait_methods)]
unsafe impl Kernel for AnyKernel {
    fn setup(&mut self, entries: u32, params: &mut Params) -> Result<RingMemory, Errno> {
        forward!(self.setup(entries, params))
    }

    #[inline]
    unsafe fn enter(&mut self, call: Enter) -> Result<u32, Errno> {
        match self {
            // SAFETY: the caller's promise is passed on.
            Self::Real(kernel) => unsafe { kernel.enter(call) },
            Self::Dyn(kernel) => {
                let Enter { to_submit, min_complete, flags, arg, arg_bytes } = call;
                let arg = (arg, arg_bytes);
                // SAFETY: the caller's promise is passed on.
                unsafe { enter_other(&mut **kernel, to_submit, min_complete, flags, arg) }
            }
        }
    }

    unsafe fn register(&mut self, op: RegisterOp, arg: *mut c_void, nr: u32) -> Result<u32, Errno> {
        match self {
            // SAFETY: the caller's promise is passed on.
            Self::Real(kernel) => unsafe { kernel.register(op, arg, nr) },
            // SAFETY: the caller's promise is passed on.
            Self::Dyn(kernel) => unsafe { kernel.register(op, arg, nr) },
        }
    }

    fn register_ring(&mut self) -> Result<(), Errno> {
        forward!(self.register_ring())
    }

    fn unregister_ring(&mut self) {
        forward!(self.unregister_ring())
    }

    fn close_ring_fd(&mut self) -> Result<(), Errno> {
        forward!(self.close_ring_fd())
    }

    fn remap(&mut self, params: &Params) -> Result<RingMemory, Errno> {
        forward!(self.remap(params))
    }

    fn poll_ring(&mut self, timeout_ns: u64) -> Result<(), Errno> {
        forward!(self.poll_ring(timeout_ns))
    }

    fn is_hung_up(&mut self, fd: RawFd) -> bool {
        forward!(self.is_hung_up(fd))
    }

    fn hung_up(&mut self, sockets: &mut [libc::pollfd]) -> usize {
        forward!(self.hung_up(sockets))
    }

    fn wait_on_word(&mut self, word: &AtomicU32, expected: u32) -> Result<(), Errno> {
        forward!(self.wait_on_word(word, expected))
    }

    #[inline]
    fn now(&self) -> u64 {
        forward!(self.now())
    }

    fn has_process_descriptors(&self) -> bool {
        forward!(self.has_process_descriptors())
    }

    unsafe fn close(&mut self, fd: RawFd) -> Result<(), Errno> {
        match self {
            // SAFETY: the caller's promise is passed on.
            Self::Real(kernel) => unsafe { kernel.close(fd) },
            // SAFETY: the caller's promise is passed on.
            Self::Dyn(kernel) => unsafe { kernel.close(fd) },
        }
    }

    fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd, Errno> {
        forward!(self.socket(domain, kind, protocol))
    }

    fn socketpair(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<[RawFd; 2], Errno> {
        forward!(self.socketpair(domain, kind, protocol))
    }

    fn bind(&mut self, fd: RawFd, address: &SocketAddress) -> Result<(), Errno> {
        forward!(self.bind(fd, address))
    }

    fn listen(&mut self, fd: RawFd, backlog: i32) -> Result<(), Errno> {
        forward!(self.listen(fd, backlog))
    }

    fn shutdown(&mut self, fd: RawFd, how: i32) -> Result<(), Errno> {
        forward!(self.shutdown(fd, how))
    }

    fn local_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno> {
        forward!(self.local_address(fd))
    }

    fn peer_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno> {
        forward!(self.peer_address(fd))
    }

    fn set_option(&mut self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        forward!(self.set_option(fd, level, name, value))
    }

    fn option(
        &mut self,
        fd: RawFd,
        level: i32,
        name: i32,
        value: &mut [u8],
    ) -> Result<usize, Errno> {
        forward!(self.option(fd, level, name, value))
    }

    fn statx(&mut self, fd: RawFd, mask: u32) -> Result<libc::statx, Errno> {
        forward!(self.statx(fd, mask))
    }

    fn seek(&mut self, fd: RawFd, offset: i64, whence: i32) -> Result<u64, Errno> {
        forward!(self.seek(fd, offset, whence))
    }

    fn status_flags(&mut self, fd: RawFd) -> Result<i32, Errno> {
        forward!(self.status_flags(fd))
    }

    fn duplicate(&mut self, fd: RawFd) -> Result<RawFd, Errno> {
        forward!(self.duplicate(fd))
    }

    fn try_lock(&mut self, fd: RawFd, operation: i32) -> Result<(), Errno> {
        forward!(self.try_lock(fd, operation))
    }

    fn eventfd(&mut self) -> Result<RawFd, Errno> {
        forward!(self.eventfd())
    }

    fn send_file(
        &mut self,
        socket: RawFd,
        file: RawFd,
        offset: u64,
        len: usize,
    ) -> Result<usize, Errno> {
        forward!(self.send_file(socket, file, offset, len))
    }

    fn pipe(&mut self, bytes: usize) -> Result<[RawFd; 2], Errno> {
        forward!(self.pipe(bytes))
    }

    fn splice(&mut self, from: RawFd, to: RawFd, len: usize) -> Result<usize, Errno> {
        forward!(self.splice(from, to, len))
    }

    unsafe fn send_messages(
        &mut self,
        socket: RawFd,
        messages: &mut [libc::mmsghdr],
    ) -> Result<usize, Errno> {
        match self {
            // SAFETY: the caller's promise is passed on.
            Self::Real(kernel) => unsafe { kernel.send_messages(socket, messages) },
            // SAFETY: the caller's promise is passed on.
            Self::Dyn(kernel) => unsafe { kernel.send_messages(socket, messages) },
        }
    }

    fn tee(&mut self, from: RawFd, to: RawFd, len: usize) -> Result<usize, Errno> {
        forward!(self.tee(from, to, len))
    }

    fn read(
        &mut self,
        fd: RawFd,
        room: &mut [MaybeUninit<u8>],
        offset: Option<u64>,
        flags: i32,
    ) -> Result<usize, Errno> {
        forward!(self.read(fd, room, offset, flags))
    }

    fn write(&mut self, fd: RawFd, bytes: &[u8], flags: i32) -> Result<usize, Errno> {
        forward!(self.write(fd, bytes, flags))
    }

    fn send(&mut self, socket: RawFd, bytes: &[u8], flags: i32) -> Result<usize, Errno> {
        forward!(self.send(socket, bytes, flags))
    }

    fn cached(&mut self, file: RawFd, offset: u64, len: u64) -> Result<u64, Errno> {
        forward!(self.cached(file, offset, len))
    }
}

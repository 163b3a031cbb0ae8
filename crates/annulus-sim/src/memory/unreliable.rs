//! The seam of [`Unreliable`]: every call goes to the kernel inside.
//!
//! Owns: `unsafe impl Kernel for Unreliable`. Does not own: which calls fail.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;
use std::os::fd::RawFd;

use annulus_abi::{Errno, Params, RegisterOp};
use annulus_ring::{Enter, Kernel, RingMemory, SocketAddress};

use super::Published;
use crate::unreliable::{Unreliable, Verdict};

// SAFETY: the memory and what is written into it are those of the kernel inside. A call that fails
// before it is made has consumed nothing; one that is cut short offers fewer of the same entries.
unsafe impl<K: Kernel> Kernel for Unreliable<K> {
    fn setup(&mut self, entries: u32, params: &mut Params) -> Result<RingMemory, Errno> {
        let memory = self.inner.setup(entries, params)?;
        // SAFETY: the kernel just described it so, and a ring stays on its thread.
        self.published = unsafe { Published::new(memory.clone(), params) };
        Ok(memory)
    }

    unsafe fn enter(&mut self, call: Enter) -> Result<u32, Errno> {
        let (shape, late) = match self.judge(&call) {
            Verdict::Fails(errno) => return Err(errno),
            Verdict::Made(shape, late) => (shape, late),
        };
        let call = Enter {
            to_submit: shape.to_submit,
            min_complete: shape.min_complete,
            flags: shape.flags,
            ..call
        };
        self.sabotage(call.to_submit);
        // SAFETY: the caller's promise, of as many entries or fewer; one that was made to fail
        // describes no memory any more.
        let consumed = unsafe { self.inner.enter(call) }?;
        late.map_or(Ok(consumed), Err)
    }

    unsafe fn register(&mut self, op: RegisterOp, arg: *mut c_void, nr: u32) -> Result<u32, Errno> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner.register(op, arg, nr) }
    }

    fn register_ring(&mut self) -> Result<(), Errno> {
        self.inner.register_ring()
    }

    fn unregister_ring(&mut self) {
        self.inner.unregister_ring();
    }

    fn hung_up(&mut self, sockets: &mut [libc::pollfd]) -> usize {
        self.inner.hung_up(sockets)
    }

    fn poll_ring(&mut self, timeout_ns: u64) -> Result<(), Errno> {
        self.interrupt()?;
        self.inner.poll_ring(timeout_ns)
    }

    fn wait_on_word(&mut self, word: &AtomicU32, expected: u32) -> Result<(), Errno> {
        self.interrupt()?;
        self.inner.wait_on_word(word, expected)
    }

    fn now(&self) -> u64 {
        self.inner.now()
    }

    fn has_process_descriptors(&self) -> bool {
        self.inner.has_process_descriptors()
    }

    fn close(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.inner.close(fd)
    }

    fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd, Errno> {
        self.inner.socket(domain, kind, protocol)
    }

    fn socketpair(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<[RawFd; 2], Errno> {
        self.inner.socketpair(domain, kind, protocol)
    }

    fn bind(&mut self, fd: RawFd, address: &SocketAddress) -> Result<(), Errno> {
        self.inner.bind(fd, address)
    }

    fn listen(&mut self, fd: RawFd, backlog: i32) -> Result<(), Errno> {
        self.inner.listen(fd, backlog)
    }

    fn shutdown(&mut self, fd: RawFd, how: i32) -> Result<(), Errno> {
        self.inner.shutdown(fd, how)
    }

    fn local_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno> {
        self.inner.local_address(fd)
    }

    fn peer_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno> {
        self.inner.peer_address(fd)
    }

    fn set_option(&mut self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        self.inner.set_option(fd, level, name, value)
    }

    fn option(
        &mut self,
        fd: RawFd,
        level: i32,
        name: i32,
        value: &mut [u8],
    ) -> Result<usize, Errno> {
        self.inner.option(fd, level, name, value)
    }

    fn statx(&mut self, fd: RawFd, mask: u32) -> Result<libc::statx, Errno> {
        self.inner.statx(fd, mask)
    }

    fn seek(&mut self, fd: RawFd, offset: i64, whence: i32) -> Result<u64, Errno> {
        self.inner.seek(fd, offset, whence)
    }

    fn status_flags(&mut self, fd: RawFd) -> Result<i32, Errno> {
        self.inner.status_flags(fd)
    }

    fn duplicate(&mut self, fd: RawFd) -> Result<RawFd, Errno> {
        self.inner.duplicate(fd)
    }

    fn try_lock(&mut self, fd: RawFd, operation: i32) -> Result<(), Errno> {
        self.inner.try_lock(fd, operation)
    }

    fn eventfd(&mut self) -> Result<RawFd, Errno> {
        self.inner.eventfd()
    }

    fn send_file(
        &mut self,
        socket: RawFd,
        file: RawFd,
        offset: u64,
        len: usize,
    ) -> Result<usize, Errno> {
        self.interrupt()?;
        self.inner.send_file(socket, file, offset, len)
    }

    fn pipe(&mut self, bytes: usize) -> Result<[RawFd; 2], Errno> {
        self.inner.pipe(bytes)
    }

    fn splice(&mut self, from: RawFd, to: RawFd, len: usize) -> Result<usize, Errno> {
        self.interrupt()?;
        self.inner.splice(from, to, len)
    }

    unsafe fn send_messages(
        &mut self,
        socket: RawFd,
        messages: &mut [libc::mmsghdr],
    ) -> Result<usize, Errno> {
        self.interrupt()?;
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner.send_messages(socket, messages) }
    }

    fn tee(&mut self, from: RawFd, to: RawFd, len: usize) -> Result<usize, Errno> {
        self.interrupt()?;
        self.inner.tee(from, to, len)
    }

    fn read(
        &mut self,
        fd: RawFd,
        room: &mut [MaybeUninit<u8>],
        offset: Option<u64>,
        flags: i32,
    ) -> Result<usize, Errno> {
        self.interrupt()?;
        self.inner.read(fd, room, offset, flags)
    }

    fn write(&mut self, fd: RawFd, bytes: &[u8], flags: i32) -> Result<usize, Errno> {
        self.interrupt()?;
        self.inner.write(fd, bytes, flags)
    }

    fn send(&mut self, socket: RawFd, bytes: &[u8], flags: i32) -> Result<usize, Errno> {
        self.interrupt()?;
        self.inner.send(socket, bytes, flags)
    }

    fn cached(&mut self, file: RawFd, offset: u64, len: u64) -> Result<u64, Errno> {
        self.inner.cached(file, offset, len)
    }
}

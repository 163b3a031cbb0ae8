//! The layer that [`Unreliable`] is: the calls that may fail before they go to the kernel inside.
//!
//! Owns: `unsafe impl Layer for Unreliable`. Does not own: which calls fail.

use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;
use std::os::fd::RawFd;

use annulus_abi::{Errno, Params};
use annulus_ring::{Enter, Kernel, Layer, RingMemory};

use super::Published;
use crate::unreliable::{Unreliable, Verdict};

// SAFETY: the memory and what is written into it are those of the kernel inside. A call that fails
// before it is made has consumed nothing; one that is cut short offers fewer of the same entries.
unsafe impl<K: Kernel> Layer for Unreliable<K> {
    type Inner = K;

    fn inner(&self) -> &K {
        &self.inner
    }

    fn inner_mut(&mut self) -> &mut K {
        &mut self.inner
    }

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

    fn remap(&mut self, params: &Params) -> Result<RingMemory, Errno> {
        let memory = self.inner.remap(params)?;
        // SAFETY: as in `setup`; the queues that were there before are not used any more.
        self.published = unsafe { Published::new(memory.clone(), params) };
        Ok(memory)
    }

    fn poll_ring(&mut self, timeout_ns: u64) -> Result<(), Errno> {
        self.interrupt()?;
        self.inner.poll_ring(timeout_ns)
    }

    fn wait_on_word(&mut self, word: &AtomicU32, expected: u32) -> Result<(), Errno> {
        self.interrupt()?;
        self.inner.wait_on_word(word, expected)
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
}

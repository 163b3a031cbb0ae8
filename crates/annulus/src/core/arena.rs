//! Memory for direct I/O: one allocation for each pool, registered with the ring if that is
//! granted.
//!
//! Owns: the memory, which buffers of it are free (a [`Stock`] of their numbers), and the place in
//! the ring's table of registered buffers. Does not own: what users see
//! ([`crate::buf::DirectPool`]).
//!
//! ```text
//!   free --take--> out --dropped--> free          on any thread
//! ```
//!
//! Invariants: the memory lives until the last buffer is back, whatever becomes of core and pool; a
//! request's slot owns its buffer, so nothing is freed that the kernel may write to; a place in the
//! table is given to another pool only after this one's memory was taken out of it. Requests keep
//! the pages that they work on, so emptying a place disturbs nobody.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::io;
use std::ptr::NonNull;

use annulus_ring::RegisterError;

use super::stock::Stock;
use super::{State, current_id, with_any, with_core};
use crate::buf::Registered;

/// Places of the ring's table: pools of one core that are registered at once.
const PLACES: u16 = 64;

/// Which places of a ring's table of registered buffers are free.
#[derive(Default)]
pub(crate) struct Arenas {
    free: Vec<u16>,
    has_table: bool,
}

impl State {
    /// Registers memory; gives its number.
    fn register_arena(&mut self, start: NonNull<u8>, bytes: usize) -> Result<u16, Refused> {
        if !self.arenas.has_table {
            if let Some(ring) = self.devices.ring() {
                ring.register_buffers_sparse(u32::from(PLACES)).map_err(Refused::ByKernel)?;
            }
            let made = self.ring.register_buffers_sparse(u32::from(PLACES));
            if let (Err(_), Some(ring)) = (&made, self.devices.ring()) {
                let _ = ring.unregister_buffers();
            }
            made.map_err(Refused::ByKernel)?;
            self.arenas.has_table = true;
            self.arenas.free = (0..PLACES).rev().collect();
        }
        let index = self.arenas.free.pop().ok_or(Refused::NoPlace)?;
        let memory = libc::iovec { iov_base: start.as_ptr().cast(), iov_len: bytes };
        match self.update_place(index, memory) {
            Ok(()) => Ok(index),
            Err(error) => {
                self.unregister_arena(index);
                Err(Refused::ByKernel(error))
            }
        }
    }

    fn unregister_arena(&mut self, index: u16) {
        let nothing = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        // A place that could not be emptied is not given away again: its pages stay pinned.
        if self.update_place(index, nothing).is_ok() {
            self.arenas.free.push(index);
        }
    }

    /// Puts memory into a place, in every ring of the core.
    fn update_place(&mut self, index: u16, memory: libc::iovec) -> Result<(), RegisterError> {
        self.ring.update_buffers(u32::from(index), &[memory], &[])?;
        match self.devices.ring() {
            Some(ring) => ring.update_buffers(u32::from(index), &[memory], &[]).map(drop),
            None => Ok(()),
        }
    }
}

/// Why memory is not registered.
#[derive(Clone, Copy, Debug)]
enum Refused {
    ByKernel(RegisterError),
    NoPlace,
}

impl Refused {
    fn error(self) -> io::Error {
        match self {
            Self::ByKernel(error) => error.into(),
            Self::NoPlace => io::Error::other(format!(
                "this core has {PLACES} registered pools already: drop one, or make one larger"
            )),
        }
    }
}

/// The memory of one pool.
pub(crate) struct Arena {
    start: NonNull<u8>,
    layout: Layout,
    buffer_bytes: usize,
    count: u32,
    registered: Result<Registered, Refused>,
    /// By their numbers.
    free: Stock<u32>,
}

// SAFETY: the memory is reached only through buffers, each of which is owned by one value.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    /// Memory for so many buffers, zeroed, registered with the ring of the current core if that is
    /// granted.
    pub(crate) fn new(count: u32, buffer_bytes: usize, align: usize) -> io::Result<Self> {
        let too_much = || {
            io::Error::new(
                io::ErrorKind::OutOfMemory,
                format!("no memory for {count} buffers of {buffer_bytes} bytes"),
            )
        };
        let bytes = buffer_bytes.checked_mul(count as usize).ok_or_else(too_much)?;
        let layout = Layout::from_size_align(bytes, align).map_err(|_| too_much())?;
        // SAFETY: the caller asks for one buffer of one byte at least.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(too_much)?;
        let mut arena = Self {
            start,
            layout,
            buffer_bytes,
            count,
            registered: Err(Refused::NoPlace),
            free: Stock::new((0..count).rev().collect()),
        };
        arena.registered = with_any(|core| {
            let index = core.state.borrow_mut().register_arena(start, bytes)?;
            Ok(Registered { core: core.id(), index })
        })?;
        Ok(arena)
    }

    pub(crate) fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn align(&self) -> usize {
        self.layout.align()
    }

    #[inline]
    pub(crate) fn registered(&self) -> Option<Registered> {
        self.registered.ok()
    }

    /// Why it is not registered.
    pub(crate) fn refusal(&self) -> Option<io::Error> {
        self.registered.err().map(Refused::error)
    }

    /// Where a buffer begins.
    #[inline]
    pub(crate) fn address(&self, buffer: u32) -> NonNull<u8> {
        debug_assert!(buffer < self.count);
        // SAFETY: there are `count` buffers of this size in the allocation.
        unsafe { self.start.add(buffer as usize * self.buffer_bytes) }
    }

    /// The numbers of the buffers that are free.
    pub(crate) fn free(&self) -> &Stock<u32> {
        &self.free
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if let Ok(Registered { core, index }) = self.registered {
            let forget = move || {
                // A core that is gone has no table any more.
                let _ = with_core(core, |core| core.state.borrow_mut().unregister_arena(index));
            };
            if current_id() == Some(core) {
                forget();
            } else {
                let _ = annulus_task::post(core, forget);
            }
        }
        // SAFETY: allocated with this layout, and no buffer is out: each holds the arena.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

//! Memory for direct I/O: one allocation for each pool, registered with the ring if that is
//! granted.
//!
//! Owns: the memory, which buffers of it are free, who waits for one, and the place in the ring's
//! table of registered buffers. Does not own: what users see ([`crate::buf::DirectPool`]).
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
use std::collections::VecDeque;
use std::io;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use annulus_ring::RegisterError;
use annulus_task::clone_waker;

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
    free: Mutex<Free>,
}

/// Which buffers are free, and who waits.
struct Free {
    /// The last one came back last.
    buffers: Vec<u32>,
    /// In their order: the first as many as there are free buffers have one each.
    waiting: VecDeque<(u64, Waker)>,
    next: u64,
}

// SAFETY: the memory is reached only through buffers, each of which is owned by one value; the
// lists are behind a lock.
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
            free: Mutex::new(Free {
                buffers: (0..count).rev().collect(),
                waiting: VecDeque::new(),
                next: 0,
            }),
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

    fn lock(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Buffers that are free.
    pub(crate) fn free_count(&self) -> usize {
        self.lock().buffers.len()
    }

    /// A free buffer that nobody waits for.
    pub(crate) fn try_take(&self) -> Option<u32> {
        let mut free = self.lock();
        if free.buffers.len() > free.waiting.len() { free.buffers.pop() } else { None }
    }

    /// A buffer, when it is the caller's turn. `ticket` is the place in the queue.
    pub(crate) fn poll_take(&self, ticket: &mut Option<u64>, cx: &mut Context<'_>) -> Poll<u32> {
        let waker = clone_waker(cx.waker());
        let mut free = self.lock();
        let place = ticket.and_then(|ticket| free.place_of(ticket));
        if place.unwrap_or(free.waiting.len()) < free.buffers.len() {
            let left = place.and_then(|place| free.waiting.remove(place));
            *ticket = None;
            let buffer = free.buffers.pop();
            drop(free);
            drop((left, waker));
            return buffer.map_or(Poll::Pending, Poll::Ready);
        }
        let displaced = match place {
            Some(place) => std::mem::replace(&mut free.waiting[place].1, waker),
            None => {
                free.next += 1;
                *ticket = Some(free.next);
                let entry = (free.next, waker);
                free.waiting.push_back(entry);
                drop(free);
                return Poll::Pending;
            }
        };
        drop(free);
        drop(displaced);
        Poll::Pending
    }

    /// Who waited does not any more.
    pub(crate) fn leave(&self, ticket: u64) {
        let mut free = self.lock();
        let Some(place) = free.place_of(ticket) else { return };
        let left = free.waiting.remove(place);
        // Who stood behind the last one that has a buffer has one now.
        let next = match free.buffers.len() {
            have if have > place => free.waker(have - 1),
            _ => None,
        };
        drop(free);
        drop(left);
        if let Some(waker) = next {
            waker.wake();
        }
    }

    /// A buffer is not used any more.
    pub(crate) fn give_back(&self, buffer: u32) {
        let mut free = self.lock();
        free.buffers.push(buffer);
        let last = free.buffers.len() - 1;
        let next = free.waker(last);
        drop(free);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

impl Free {
    fn place_of(&self, ticket: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()
    }

    /// Who waits there, to be woken: a poll notes who it is once more. Cloning it here would run
    /// code of a user under the lock.
    fn waker(&mut self, place: usize) -> Option<Waker> {
        let (_, waker) = self.waiting.get_mut(place)?;
        Some(std::mem::replace(waker, Waker::noop().clone()))
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

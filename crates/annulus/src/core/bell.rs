//! The bell: how another thread ends a core's sleep.
//!
//! ```text
//!   core:            FUTEX_WAIT(word, 0) in the ring ... asleep ... completion: word = 0
//!   another thread:  word = 1, futex(2) wakes the word
//! ```
//!
//! A core that has nothing in the ring, no timer and no open descriptor waits for the word by
//! itself, with futex(2): there is no request to be armed, no completion to be reaped, and the
//! sleep is the cheapest that there is. While the request of the bell is armed, it waits for that.
//!
//! A round trip between two sleeping threads takes 9 % less wall time and 14 % less CPU than with
//! an eventfd and a read of it (`cargo bench -p annulus-ring --bench wake`), which is what there is
//! before Linux 6.7. A wake that comes while nobody waits yet is not lost: the word says so when
//! the wait begins. So the word is set back only between the end of a sleep and the look at the
//! inbox that precedes the next one: whoever rang before that has sent something before, which that
//! look finds.
//!
//! Owns: the memory of the word, or the eventfd and where it is read to. Does not own: what the
//! word says and when ([`Word`]), when a bell is rung (the handshake of `annulus-task` rings only a
//! core that sleeps), nor the request (the driver).
//!
//! Invariant: the memory stays until the request has ended, and as long as a thread may ring.

use std::io;
use std::os::fd::RawFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::{FutexWait, Op as _, Read, Target};
use annulus_ring::{Kernel, Ring};
use annulus_task::CoreId;

use super::{futex_hash, process};

mod word;

pub(crate) use word::Ended;
use word::{SILENT, Word};

/// `FUTEX2_SIZE_U32 | FUTEX2_PRIVATE`: a word of 32 bits that only this process uses.
const FUTEX_FLAGS: u32 = 0x02 | 0x80;

/// What a core's bell is made of.
pub(crate) enum Bell {
    Futex(NonNull<Word<AtomicU32>>),
    Eventfd { fd: RawFd, count: NonNull<u64> },
}

impl Bell {
    /// A futex where the ring can wait for one that every wake finds, else an eventfd.
    pub(crate) fn new(ring: &mut Ring) -> io::Result<Self> {
        if ring.capabilities().supports(Opcode::FUTEX_WAIT) && futex_hash::settle() {
            let word = Box::new(Word::new(AtomicU32::new(SILENT)));
            return Ok(Self::Futex(NonNull::from(Box::leak(word))));
        }
        let fd = ring.kernel().eventfd()?;
        Ok(Self::Eventfd { fd, count: NonNull::from(Box::leak(Box::new(0))) })
    }

    /// How the executor of `core` has it rung.
    pub(crate) fn to_ring(&self, core: CoreId) -> annulus_task::Bell {
        match self {
            Self::Futex(word) => annulus_task::Bell {
                ring: ring_futex,
                word: word.as_ptr().expose_provenance() as u64,
            },
            // The core in the upper half, the eventfd in the lower.
            Self::Eventfd { fd, .. } => annulus_task::Bell {
                ring: ring_eventfd,
                word: u64::from(core.slot()) << 32 | *fd as u64,
            },
        }
    }

    /// The word on which a core can sleep, if this is one.
    fn word(&self) -> Option<&Word<AtomicU32>> {
        match self {
            // SAFETY: the word lives until `release`.
            Self::Futex(word) => Some(unsafe { word.as_ref() }),
            Self::Eventfd { .. } => None,
        }
    }

    /// Sleeps on it without its request, which is not armed; refused if that cannot be done.
    pub(crate) fn sleep(&self, kernel: &mut (impl Kernel + ?Sized)) -> Ended {
        match self.word() {
            Some(word) => word.sleep(|atomic| kernel.wait_on_word(atomic, SILENT)),
            None => Ended::Refused,
        }
    }

    /// Its request has ended, before the core looks at its inbox again. True if it was rung.
    pub(crate) fn has_ended(&self, res: i32) -> bool {
        match self.word() {
            Some(word) => word.has_ended(res),
            None => res >= 0,
        }
    }

    /// Fills the request that ends when the bell is rung. The one before has ended.
    pub(crate) fn encode(&self, sqe: &mut Sqe) {
        match self {
            Self::Futex(word) => {
                // SAFETY: as in `word`.
                let futex = unsafe { word.as_ref() }.atomic().as_ptr().cast_const();
                let (value, mask) = (u64::from(SILENT), u64::from(u32::MAX));
                FutexWait { futex, value, mask, flags: FUTEX_FLAGS }.encode(sqe);
            }
            Self::Eventfd { fd, count } => {
                let addr = count.as_ptr().cast();
                Read { target: Target::Fd(*fd), addr, len: 8, offset: 0 }.encode(sqe);
            }
        }
    }

    /// The descriptor that is to be closed with it.
    pub(crate) fn fd(&self) -> Option<RawFd> {
        match self {
            Self::Futex(_) => None,
            Self::Eventfd { fd, .. } => Some(*fd),
        }
    }

    /// Frees its memory.
    ///
    /// # Safety
    /// * No request of it is in flight, no thread rings it, and it is not used any more.
    pub(crate) unsafe fn release(&self) {
        match self {
            // SAFETY: leaked from a box in `new`; the caller says that nobody uses it.
            Self::Futex(word) => drop(unsafe { Box::from_raw(word.as_ptr()) }),
            // SAFETY: as above.
            Self::Eventfd { count, .. } => drop(unsafe { Box::from_raw(count.as_ptr()) }),
        }
    }
}

/// Ends the sleep of the core whose word is at this address. A forked child has a word of its own,
/// so that it cannot reach its parent.
fn ring_futex(word: u64) {
    let word = std::ptr::with_exposed_provenance::<Word<AtomicU32>>(word as usize);
    // SAFETY: the executor calls this only while the bell is set; the bell is taken away before the
    // word is freed.
    let word = unsafe { &*word };
    word.ring(|atomic| {
        let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the word is valid; waking has no other precondition.
        unsafe { libc::syscall(libc::SYS_futex, atomic.as_ptr(), wake, 1) };
    });
}

/// Ends the sleep of the core whose eventfd the word names.
fn ring_eventfd(word: u64) {
    if process::is_slot_inherited((word >> 32) as u32) {
        return; // a wake in a forked child is not for its parent
    }
    let one = 1u64;
    // SAFETY: writes 8 readable bytes; the executor calls this only while the bell is set, and the
    // bell is taken away before its descriptor is closed.
    unsafe { libc::write(word as i32, std::ptr::from_ref(&one).cast(), 8) };
}

#[cfg(all(test, loom))]
mod models;

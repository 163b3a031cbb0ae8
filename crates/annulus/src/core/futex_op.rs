//! Waits on futexes, and words that may be waited on.
//!
//! Owns: the contract of a word's owner ([`Word`]), the two operations, the wake. Does not own: the
//! memory of a word. Invariants: the slot keeps the owner of each word until the kernel has ended
//! the wait; a wake that met a wait whose future is gone is passed on to another waiter.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::{self, Op as _, Target};

use super::key::Handle;
use super::op::{Late, Operation};
use super::{Core, errors, with_any};

/// `FUTEX2_SIZE_U32`.
const SIZE_U32: u32 = 0x02;
/// `FUTEX2_PRIVATE`: only threads of this process wait and wake.
const PRIVATE: u32 = 0x80;
/// All bits: every waiter has something in common with every waker.
const ANY: u64 = u32::MAX as u64;
/// The most words of one wait (`FUTEX_WAITV_MAX`).
const WORDS_MAX: usize = 128;

/// An owner of a word that the kernel may look at.
///
/// A wait owns a clone of it until the kernel has let go of the word, which may be after its future
/// was dropped.
///
/// # Safety
/// * [`word`](Self::word) gives the same word each time, of the value and of its clones.
/// * The word stays where it is, readable and writable, until the value and all of its clones are
///   dropped. Moving the value does not move it.
/// * [`word`](Self::word) returns: it neither panics nor calls into the runtime, which asks it
///   while it writes a request.
///
/// ```
/// use std::sync::{Arc, atomic::AtomicU32};
///
/// struct Gate { is_open: AtomicU32 }
/// #[derive(Clone)]
/// struct GateWord(Arc<Gate>);
///
/// // SAFETY: the word is on the heap for as long as the gate is shared.
/// unsafe impl annulus::futex::Word for GateWord {
///     fn word(&self) -> &AtomicU32 {
///         &self.0.is_open
///     }
/// }
/// ```
pub unsafe trait Word: Clone + 'static {
    /// The word.
    fn word(&self) -> &AtomicU32;
}

// SAFETY: on the heap, until the last clone is dropped.
unsafe impl Word for Arc<AtomicU32> {
    fn word(&self) -> &AtomicU32 {
        self
    }
}

// SAFETY: for ever.
unsafe impl Word for &'static AtomicU32 {
    fn word(&self) -> &AtomicU32 {
        self
    }
}

/// Who may wait and wake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scope {
    Process,
    System,
}

impl Scope {
    fn flags(self) -> u32 {
        match self {
            Self::Process => SIZE_U32 | PRIVATE,
            Self::System => SIZE_U32,
        }
    }
}

/// Wakes at most so many who wait on a word; gives how many that were.
pub(crate) fn wake(word: &AtomicU32, scope: Scope, count: u32) -> io::Result<u32> {
    let private = if scope == Scope::Process { libc::FUTEX_PRIVATE_FLAG } else { 0 };
    let (call, count) = (libc::FUTEX_WAKE | private, i32::try_from(count).unwrap_or(i32::MAX));
    // SAFETY: the word is valid; waking has no other precondition.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), call, count) };
    u32::try_from(woken).map_err(|_| io::Error::last_os_error())
}

/// Why this kernel cannot wait.
fn unsupported(opcode: Opcode) -> Option<io::Error> {
    let known =
        with_any(|core| core.state.borrow().ring.capabilities().supports(opcode)).unwrap_or(true);
    (!known).then(|| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel's rings cannot wait for a futex: Linux 6.7 can",
        )
    })
}

/// A wait on one word.
pub(crate) struct Wait<W> {
    pub(crate) word: W,
    pub(crate) scope: Scope,
    pub(crate) value: u32,
}

// SAFETY: the word stays valid while its owner is kept (the contract of `Word`).
unsafe impl<W: Word> Operation for Wait<W> {
    type Output = io::Result<bool>;
    const OPCODE: Option<Opcode> = Some(Opcode::FUTEX_WAIT);

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn refusal(&self) -> Option<io::Error> {
        unsupported(Opcode::FUTEX_WAIT)
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        let futex = self.word.word().as_ptr().cast_const();
        let (value, flags) = (u64::from(self.value), self.scope.flags());
        op::FutexWait { futex, value, mask: ANY, flags }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        match -res {
            libc::EAGAIN => Ok(false),
            _ if res < 0 => Err(errors::from_res(res)),
            _ => Ok(true),
        }
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }

    fn orphan(self, _core: &Core, late: Late) {
        if late.res >= 0 {
            let _ = wake(self.word.word(), self.scope, 1);
        }
    }
}

/// `struct futex_waitv`.
#[repr(C)]
#[derive(Debug)]
struct Waiter {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

/// A wait on several words.
pub(crate) struct WaitAny<W> {
    words: Vec<(W, Scope)>,
    list: Vec<Waiter>,
}

impl<W: Word> WaitAny<W> {
    pub(crate) fn new(futexes: impl Iterator<Item = (W, Scope, u32)>) -> Self {
        let (mut words, mut list) = (Vec::new(), Vec::new());
        for (word, scope, value) in futexes {
            let address = word.word().as_ptr().expose_provenance() as u64;
            let (value, flags) = (u64::from(value), scope.flags());
            list.push(Waiter { value, address, flags, reserved: 0 });
            words.push((word, scope));
        }
        Self { words, list }
    }
}

// SAFETY: the words stay valid while their owners are kept (the contract of `Word`), the list is on
// the heap, and all are owned by this operation.
unsafe impl<W: Word> Operation for WaitAny<W> {
    type Output = io::Result<Option<usize>>;
    const OPCODE: Option<Opcode> = Some(Opcode::FUTEX_WAITV);

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn refusal(&self) -> Option<io::Error> {
        if (1..=WORDS_MAX).contains(&self.words.len()) {
            return unsupported(Opcode::FUTEX_WAITV);
        }
        let text = format!("a wait is for 1 to {WORDS_MAX} futexes, not {}", self.words.len());
        Some(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        let (waiters, count) = (self.list.as_ptr().cast(), self.list.len() as u32);
        op::FutexWaitv { waiters, count }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        match -res {
            libc::EAGAIN => Ok(None),
            _ if res < 0 => Err(errors::from_res(res)),
            _ => Ok(Some(res as usize)),
        }
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }

    fn orphan(self, _core: &Core, late: Late) {
        let woken = usize::try_from(late.res).ok().and_then(|index| self.words.get(index));
        if let Some((word, scope)) = woken {
            let _ = wake(word.word(), *scope, 1);
        }
    }
}

//! The place in which a request lies still until it has completed, and then its output.
//!
//! | phase | the content is | it belongs to | ends by |
//! |---|---|---|---|
//! | free | nothing | the table | [`begin`](Cell::begin) |
//! | in flight | the request | the kernel, and who encodes it | [`complete`](Cell::complete) |
//! | completing | the request, then the output | the thread that reaped | the request's own code |
//! | done | the output | the ticket | [`take`](Cell::take) |
//! | over | nothing | the ticket | [`let_go`](Cell::let_go) |
//!
//! If the ticket is dropped before the request has completed, nobody wants the output, and whoever
//! reaps drops it and frees the cell. Code of others (the request's, its output's, the callback's)
//! never runs under the lock.
//!
//! Owns: [`Cell`], its phases and who may touch the content in each. Does not own: which cells are
//! free (the table), nor when a request is submitted. Invariants: a request is not moved while it
//! is in flight; of a completion and a ticket that is dropped exactly one frees the cell; a
//! generation is used once in 2^31 requests of a cell; a cancel comes behind its request, although
//! the cell may lie in the list of cancels for an earlier one.

use core::marker::PhantomData;
use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    sync::PoisonError,
    time::Instant,
};

use annulus_abi::{Cqe, Sqe};

use super::{
    request::Request,
    storage::{self, Storage},
};
use crate::shared::sync::{AtomicU32, Condvar, Mutex, MutexGuard, UnsafeCell};

/// A place for a request and its output.
pub struct Cell {
    head: Mutex<Head>,
    /// Signalled when the phase becomes done or over.
    ended: Condvar,
    content: UnsafeCell<Storage>,
    /// Links of the lists of what is to be submitted, and to be cancelled.
    pub(super) submits: AtomicU32,
    pub(super) cancels: AtomicU32,
}

// SAFETY: the content is only ever something that is `Send` (requests, outputs, callbacks), and in
// each phase it belongs to one thread, which the lock hands it to.
unsafe impl Sync for Cell {}
// SAFETY: as above.
unsafe impl Send for Cell {}

struct Head {
    generation: u32,
    phase: Phase,
    kind: Option<&'static Kind>,
    /// Somebody has a ticket.
    wanted: bool,
    /// The request was encoded, so what is pushed from now on comes behind it.
    encoded: bool,
    /// The request is to be cancelled, and nobody has seen to that.
    cancel: bool,
    /// The cell is in the list of cancels, for this request or an earlier one.
    listed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Free,
    InFlight,
    Completing,
    Done,
    Over,
}

/// Generations are below this, so no user data of a request is one of the threads' marks.
const GENERATIONS: u32 = 1 << 31;

/// What a cell's content can do, whatever its type.
pub struct Kind {
    /// Writes the request down.
    encode: unsafe fn(*mut Storage, &mut Sqe),
    /// Takes the request out and completes it; whether the output lies there now.
    complete: unsafe fn(*mut Storage, &Cqe) -> bool,
    /// Takes the output out and drops it.
    discard: unsafe fn(*mut Storage),
}

/// A request whose output somebody waits for.
pub struct ForTicket<R>(PhantomData<R>);

impl<R: Request> ForTicket<R> {
    /// Its kind.
    pub const KIND: Kind = Kind {
        encode: |place, sqe| {
            // SAFETY: the caller says that the request lies there.
            let request = unsafe { storage::at::<R>(place) };
            // SAFETY: as above, and that nobody else touches it.
            unsafe { &mut *request }.encode(sqe);
        },
        complete: |place, cqe| {
            // SAFETY: the caller says that the request lies there.
            let output = unsafe { storage::take::<R>(place) }.complete(cqe);
            // SAFETY: the place has just become empty.
            unsafe { storage::put(place, output) };
            true
        },
        // SAFETY: the caller says that the output lies there.
        discard: |place| drop(unsafe { storage::take::<R::Output>(place) }),
    };
}

/// A request, and who is called with its output.
pub struct ForCallback<R, F>(R, F);

impl<R: Request, F: FnOnce(R::Output) + Send + 'static> ForCallback<R, F> {
    /// Its kind.
    pub const KIND: Kind = Kind {
        encode: |place, sqe| {
            // SAFETY: the caller says that both lie there.
            let both = unsafe { storage::at::<Self>(place) };
            // SAFETY: as above, and that nobody else touches them.
            unsafe { &mut *both }.0.encode(sqe);
        },
        complete: |place, cqe| {
            // SAFETY: the caller says that both lie there.
            let Self(request, callback) = unsafe { storage::take::<Self>(place) };
            callback(request.complete(cqe));
            false
        },
        discard: |_| {},
    };

    pub(super) fn new(request: R, callback: F) -> Self {
        Self(request, callback)
    }
}

/// What has become of a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a cell that is free has to be given back"]
pub enum Left {
    /// It is free now: whoever is told so gives it back.
    Free,
    /// It is still somebody's.
    Taken,
}

impl Cell {
    /// A free cell.
    #[must_use]
    pub fn new() -> Self {
        let head = Head {
            generation: 0,
            phase: Phase::Free,
            kind: None,
            wanted: false,
            encoded: false,
            cancel: false,
            listed: false,
        };
        Self {
            head: Mutex::new(head),
            ended: Condvar::new(),
            content: UnsafeCell::new(Storage::empty()),
            submits: AtomicU32::new(0),
            cancels: AtomicU32::new(0),
        }
    }

    /// No code of others runs under the lock, so a panic leaves nothing broken.
    fn locked(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // --- The request -----------------------------------------------------------------------------

    /// Puts a request for a ticket into a cell that this thread has taken from the free ones.
    /// Returns its generation.
    pub fn begin<R: Request>(&self, request: R) -> u32 {
        self.put(request, &ForTicket::<R>::KIND, true)
    }

    /// As [`begin`](Self::begin), for a callback; nobody has a ticket.
    pub fn begin_with<R, F>(&self, request: R, callback: F) -> u32
    where
        R: Request,
        F: FnOnce(R::Output) + Send + 'static,
    {
        let both = ForCallback::new(request, callback);
        self.put(both, &ForCallback::<R, F>::KIND, false)
    }

    fn put<T>(&self, content: T, kind: &'static Kind, wanted: bool) -> u32 {
        // SAFETY: a free cell's content is nothing, and the cell is this thread's.
        self.content.with_mut(|place| unsafe { storage::put(place, content) });
        let mut head = self.locked();
        debug_assert_eq!(head.phase, Phase::Free);
        head.generation = (head.generation + 1) % GENERATIONS;
        head.phase = Phase::InFlight;
        head.kind = Some(kind);
        head.wanted = wanted;
        head.encoded = false;
        head.cancel = false;
        head.generation
    }

    /// Writes the request down. Whether it is to be cancelled right behind that, because that was
    /// asked for already. `None` if its code panicked.
    ///
    /// # Safety
    /// * The request was begun, has not been given to the kernel, and no other thread is here.
    pub unsafe fn encode(&self, sqe: &mut Sqe) -> Option<bool> {
        let mut head = self.locked();
        debug_assert_eq!(head.phase, Phase::InFlight);
        let kind = head.kind?;
        head.encoded = true;
        let cancel = core::mem::take(&mut head.cancel);
        drop(head);
        let encode = || {
            // SAFETY: the content is the request, and until it is submitted it belongs to the one
            // thread that encodes it.
            self.content.with_mut(|place| unsafe { (kind.encode)(place, sqe) });
        };
        quietly(encode).map(|()| cancel)
    }

    /// The generation of what is in flight here.
    pub fn in_flight(&self) -> Option<u32> {
        let head = self.locked();
        (head.phase == Phase::InFlight).then_some(head.generation)
    }

    /// The request of this generation has completed: its own code makes the output of it. `None` if
    /// there is no such request.
    pub fn complete(&self, generation: u32, cqe: &Cqe) -> Option<Left> {
        let mut head = self.locked();
        if head.phase != Phase::InFlight || head.generation != generation {
            return None;
        }
        head.phase = Phase::Completing;
        let kind = head.kind?;
        drop(head);
        let complete = || {
            // SAFETY: the kernel is done with the request, and while the cell is completing the
            // content belongs to this thread.
            self.content.with_mut(|place| unsafe { (kind.complete)(place, cqe) })
        };
        // Without an answer the code has panicked, and the request is gone.
        let has_output = quietly(complete).unwrap_or(false);
        let mut head = self.locked();
        if head.wanted {
            head.phase = if has_output { Phase::Done } else { Phase::Over };
            drop(head);
            self.ended.notify_all();
            return Some(Left::Taken);
        }
        drop(head);
        if has_output {
            // SAFETY: the content is the output, and as nobody has a ticket it is this thread's.
            quietly(|| self.content.with_mut(|place| unsafe { (kind.discard)(place) }));
        }
        self.locked().phase = Phase::Free;
        Some(Left::Free)
    }

    // --- Its ticket ------------------------------------------------------------------------------

    /// Whether the output is there, was taken, or never will be. For the ticket.
    pub fn has_ended(&self) -> bool {
        matches!(self.locked().phase, Phase::Done | Phase::Over)
    }

    /// Waits until the request [has ended](Self::has_ended); false if the time is over.
    pub fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut head = self.locked();
        while !matches!(head.phase, Phase::Done | Phase::Over) {
            head = match deadline {
                None => self.ended.wait(head).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.ended.wait_timeout(head, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    /// Takes the output, if it is there.
    ///
    /// # Safety
    /// * The caller has the ticket, which is for an `R`.
    pub unsafe fn take<R: Request>(&self) -> Option<R::Output> {
        let mut head = self.locked();
        if head.phase != Phase::Done {
            return None;
        }
        head.phase = Phase::Over;
        drop(head);
        // SAFETY: the content is the output of an `R`, and when it is done it is the ticket's.
        Some(self.content.with_mut(|place| unsafe { storage::take::<R::Output>(place) }))
    }

    /// The ticket is dropped.
    pub fn let_go(&self) -> Left {
        /// Frees the cell, also if dropping the output panics.
        struct Free<'a>(&'a Cell);
        impl Drop for Free<'_> {
            fn drop(&mut self) {
                self.0.locked().phase = Phase::Free;
            }
        }

        let mut head = self.locked();
        let (phase, kind) = (head.phase, head.kind);
        if matches!(phase, Phase::InFlight | Phase::Completing) {
            head.wanted = false;
            return Left::Taken;
        }
        drop(head);
        let free = Free(self);
        if let (Phase::Done, Some(kind)) = (phase, kind) {
            // SAFETY: the content is the output, and when it is done it is the ticket's.
            self.content.with_mut(|place| unsafe { (kind.discard)(place) });
        }
        drop(free);
        Left::Free
    }

    // --- Cancelling ------------------------------------------------------------------------------

    /// Notes that the request of this generation is to be cancelled. Whether the cell has to be put
    /// into the list for that: not if it is there, nor if the request has completed.
    pub fn ask_to_cancel(&self, generation: u32) -> bool {
        let mut head = self.locked();
        if head.phase != Phase::InFlight || head.generation != generation {
            return false;
        }
        head.cancel = true;
        !core::mem::replace(&mut head.listed, true)
    }

    /// The generation that is to be cancelled, if it is in flight still. The cell has been taken
    /// out of the list. If its request has yet to be encoded, [`encode`](Self::encode) says that it
    /// is to be cancelled.
    pub fn to_cancel(&self) -> Option<u32> {
        let mut head = self.locked();
        head.listed = false;
        if head.phase != Phase::InFlight || !head.encoded {
            return None;
        }
        core::mem::take(&mut head.cancel).then_some(head.generation)
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self::new()
    }
}

/// Calls code of others, and keeps a panic, which the hook has reported, from the thread.
fn quietly<T>(code: impl FnOnce() -> T) -> Option<T> {
    let forget = |payload: Box<dyn Any + Send>| {
        // What was thrown may throw again when it is dropped.
        if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            core::mem::forget(again);
        }
    };
    panic::catch_unwind(AssertUnwindSafe(code)).map_err(forget).ok()
}

#[cfg(all(test, not(loom)))]
mod tests;

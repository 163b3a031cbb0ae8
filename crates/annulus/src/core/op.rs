//! The life of one awaited operation, seen from the future.
//!
//! Owns: the [`Operation`] contract between a description and the driver, and [`Op`], the future.
//! Does not own: slots (the table), completions (the driver).
//!
//! | the future is | it holds | dropping it |
//! |---|---|---|
//! | `Idle` | the description with its buffer | drops both; the kernel never heard of it |
//! | `Flight` | core, and a ticket for the slot | makes the slot an orphan, which keeps the buffer until the final CQE; one that is queued is abandoned and keeps its place, one that is done is reclaimed at once |
//! | `Done` | nothing | does nothing |
//!
//! Dropping moves nothing, so it works on any thread: elsewhere than on the owner core, a job that
//! names the slot goes to the owner's inbox.

mod end;
mod link;

use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker, ready};

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::Target;
use annulus_task::CoreId;

use super::cached_read::Wanted;
use super::key::{Handle, Key};
use super::table::{Found, Lane, Phase, Taken, Ticket, Vtable, locate};
use super::{Core, State, current_id, errors, try_core, with_any, with_core};

/// A result that came after its future was gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Late {
    pub(crate) index: u32,
    /// The record that the request worked on, if any.
    pub(crate) record: Option<Key>,
    pub(crate) res: i32,
}

/// What a request is made of, and what its results mean.
///
/// # Safety
/// * Every address that `encode` writes into the SQE stays valid, for what the kernel does with it,
///   for as long as `self` stays unmoved and undropped.
pub(crate) unsafe trait Operation: Sized + 'static {
    /// What awaiting it gives.
    type Output;

    /// Which queue of its socket it belongs to.
    const LANE: Lane = Lane::Free;
    /// Whether dropping the future cancels the request.
    const CANCELS: bool = true;

    /// Whether it asks for nothing else than bytes of a file, which the page cache may have.
    const READS_FILE: bool = false;

    /// Whether it goes to the kernel again if that cancels it although nobody asked.
    const TRIED_AGAIN: bool = true;

    /// Whether nothing of it is a user's, so that what is left of it is reclaimed as soon as it has
    /// ended, by [`reclaim_at_once`](Self::reclaim_at_once).
    const IS_OURS: bool = false;

    /// What it asks the kernel for, as people are told; else they are told the type's name.
    const OPCODE: Option<Opcode> = None;

    /// The record it works on, if it works on one.
    fn handle(&self) -> Option<Handle>;

    /// Why it cannot even start: a zero capacity, for instance.
    fn refusal(&self) -> Option<io::Error> {
        None
    }

    /// What it asks of a file, if it [`READS_FILE`](Self::READS_FILE); `None` for what has no
    /// offset. The room is writable, of memory that the operation owns, and stays so until the
    /// operation is moved or used.
    #[inline]
    fn wanted(&mut self) -> Option<Wanted> {
        None
    }

    /// Fills the zeroed SQE. It runs while the core is borrowed: it must not panic, nor call into
    /// the runtime.
    fn encode(&mut self, target: Target, sqe: &mut Sqe);

    /// Notes a non-negative result; true if the rest must go to the kernel again.
    fn resume(&mut self, _res: i32) -> bool {
        false
    }

    /// The result of the final completion.
    fn complete(self, core: &Core, res: i32, flags: u32) -> Self::Output;

    /// The error of an operation that did not reach the kernel; `this` is `None` if it did, and its
    /// owner can no longer be reached from here.
    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output;

    /// The result came after the future was dropped. Called when nothing of the core is borrowed.
    fn orphan(self, core: &Core, late: Late) {
        if Self::IS_OURS {
            self.reclaim_at_once(&mut core.state.borrow_mut(), late);
        }
    }

    /// As [`orphan`](Self::orphan), while the core is borrowed, if it [`IS_OURS`](Self::IS_OURS).
    fn reclaim_at_once(self, _state: &mut State, _late: Late) {}
}

struct VtableOf<D>(PhantomData<D>);

impl<D: Operation> VtableOf<D> {
    const TABLE: Vtable = Vtable {
        encode: encode::<D>,
        resume: resume::<D>,
        reclaim: reclaim::<D>,
        reclaim_at_once: if D::IS_OURS { Some(reclaim_at_once::<D>) } else { None },
        tried_again: D::TRIED_AGAIN,
        opcode: D::OPCODE,
        kind: std::any::type_name::<D>,
    };
}

/// How the table works on owners of type `D`.
pub(crate) fn vtable<D: Operation>() -> &'static Vtable {
    const { &VtableOf::<D>::TABLE }
}

/// # Safety
/// * `storage` belongs to a slot that holds a `D`, and nobody else refers to it.
unsafe fn encode<D: Operation>(storage: NonNull<u8>, target: Target, sqe: &mut Sqe) {
    // SAFETY: the caller's contract.
    let place = unsafe { locate::<D>(storage) };
    // SAFETY: the owner is live, and exclusively ours for this call.
    unsafe { &mut *place.as_ptr() }.encode(target, sqe);
}

/// # Safety
/// * As for [`encode`].
unsafe fn resume<D: Operation>(storage: NonNull<u8>, res: i32) -> bool {
    // SAFETY: the caller's contract.
    let place = unsafe { locate::<D>(storage) };
    // SAFETY: the owner is live, and exclusively ours for this call.
    unsafe { &mut *place.as_ptr() }.resume(res)
}

/// # Safety
/// * The slot `late.index` of `core` holds a `D`, and the kernel has ended its request.
unsafe fn reclaim<D: Operation>(_storage: NonNull<u8>, core: &Core, late: Late) {
    let mut state = core.state.borrow_mut();
    // SAFETY: the caller's contract.
    let owner = unsafe { state.table.take_out::<D>(late.index) };
    drop(state);
    owner.orphan(core, late);
}

/// # Safety
/// * The slot `late.index` of `state` holds a `D`, and the kernel has ended its request.
unsafe fn reclaim_at_once<D: Operation>(state: &mut State, late: Late) {
    // SAFETY: the caller's contract.
    let owner = unsafe { state.table.take_out::<D>(late.index) };
    owner.reclaim_at_once(state, late);
}

/// The future of one operation. It touches the ring when it is first polled.
pub(crate) struct Op<D: Operation> {
    stage: Stage<D>,
}

// The tag is a word of its own: one that hides in a niche of a buffer costs more to tell, and
// behind a byte the description is copied byte by byte.
#[repr(usize)]
enum Stage<D> {
    Idle(D),
    Flight { core: CoreId, ticket: Ticket },
    Done,
}

impl<D: Operation> Op<D> {
    pub(crate) fn new(description: D) -> Self {
        Self { stage: Stage::Idle(description) }
    }

    fn start(&mut self, cx: &mut Context<'_>) -> Poll<D::Output> {
        let Stage::Idle(description) = &self.stage else {
            panic!("an operation was polled after it had completed");
        };
        if let Some(error) = description.refusal() {
            return self.refused(error);
        }
        let handle = description.handle();
        let stage = &mut self.stage;
        let started = match handle {
            Some(handle) => with_core(handle.core, |core| begin(core, Some(handle), stage, cx)),
            None => with_any(|core| begin(core, None, stage, cx)),
        };
        match started {
            Ok(Ok(None)) => Poll::Pending,
            Ok(Ok(Some(output))) => Poll::Ready(output),
            Ok(Err(error)) | Err(error) => self.refused(error),
        }
    }

    #[cold]
    fn refused(&mut self, error: io::Error) -> Poll<D::Output> {
        Poll::Ready(D::refuse(self.stage.take(), error))
    }
}

impl<D: Operation> Op<D> {
    /// The description, as long as the kernel has not heard of it.
    pub(crate) fn idle(&mut self) -> Option<&mut D> {
        match &mut self.stage {
            Stage::Idle(description) => Some(description),
            Stage::Flight { .. } | Stage::Done => None,
        }
    }

    /// Takes the description out, if the kernel has not heard of it.
    pub(crate) fn take_idle(&mut self) -> Option<D> {
        match self.stage {
            Stage::Idle(_) => self.stage.take(),
            Stage::Flight { .. } | Stage::Done => None,
        }
    }
}

impl<D> Stage<D> {
    /// The description, if it has not left the future yet.
    fn take(&mut self) -> Option<D> {
        match std::mem::replace(self, Stage::Done) {
            Stage::Idle(description) => Some(description),
            Stage::Flight { .. } | Stage::Done => None,
        }
    }
}

/// The output of a read whose bytes are all in the page cache; `None` leaves it to the ring.
#[inline]
fn from_cache<D: Operation>(core: &Core, file: Handle, stage: &mut Stage<D>) -> Option<D::Output> {
    let Stage::Idle(description) = stage else {
        return None;
    };
    let wanted = description.wanted()?;
    // SAFETY: the description owns the buffer, and nobody else refers to it.
    let done = unsafe { core.read_cached(file.key, wanted) }?;
    Some(stage.take()?.complete(core, done as i32, 0))
}

/// Moves the description from the future into a slot, and pushes its SQE, unless what it asks for
/// is there already. If it cannot begin, the stage stays as it is.
#[inline(always)]
fn begin<D: Operation>(
    core: &Core,
    handle: Option<Handle>,
    stage: &mut Stage<D>,
    cx: &mut Context<'_>,
) -> io::Result<Option<D::Output>> {
    if let (true, Some(file)) = (D::READS_FILE, handle) {
        // Who shares the call that enters the ring pays less than a call of his own.
        if !core.executor.has_ready() {
            if let Some(output) = from_cache(core, file, stage) {
                return Ok(Some(output));
            }
        }
    }
    let mut borrowed = core.state.borrow_mut();
    let state = &mut *borrowed;
    if state.stopping {
        return Err(errors::handle_gone());
    }
    let (id, record) = match handle {
        Some(handle) => (handle.core, Some(handle.key)),
        None => (core.id(), None),
    };
    let mut target = Target::Fd(-1);
    if let Some(record) = record {
        let Some(found) = state.records.get(record) else {
            return Err(errors::handle_gone());
        };
        if D::LANE == Lane::Send && found.is_shut() {
            return Err(errors::shut());
        }
        found.in_flight += 1;
        target = found.target();
    }
    let waiter = core.executor.polled_by(cx.waker());
    let is_other = waiter.is_none();
    let vacant = state.table.vacant();
    let Stage::Idle(owner) = std::mem::replace(stage, Stage::Done) else {
        unreachable!("`start` has just looked");
    };
    let Taken { ticket, slot, mut owner } = state.table.fill(vacant, owner, vtable::<D>(), waiter);
    if let Some(record) = record {
        slot.bind(record);
    }
    *stage = Stage::Flight { core: id, ticket };
    if D::LANE == Lane::Free {
        // SAFETY: `fill` has just placed the owner there, and nobody else refers to it.
        let owner = unsafe { owner.as_mut() };
        state.push(ticket.user_data(), |sqe| owner.encode(target, sqe));
    } else {
        slot.enter(D::LANE);
        state.launch(ticket.key(), D::LANE);
    }
    drop(borrowed);
    if is_other {
        core.rewake(ticket.key(), cx.waker());
    }
    Ok(None)
}

impl<D: Operation> Future for Op<D> {
    type Output = D::Output;

    // Taking what is done out is small, and is put where it is awaited: behind a call, a result is
    // moved through memory twice. What begins a request, or waits on, is a call.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Nothing in `Op` is structurally pinned, so it may be moved out.
        let this = self.get_mut();
        let Stage::Flight { core: id, ticket } = this.stage else {
            // Unwrapped and wrapped again: returned as it is, it would have to lie in memory, and
            // so would what is taken out below.
            let output = ready!(this.start(cx));
            return Poll::Ready(output);
        };
        let done = try_core(id, |core| {
            let mut state = core.state.borrow_mut();
            // SAFETY: the core `id` gave the ticket, and no other core is ever called so.
            let Found::Done(ended) = (unsafe { state.table.look(ticket) }) else {
                return None;
            };
            let (res, flags) = (ended.res, ended.flags);
            // SAFETY: the ticket is of this future's slot, which `begin` filled with a `D`.
            let owner = unsafe { state.table.collect::<D>(ended) };
            drop(state);
            Some(owner.complete(core, res, flags))
        });
        let output = match done.flatten() {
            Some(output) => {
                this.stage = Stage::Done;
                output
            }
            None => ready!(this.wait(cx)),
        };
        Poll::Ready(output)
    }
}

impl<D: Operation> Op<D> {
    /// There is no result to be taken from here: waits on, or says why there will be none.
    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<D::Output> {
        let Stage::Flight { core: id, ticket } = self.stage else {
            unreachable!("who polls has just looked");
        };
        let waits = with_core(id, |core| {
            let mut state = core.state.borrow_mut();
            // SAFETY: the core `id` gave the ticket, and no other core is ever called so.
            let Found::Waiting(slot) = (unsafe { state.table.look(ticket) }) else {
                return false;
            };
            if !core.executor.is_waiter(&slot.waiter, cx.waker()) {
                drop(state);
                core.rewake(ticket.key(), cx.waker());
            }
            true
        });
        let error = match waits {
            Ok(true) => return Poll::Pending,
            Ok(false) => errors::handle_gone(),
            Err(error) => {
                orphan(id, ticket.key(), D::CANCELS);
                error
            }
        };
        self.stage = Stage::Done;
        Poll::Ready(D::refuse(None, error))
    }
}

impl Core {
    /// The future of a slot is polled by somebody else than before, or not by a task of this core.
    #[cold]
    fn rewake(&self, key: Key, waker: &Waker) {
        // Not while the state is borrowed: a waker may be user code, also one that is displaced.
        let mut waiter = self.executor.waiter(waker);
        let mut state = self.state.borrow_mut();
        // The request may even have ended meanwhile, and has woken whoever waited then.
        let slot = state.table.get(key).filter(|slot| slot.phase() != Phase::Done);
        let waits = slot.map(|slot| std::mem::swap(&mut slot.waiter, &mut waiter)).is_some();
        drop(state);
        drop(waiter);
        if !waits {
            waker.wake_by_ref();
        }
    }
}

impl<D> Unpin for Op<D> where D: Operation {}

impl<D: Operation> Drop for Op<D> {
    fn drop(&mut self) {
        if let Stage::Flight { core, ticket } = self.stage {
            orphan(core, ticket.key(), D::CANCELS);
        }
    }
}

/// The future of a slot is gone: on its own core at once, elsewhere through the inbox. A core that
/// is gone has settled its slots already.
fn orphan(core: CoreId, key: Key, cancels: bool) {
    if current_id() == Some(core) {
        let _ = with_core(core, |core| core.orphan(key, cancels));
    } else {
        let _ = annulus_task::post(core, move || {
            let _ = with_core(core, |core| core.orphan(key, cancels));
        });
    }
}

#[cfg(test)]
mod tests;

//! A file that never gets a descriptor: opened into a slot of the fixed-file table, read, closed.
//!
//! Owns: the slot while the requests are about, and the requests. Does not own: their order
//! (`fs/read_once.rs`).
//!
//! Invariants: each request holds the slot, so that it is given to nobody else before the last of
//! them has ended, whatever became of the future; it is empty when it is given back.

use std::ffi::CString;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annulus_ring::abi::{Features, Opcode, Sqe};
use annulus_ring::op::{self, Op as _, Place, Target};
use annulus_task::CoreId;

use super::key::Handle;
use super::op::{Late, Operation};
use super::{Core, State, current_id, errors, with_any, with_core};
use crate::buf::{BufError, BufResult, IoBufMut, receive_len, receive_room};
use crate::core::file_op::no_such_offset;

/// A slot of the fixed-file table that no record has.
#[derive(Clone)]
pub(crate) struct Lent(Arc<Slot>);

struct Slot {
    core: CoreId,
    slot: u32,
    /// A request has emptied it.
    is_empty: AtomicBool,
}

impl State {
    /// A free slot, if a chain can open a file into it and use it.
    fn lend_slot(&mut self) -> Option<u32> {
        if !self.ring.capabilities().has(Features::LINKED_FILE) {
            return None;
        }
        let slot = self.fixed_free.pop()?;
        self.counters.fixed_files_free.set(self.fixed_free.len() as u64);
        Some(slot)
    }

    fn take_slot_back(&mut self, slot: u32, is_empty: bool) {
        if is_empty {
            self.fixed_free.push(slot);
            self.counters.fixed_files_free.set(self.fixed_free.len() as u64);
        } else {
            self.release_fixed(Target::Fixed(slot));
        }
    }
}

impl Lent {
    /// A slot of the current core; `None` where there is none.
    pub(crate) fn new() -> Option<Self> {
        let lend = |core: &Core| Some((core.id(), core.state.borrow_mut().lend_slot()?));
        let (core, slot) = with_any(lend).ok().flatten()?;
        Some(Self(Arc::new(Slot { core, slot, is_empty: AtomicBool::new(true) })))
    }

    fn refusal(&self) -> Option<io::Error> {
        match current_id() {
            Some(here) if here == self.0.core => None,
            Some(here) => Some(errors::wrong_core(self.0.core, here)),
            None => Some(errors::no_runtime()),
        }
    }

    fn note(&self, is_empty: bool) {
        // ORDERING: Relaxed. Requests end one after the other on the core's thread; the count of
        // the Arc orders this before the drop that reads it.
        self.0.is_empty.store(is_empty, Ordering::Relaxed);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // ORDERING: Relaxed, pairs with the store in `note`: nobody else has it any more.
        let (slot, is_empty) = (self.slot, self.is_empty.load(Ordering::Relaxed));
        let back = move |core: &Core| core.state.borrow_mut().take_slot_back(slot, is_empty);
        let id = self.core;
        if current_id() == Some(id) {
            let _ = with_core(id, back);
        } else {
            // A core that is gone has closed its table.
            let _ = annulus_task::post(id, move || {
                let _ = with_core(id, back);
            });
        }
    }
}

/// Opens a file into the slot.
pub(crate) struct OpenLent {
    pub(crate) lent: Lent,
    pub(crate) path: CString,
}

// SAFETY: the path is on the heap and owned by this operation.
unsafe impl Operation for OpenLent {
    type Output = io::Result<()>;
    const OPCODE: Option<Opcode> = Some(Opcode::OPENAT);

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn refusal(&self) -> Option<io::Error> {
        self.lent.refusal()
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        // Without O_CLOEXEC, which a slot refuses: no descriptor could be inherited.
        let place = Place::Fixed(self.lent.0.slot);
        let (dir, path) = (libc::AT_FDCWD, self.path.as_ptr());
        op::Openat { dir, path, flags: libc::O_RDONLY, mode: 0, place }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            return Err(errors::from_res(res));
        }
        // The close of the same chain may have been told first.
        Ok(())
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }
}

/// Reads from the file in the slot.
pub(crate) struct ReadLent<B> {
    pub(crate) lent: Lent,
    pub(crate) buf: B,
    pub(crate) offset: u64,
}

// SAFETY: the buffer's memory is stable (the contract of `IoBufMut`) and owned by this operation.
unsafe impl<B: IoBufMut> Operation for ReadLent<B> {
    type Output = BufResult<usize, B>;
    const OPCODE: Option<Opcode> = Some(Opcode::READ);

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn refusal(&self) -> Option<io::Error> {
        match receive_len(&self.buf) {
            Err(_) => Some(errors::no_capacity()),
            Ok(_) => self.lent.refusal().or_else(|| no_such_offset(self.offset)),
        }
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        // With this the kernel may have a file in the slot.
        self.lent.note(false);
        let target = Target::Fixed(self.lent.0.slot);
        let len = receive_room(&self.buf);
        op::Read { target, addr: self.buf.bytes_mut_ptr(), len, offset: self.offset }.encode(sqe);
    }

    fn complete(mut self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            return Err(BufError::new(errors::from_res(res), self.buf));
        }
        // SAFETY: the kernel wrote `res` bytes from the start, within the capacity it was given.
        unsafe { self.buf.set_bytes_len(res as usize) };
        Ok((res as usize, self.buf))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| this.buf)))
    }
}

/// Empties the slot.
pub(crate) struct CloseLent {
    pub(crate) lent: Lent,
}

// SAFETY: the request refers to no memory.
unsafe impl Operation for CloseLent {
    type Output = io::Result<()>;
    const OPCODE: Option<Opcode> = Some(Opcode::CLOSE);

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn refusal(&self) -> Option<io::Error> {
        self.lent.refusal()
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        op::CloseFixed { slot: self.lent.0.slot }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            return Err(errors::from_res(res));
        }
        self.lent.note(true);
        Ok(())
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }

    fn orphan(self, _core: &Core, late: Late) {
        if late.res == 0 {
            self.lent.note(true);
        }
    }
}

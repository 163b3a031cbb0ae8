//! A kernel that lets chosen requests fail, or move fewer bytes than they were asked to.
//!
//! Owns the unsafe code that looks at entries between the program and the real kernel, and rewrites
//! them: a request that is to fail becomes a no-op with that result (so the real kernel breaks its
//! chain); one that is to be short is cut, and what is linked behind it becomes no-ops that were
//! cancelled, as the real kernel would have done.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annulus_ring::abi::{Errno, Opcode, Params, RegisterOp, SetupFlags, Sqe, SqeFlags};
use annulus_ring::op::{NopWith, Op as _};
use annulus_ring::{AnyKernel, Enter, Kernel as _, Layer, Real, RingMemory};

/// What happens to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Fails(i32),
    /// It moves so many bytes at most.
    Short(u32),
}

#[derive(Default)]
struct Plan {
    /// Which requests, in their order: the opcode, how many of that kind pass before, and what
    /// then.
    faults: Vec<(Opcode, usize, Fault)>,
    seen: Vec<Opcode>,
    refuses_buffers: bool,
}

/// What is to go wrong, and what was seen.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

impl Faults {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the request of this kind that comes behind `passing` others has this fault.
    pub fn plan_for(&self, opcode: Opcode, passing: usize, fault: Fault) {
        self.plan().faults.push((opcode, passing, fault));
    }

    /// Registering buffers finds no locked memory.
    pub fn refuse_buffers(&self) {
        self.plan().refuses_buffers = true;
    }

    /// Nothing goes wrong from now on, and what was seen is forgotten.
    pub fn forget(&self) {
        let mut plan = self.plan();
        plan.faults.clear();
        plan.seen.clear();
    }

    /// Whether everything that was planned has happened.
    pub fn are_done(&self) -> bool {
        self.plan().faults.is_empty()
    }

    /// How many requests of a kind have gone to the kernel, or would have.
    pub fn seen(&self, opcode: Opcode) -> usize {
        self.plan().seen.iter().filter(|&&seen| seen == opcode).count()
    }

    /// Makes kernels with these faults.
    pub fn kernel(&self) -> impl Fn() -> AnyKernel + Send + Sync + 'static {
        let faults = self.clone();
        move || {
            let faulty = Faulty { real: Real::new(), faults: faults.clone(), queue: None };
            AnyKernel::Dyn(Box::new(faulty))
        }
    }
}

struct Faulty {
    real: Real,
    faults: Faults,
    queue: Option<(RingMemory, Params)>,
}

impl Faulty {
    /// Shows each of the next entries to `see`.
    fn for_each(&self, count: u32, mut see: impl FnMut(&mut Sqe)) {
        let Some((memory, params)) = &self.queue else { return };
        let word = |offset: u32| {
            // SAFETY: the offset is one of the submission ring's.
            let word = unsafe { memory.sq_ring().add(offset as usize) }.cast::<AtomicU32>();
            // SAFETY: an aligned word that is only accessed atomically, in memory that lives.
            let word = unsafe { word.as_ref() };
            // ORDERING: SeqCst; the kernel moves the head in calls of this very thread.
            word.load(Ordering::SeqCst)
        };
        let head = word(params.sq_off.head);
        for place in 0..count {
            let mut index = head.wrapping_add(place) & (params.sq_entries - 1);
            if !params.flags.contains(SetupFlags::NO_SQARRAY) {
                index = word(params.sq_off.array + 4 * index);
            }
            // SAFETY: one of the entries.
            let mut sqe = unsafe { memory.sqes().add(index as usize) };
            // SAFETY: published by this thread and not consumed, so nobody else uses it.
            see(unsafe { sqe.as_mut() });
        }
    }

    fn rewrite(&self, count: u32) {
        let mut cut = false;
        self.for_each(count, |sqe| {
            let mut plan = self.faults.plan();
            let link = sqe.flags.intersects(SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK);
            if cut {
                become_nop(sqe, -libc::ECANCELED, SqeFlags::EMPTY);
                cut = link;
                return;
            }
            let opcode = sqe.opcode;
            plan.seen.push(opcode);
            let Some(at) = plan.faults.iter().position(|(of, ..)| *of == opcode) else { return };
            if plan.faults[at].1 > 0 {
                plan.faults[at].1 -= 1;
                return;
            }
            match plan.faults.remove(at).2 {
                Fault::Fails(errno) => {
                    let flags = sqe.flags;
                    become_nop(sqe, -errno, flags);
                }
                Fault::Short(bytes) if bytes >= sqe.len => {}
                Fault::Short(bytes) => {
                    cut = sqe.flags.contains(SqeFlags::IO_LINK);
                    sqe.len = bytes;
                    sqe.flags = sqe.flags.without(SqeFlags::IO_LINK);
                }
            }
        });
    }
}

fn become_nop(sqe: &mut Sqe, result: i32, flags: SqeFlags) {
    let user_data = sqe.user_data;
    *sqe = Sqe::default();
    NopWith { result, file: None, buffer: None, task_work: false, extra: None }.encode(sqe);
    sqe.user_data = user_data;
    for link in [SqeFlags::IO_LINK, SqeFlags::IO_HARDLINK] {
        if flags.contains(link) {
            sqe.flags |= link;
        }
    }
}

// SAFETY: every call goes to the real kernel; entries that are rewritten refer to no memory, or to
// a part of what they did.
unsafe impl Layer for Faulty {
    type Inner = Real;

    fn inner(&self) -> &Real {
        &self.real
    }

    fn inner_mut(&mut self) -> &mut Real {
        &mut self.real
    }

    fn setup(&mut self, entries: u32, params: &mut Params) -> Result<RingMemory, Errno> {
        let memory = self.real.setup(entries, params)?;
        self.queue = Some((memory.clone(), *params));
        Ok(memory)
    }

    fn remap(&mut self, params: &Params) -> Result<RingMemory, Errno> {
        let memory = self.real.remap(params)?;
        self.queue = Some((memory.clone(), *params));
        Ok(memory)
    }

    unsafe fn enter(&mut self, call: Enter) -> Result<u32, Errno> {
        self.rewrite(call.to_submit);
        // SAFETY: the caller's promise is passed on.
        unsafe { self.real.enter(call) }
    }

    unsafe fn register(&mut self, op: RegisterOp, arg: *mut c_void, nr: u32) -> Result<u32, Errno> {
        let of_buffers = [RegisterOp::BUFFERS, RegisterOp::BUFFERS2, RegisterOp::BUFFERS_UPDATE];
        if of_buffers.contains(&op) && self.faults.plan().refuses_buffers {
            return Err(Errno(libc::ENOMEM));
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { self.real.register(op, arg, nr) }
    }

    /// Whatever is read is a request, which can fail.
    fn read(
        &mut self,
        _fd: RawFd,
        _room: &mut [MaybeUninit<u8>],
        _offset: Option<u64>,
        _flags: i32,
    ) -> Result<usize, Errno> {
        Err(Errno(libc::ENOSYS))
    }
}

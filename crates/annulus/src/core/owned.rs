//! What a handle of a descriptor owns.
//!
//! Owns: [`Owned`], the name of a record together with the descriptor's number, and what becomes of
//! both when it is dropped. Does not own: the record, nor how one is closed (`close`).
//!
//! | a handle is dropped | the descriptor is closed by |
//! |---|---|
//! | on its core | the record, when nothing is in flight on it |
//! | on another thread | the same, which a job in the core's inbox asks for |
//! | on another thread, while its core ends and takes no jobs | the core, which finds it in [`ENDING`] |
//! | after its core | the handle: a core that ends lets the descriptors of its handles go |
//! | in a forked child | the handle: it is the child's own copy |
//!
//! Invariant: the number is open, and means the same file, for as long as the handle lives. So
//! `AsFd` asks nobody, on any thread, at any time. (The numbers of a kernel that is none of the
//! process, a simulated one, are not the process's either: those are closed with their core.)

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, IntoRawFd as _, OwnedFd, RawFd};
use std::sync::MutexGuard;

use annulus_task::{CoreId, ForkLock};

use super::key::{Handle, Key};
use super::record::Kind;
use super::{Core, State, current_id, errors, process, with_any, with_core};

/// What a handle of a descriptor owns: its record, on its core, and the descriptor.
///
/// `Send + Sync`: the record is only ever touched on its core.
#[derive(Debug)]
pub(crate) struct Owned {
    handle: Handle,
    fd: RawFd,
    /// The number is one of the process's, so it can outlive the core.
    is_of_process: bool,
}

impl Owned {
    /// Makes a record on the current core for a descriptor that the caller owns.
    pub(crate) fn adopt(fd: RawFd, kind: Kind) -> io::Result<Self> {
        with_any(|core| core.adopt(fd, kind))
    }

    /// As [`Owned::adopt`], for a descriptor of `std`.
    pub(crate) fn adopt_fd(fd: OwnedFd, kind: Kind) -> io::Result<Self> {
        let owned = Self::adopt(fd.as_raw_fd(), kind)?;
        let _ = fd.into_raw_fd();
        Ok(owned)
    }

    /// Of the record that `core` has just made.
    pub(super) fn of_record(core: CoreId, key: Key, fd: RawFd, is_of_process: bool) -> Self {
        Self { handle: Handle { core, key }, fd, is_of_process }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it is open for as long as this lives: the invariant of this module.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle
    }

    pub(crate) fn raw_fd(&self) -> RawFd {
        self.fd
    }

    /// The descriptor, for a call on the record's own core: an error elsewhere, and after the end
    /// of the runtime.
    pub(crate) fn live_fd(&self) -> io::Result<RawFd> {
        self.handle.check_open()?;
        Ok(self.fd)
    }

    /// The same open file by another descriptor.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.live_fd()?;
        self.as_fd().try_clone_to_owned()
    }

    /// Runs `f` on the state of the core that the record is on.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut State, Key) -> R) -> io::Result<R> {
        with_core(self.handle.core, |core| f(&mut core.state.borrow_mut(), self.handle.key))
    }

    /// Gives up the record without closing it.
    pub(crate) fn forget(self) -> Handle {
        let handle = self.handle;
        std::mem::forget(self);
        handle
    }
}

impl Handle {
    /// Whether a request can be made by this name: on its own core, before that ends.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_open(self) -> io::Result<()> {
        let is_there = |core: &Core| core.state.borrow_mut().records.get(self.key).is_some();
        if with_core(self.core, is_there)? { Ok(()) } else { Err(errors::handle_gone()) }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let Self { handle, fd, is_of_process } = *self;
        let parting = Parting { handle, fd, is_of_process };
        if current_id() != Some(handle.core) && !process::is_inherited(handle.core) {
            // Run or not, the job is dropped: there, or here if the core takes none any more.
            let _ = annulus_task::post(handle.core, move || drop(parting));
        }
    }
}

/// A descriptor whose handle is gone. It ends when this is dropped.
struct Parting {
    handle: Handle,
    fd: RawFd,
    is_of_process: bool,
}

impl Drop for Parting {
    fn drop(&mut self) {
        let Handle { core, key } = self.handle;
        if current_id() == Some(core) {
            if with_core(core, |core| core.close(key)).unwrap_or(false) {
                return;
            }
        } else if !process::is_inherited(core) && left_to_its_core(core, (key, self.fd)) {
            return;
        }
        if self.is_of_process {
            process::close_fd(self.fd);
        }
    }
}

/// The cores that are ending, each with the handles that other threads have dropped since it takes
/// no more jobs. Its requests may be in flight on them still, so they are the core's to close.
static ENDING: ForkLock<Vec<Dropped>> = ForkLock::new(Vec::new);

struct Dropped {
    core: CoreId,
    handles: Vec<(Key, RawFd)>,
}

fn ending() -> MutexGuard<'static, Vec<Dropped>> {
    ENDING.lock()
}

/// Leaves a descriptor to its core, if that is ending. One that has ended has let it go.
#[cold]
fn left_to_its_core(core: CoreId, handle: (Key, RawFd)) -> bool {
    let mut ending = ending();
    let found = ending.iter_mut().find(|ending| ending.core == core);
    found.map(|ending| ending.handles.push(handle)).is_some()
}

/// While it lives, a core is ending: from before it refuses jobs, until it has no record any more.
pub(super) struct Ending<'a> {
    core: &'a Core,
}

impl<'a> Ending<'a> {
    pub(super) fn begin(core: &'a Core) -> Self {
        ending().push(Dropped { core: core.id(), handles: Vec::new() });
        Self { core }
    }

    /// Closes what other threads have dropped meanwhile.
    pub(super) fn close_dropped(&self) {
        let mut ending = ending();
        let ours = ending.iter_mut().find(|ending| ending.core == self.core.id());
        let dropped = ours.map(|ours| std::mem::take(&mut ours.handles)).unwrap_or_default();
        drop(ending);
        self.close_each(dropped);
    }

    fn close_each(&self, dropped: Vec<(Key, RawFd)>) {
        let mut state = self.core.state.borrow_mut();
        for (key, fd) in dropped {
            // The record may be gone already, and have let the descriptor go.
            if !state.close(key) && state.lets_go() {
                process::close_fd(fd);
            }
        }
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut ending = ending();
        let at = ending.iter().position(|ending| ending.core == self.core.id());
        let dropped = at.map(|at| ending.swap_remove(at).handles).unwrap_or_default();
        drop(ending);
        self.close_each(dropped);
    }
}

//! Operations on an open file that name no memory of the program: its length, its space, its cache.
//!
//! Owns: the one operation that all of them are. Does not own: what each asks for (the ring's
//! descriptions). Invariant: the file's record counts each of them.

use std::io;

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::{Fadvise, Fallocate, Ftruncate, Op, SyncFileRange, Target};

use super::key::Handle;
use super::op::Operation;
use super::{Core, errors};

/// A description that names an open file, and no memory.
///
/// # Safety
/// * The kernel touches no memory of the program on its behalf.
pub(crate) unsafe trait OnFile: Op<Output = ()> + Copy + 'static {
    /// Names the file.
    fn on(self, target: Target) -> Self;
}

macro_rules! on_file {
    ($($description:ident),*) => {$(
        // SAFETY: the description has numbers only.
        unsafe impl OnFile for $description {
            fn on(self, target: Target) -> Self {
                Self { target, ..self }
            }
        }
    )*};
}

on_file!(Fadvise, Fallocate, Ftruncate, SyncFileRange);

/// Stands for the file until the kernel is asked.
pub(crate) const NO_TARGET: Target = Target::Fd(-1);

/// One of them, on a file.
pub(crate) struct FileCall<O> {
    pub(crate) handle: Handle,
    pub(crate) call: O,
}

// SAFETY: the request refers to no memory (the contract of `OnFile`).
unsafe impl<O: OnFile> Operation for FileCall<O> {
    type Output = io::Result<()>;
    const OPCODE: Option<Opcode> = Some(O::OPCODE);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        self.call.on(target).encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 { Err(errors::from_res(res)) } else { Ok(()) }
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }
}

//! The fixed-file table: descriptors that the ring holds by slot.
//!
//! Owns: its registration and update. Does not own: which slot is whose.
//!
//! Invariants: a slot holds its own reference to the file, so closing a descriptor does not empty
//! it. Mirrors `IORING_REGISTER_FILES2` and `IORING_REGISTER_FILES_UPDATE` of io_uring_register(2).

use std::os::fd::RawFd;

use annulus_abi::{Errno, FilesUpdate, RegisterOp, ResourceRegister};

use crate::{Kernel, Ring};

/// In [`Ring::update_files`]: empties the slot.
pub const EMPTY_SLOT: RawFd = -1;
/// In [`Ring::update_files`]: leaves the slot as it is.
pub const SAME_SLOT: RawFd = -2;

/// `IORING_REGISTER_FILES`: a table given as an array, which kernels before 5.19 need for a sparse
/// one.
const REGISTER_FILES: RegisterOp = RegisterOp(2);

impl Ring {
    /// Registers a table of empty slots.
    ///
    /// # Errors
    /// EMFILE beyond RLIMIT_NOFILE, EBUSY if there is a table, ENOMEM.
    pub fn register_files_sparse(&mut self, slots: u32) -> Result<(), Errno> {
        let mut table = ResourceRegister {
            nr: slots,
            flags: ResourceRegister::SPARSE,
            ..ResourceRegister::default()
        };
        let arg: *mut ResourceRegister = &mut table;
        let bytes = size_of::<ResourceRegister>() as u32;
        // SAFETY: one structure of that size, read during the call.
        let sparse = unsafe { self.kernel().register(RegisterOp::FILES2, arg.cast(), bytes) };
        match sparse {
            Err(Errno(libc::EINVAL)) if slots != 0 => self.register_files_of(slots),
            other => other.map(drop),
        }
    }

    /// Puts descriptors into consecutive slots from `first` on; [`EMPTY_SLOT`] empties one and
    /// [`SAME_SLOT`] leaves it. Returns how many slots were done, which is fewer if one of them
    /// failed.
    ///
    /// # Errors
    /// EBADF if the first is not a descriptor, ENXIO without a table, EINVAL beyond its end.
    pub fn update_files(&mut self, first: u32, fds: &[RawFd]) -> Result<u32, Errno> {
        let count = u32::try_from(fds.len()).map_err(|_| Errno(libc::EINVAL))?;
        let mut update =
            FilesUpdate { offset: first, resv: 0, fds: fds.as_ptr().expose_provenance() as u64 };
        let arg: *mut FilesUpdate = &mut update;
        // SAFETY: one structure and `count` descriptors, read during the call.
        unsafe { self.kernel().register(RegisterOp::FILES_UPDATE, arg.cast(), count) }
    }

    /// Removes the table. Requests in flight keep their files.
    ///
    /// # Errors
    /// ENXIO without a table.
    pub fn unregister_files(&mut self) -> Result<(), Errno> {
        let nothing = core::ptr::null_mut();
        // SAFETY: no argument.
        unsafe { self.kernel().register(RegisterOp::UNREGISTER_FILES, nothing, 0) }.map(drop)
    }

    fn register_files_of(&mut self, slots: u32) -> Result<(), Errno> {
        let mut fds = vec![EMPTY_SLOT; slots as usize];
        let arg = fds.as_mut_ptr();
        // SAFETY: `slots` descriptors, read during the call.
        unsafe { self.kernel().register(REGISTER_FILES, arg.cast(), slots) }.map(drop)
    }
}

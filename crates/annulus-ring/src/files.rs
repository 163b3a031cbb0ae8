//! The fixed-file table: descriptors that the ring holds by slot.
//!
//! Owns: its registration and update. Does not own: which slot is whose.
//!
//! Invariants: a slot holds its own reference to the file, so closing a descriptor does not empty
//! it. Mirrors io_uring_register_files(3) and io_uring_register_files_update(3).

use core::ops::Range;
use std::os::fd::RawFd;

use annulus_abi::{
    Errno, FileIndexRange, FilesUpdate, RegisterOp, ResourceRegister, ResourceUpdate,
};

use crate::{
    CqeShape, Kernel, RegisterError, Ring, SqeShape,
    register::buffers::{address, counted},
};

/// In [`Ring::update_files`]: empties the slot.
pub const EMPTY_SLOT: RawFd = -1;
/// In [`Ring::update_files`]: leaves the slot as it is.
pub const SAME_SLOT: RawFd = -2;

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Registers a table of empty slots.
    ///
    /// # Errors
    /// EMFILE beyond RLIMIT_NOFILE, EBUSY if there is a table, ENOMEM.
    #[doc(alias = "io_uring_register_files_sparse")]
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
    #[doc(alias = "io_uring_register_files_update")]
    pub fn update_files(&mut self, first: u32, fds: &[RawFd]) -> Result<u32, Errno> {
        let count = u32::try_from(fds.len()).map_err(|_| Errno(libc::EINVAL))?;
        let mut update =
            FilesUpdate { offset: first, resv: 0, fds: fds.as_ptr().expose_provenance() as u64 };
        let arg: *mut FilesUpdate = &mut update;
        // SAFETY: one structure and `count` descriptors, read during the call.
        unsafe { self.kernel().register(RegisterOp::FILES_UPDATE, arg.cast(), count) }
    }

    /// Replaces the files from slot `first` on, with tags as those of
    /// [`register_buffers`](Self::register_buffers) (since 5.13), and in the terms of
    /// [`update_files`](Self::update_files).
    ///
    /// # Errors
    /// As `update_files`, [`Refusal::Tags`](crate::Refusal::Tags), and EINVAL for a tag of a slot
    /// that is emptied or left.
    #[doc(alias = "io_uring_register_files_update_tag")]
    pub fn update_files_tagged(
        &mut self,
        first: u32,
        fds: &[RawFd],
        tags: &[u64],
    ) -> Result<u32, RegisterError> {
        let op = RegisterOp::FILES_UPDATE2;
        let mut update = ResourceUpdate {
            offset: first,
            data: fds.as_ptr().expose_provenance() as u64,
            tags: address(tags),
            nr: counted(op, fds.len(), tags)?,
            ..ResourceUpdate::default()
        };
        let bytes = size_of::<ResourceUpdate>() as u32;
        // SAFETY: one structure, and as many descriptors and tags as it says, read during the call.
        unsafe { self.register_one(op, &mut update, bytes) }
    }

    /// Registers a table of files, with tags as those of
    /// [`register_buffers`](Self::register_buffers) (since 5.13); a descriptor of -1 is an empty
    /// slot.
    ///
    /// # Errors
    /// EBUSY if there is a table, EBADF if one is not a descriptor, EMFILE beyond RLIMIT_NOFILE,
    /// [`Refusal::Tags`](crate::Refusal::Tags).
    #[doc(alias = "io_uring_register_files")]
    #[doc(alias = "io_uring_register_files_tags")]
    pub fn register_files(&mut self, fds: &[RawFd], tags: &[u64]) -> Result<(), RegisterError> {
        let op = if tags.is_empty() { RegisterOp::FILES } else { RegisterOp::FILES2 };
        let nr = counted(op, fds.len(), tags)?;
        if tags.is_empty() {
            let data = fds.as_ptr().cast_mut();
            // SAFETY: `nr` descriptors, read during the call.
            return unsafe { self.register_with(op, data.cast(), nr) }.map(drop);
        }
        let mut table = ResourceRegister {
            nr,
            data: fds.as_ptr().expose_provenance() as u64,
            tags: address(tags),
            ..ResourceRegister::default()
        };
        let bytes = size_of::<ResourceRegister>() as u32;
        // SAFETY: one structure, and as many descriptors and tags as it says, read during the call.
        unsafe { self.register_one(op, &mut table, bytes) }.map(drop)
    }

    /// Lets the kernel choose slots only from this range ([`FILE_INDEX_ALLOC`], since 6.0); all
    /// others are left for whoever names them.
    ///
    /// [`FILE_INDEX_ALLOC`]: annulus_abi::FILE_INDEX_ALLOC
    ///
    /// # Errors
    /// EINVAL beyond the table's end (or without a table), EOVERFLOW beyond that of numbers.
    #[doc(alias = "io_uring_register_file_alloc_range")]
    #[doc(alias = "IORING_REGISTER_FILE_ALLOC_RANGE")]
    pub fn set_file_alloc_range(&mut self, range: Range<u32>) -> Result<(), RegisterError> {
        let len = range.end.saturating_sub(range.start);
        let mut range = FileIndexRange { off: range.start, len, resv: 0 };
        // SAFETY: one structure, read during the call.
        unsafe { self.register_one(RegisterOp::FILE_ALLOC_RANGE, &mut range, 0) }.map(drop)
    }

    /// Removes the table. Requests in flight keep their files.
    ///
    /// # Errors
    /// ENXIO without a table.
    #[doc(alias = "io_uring_unregister_files")]
    pub fn unregister_files(&mut self) -> Result<(), Errno> {
        let nothing = core::ptr::null_mut();
        // SAFETY: no argument.
        unsafe { self.kernel().register(RegisterOp::UNREGISTER_FILES, nothing, 0) }.map(drop)
    }

    /// A table given as an array, which kernels before 5.19 need for a sparse one.
    fn register_files_of(&mut self, slots: u32) -> Result<(), Errno> {
        let mut fds = vec![EMPTY_SLOT; slots as usize];
        let arg = fds.as_mut_ptr();
        // SAFETY: `slots` descriptors, read during the call.
        unsafe { self.kernel().register(RegisterOp::FILES, arg.cast(), slots) }.map(drop)
    }
}

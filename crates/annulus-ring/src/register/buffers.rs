//! Registered buffers: memory that the kernel pins once rather than for each request.
//!
//! Owns: their registration, replacement and sharing between rings. Does not own: the memory.
//!
//! Invariants: registering pins pages and accesses nothing, so it is safe; it is pushing an
//! operation on them that lends the memory. A request keeps the pages that it works on, whatever is
//! unregistered meanwhile. Mirrors io_uring_register_buffers(3),
//! io_uring_register_buffers_update_tag(3), io_uring_clone_buffers_offset(3).

use std::os::fd::RawFd;

use annulus_abi::{CloneBuffers, CloneFlags, RegisterOp, ResourceRegister, ResourceUpdate};

use super::{Refusal, RegisterError};
use crate::{CqeShape, Ring, SqeShape};

/// Which buffers to share. All of them into an empty ring by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[doc(alias = "io_uring_clone_buffers")]
pub struct BufferRange {
    /// The first in the other ring.
    pub source: u32,
    /// Where it goes in this one.
    pub target: u32,
    /// How many; 0 for all, which goes with `source` and `target` 0 only.
    pub count: u32,
    /// Whether buffers that are there may be replaced (since 6.13). Without it the ring must have
    /// none.
    #[doc(alias = "IORING_REGISTER_DST_REPLACE")]
    pub replace: bool,
}

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Registers a table of `slots` empty buffers, to be filled with
    /// [`update_buffers`](Self::update_buffers) (since 5.19).
    ///
    /// # Errors
    /// EBUSY if there is a table, EINVAL beyond 16384 slots.
    #[doc(alias = "io_uring_register_buffers_sparse")]
    pub fn register_buffers_sparse(&mut self, slots: u32) -> Result<(), RegisterError> {
        let mut table = ResourceRegister {
            nr: slots,
            flags: ResourceRegister::SPARSE,
            ..ResourceRegister::default()
        };
        let bytes = size_of::<ResourceRegister>() as u32;
        // SAFETY: one structure of that size, read during the call.
        unsafe { self.register_one(RegisterOp::BUFFERS2, &mut table, bytes) }.map(drop)
    }

    /// Registers buffers, numbered from 0 (5.1; with tags 5.13). An iovec with a null address and
    /// no length is an empty slot.
    ///
    /// `tags` are as many as the buffers, or none. A buffer with a tag that is not 0 posts a
    /// completion with the tag as user data, result 0 and flags 0, after it was replaced or
    /// unregistered and its last request has ended.
    ///
    /// # Errors
    /// EBUSY if there is a table, EFAULT if an address is not memory of this process, EOPNOTSUPP
    /// for memory of most files, ENOMEM ([`Refusal::Memlock`]), EINVAL beyond 16384 buffers or
    /// 1 GiB each.
    #[doc(alias = "io_uring_register_buffers")]
    #[doc(alias = "io_uring_register_buffers_tags")]
    pub fn register_buffers(
        &mut self,
        buffers: &[libc::iovec],
        tags: &[u64],
    ) -> Result<(), RegisterError> {
        let op = if tags.is_empty() { RegisterOp::BUFFERS } else { RegisterOp::BUFFERS2 };
        let nr = counted(op, buffers.len(), tags)?;
        let data = buffers.as_ptr();
        if tags.is_empty() {
            // SAFETY: `nr` iovecs, read during the call; what they point to is pinned, not
            // accessed.
            return unsafe { self.register_with(op, data.cast_mut().cast(), nr) }.map(drop);
        }
        let mut table = ResourceRegister {
            nr,
            data: data.expose_provenance() as u64,
            tags: address(tags),
            ..ResourceRegister::default()
        };
        let bytes = size_of::<ResourceRegister>() as u32;
        // SAFETY: one structure, and as many iovecs and tags as it says, read during the call.
        unsafe { self.register_one(op, &mut table, bytes) }.map(drop)
    }

    /// Replaces the buffers from slot `first` on (since 5.13), with tags as in
    /// [`register_buffers`](Self::register_buffers). An iovec with a null address and no length
    /// empties the slot. Returns how many slots were done, which is fewer if a later one failed.
    ///
    /// # Errors
    /// ENXIO without a table, EINVAL beyond its end, and as `register_buffers`.
    #[doc(alias = "io_uring_register_buffers_update_tag")]
    pub fn update_buffers(
        &mut self,
        first: u32,
        buffers: &[libc::iovec],
        tags: &[u64],
    ) -> Result<u32, RegisterError> {
        let op = RegisterOp::BUFFERS_UPDATE;
        let mut update = ResourceUpdate {
            offset: first,
            data: buffers.as_ptr().expose_provenance() as u64,
            tags: address(tags),
            nr: counted(op, buffers.len(), tags)?,
            ..ResourceUpdate::default()
        };
        let bytes = size_of::<ResourceUpdate>() as u32;
        // SAFETY: one structure, and as many iovecs and tags as it says, read during the call.
        unsafe { self.register_one(op, &mut update, bytes) }
    }

    /// Removes all buffers. Requests in flight keep theirs.
    ///
    /// # Errors
    /// ENXIO if there are none.
    #[doc(alias = "io_uring_unregister_buffers")]
    pub fn unregister_buffers(&mut self) -> Result<(), RegisterError> {
        let nothing = core::ptr::null_mut();
        // SAFETY: no argument.
        unsafe { self.register_with(RegisterOp::UNREGISTER_BUFFERS, nothing, 0) }.map(drop)
    }

    /// Shares registered buffers of the ring whose descriptor is `from`, without pinning them again
    /// (since 6.12; a part of them, or into a table, since 6.13). Both rings must be accounted to
    /// the same user. If it fails, this ring's buffers are as they were.
    ///
    /// # Errors
    /// EBADF and EOPNOTSUPP if `from` is no descriptor or no ring, ENXIO if it has no buffers,
    /// EBUSY if this ring has some and none may be replaced, EINVAL and EOVERFLOW if the range is
    /// not in the other ring.
    #[doc(alias = "io_uring_clone_buffers")]
    #[doc(alias = "__io_uring_clone_buffers")]
    #[doc(alias = "__io_uring_clone_buffers_offset")]
    #[doc(alias = "io_uring_clone_buffers_offset")]
    #[doc(alias = "IORING_REGISTER_CLONE_BUFFERS")]
    pub fn clone_buffers(&mut self, from: RawFd, which: BufferRange) -> Result<(), RegisterError> {
        self.clone_from(from as u32, CloneFlags::EMPTY, which)
    }

    /// As [`clone_buffers`](Self::clone_buffers), from the ring at this index of the thread's table
    /// ([`RingFds::indices`](crate::RingFds::indices)), whose descriptor may be closed.
    ///
    /// # Errors
    /// EINVAL if no table has that index, EBADF if nothing is registered there, and as
    /// `clone_buffers`.
    #[doc(alias = "IORING_REGISTER_SRC_REGISTERED")]
    pub fn clone_buffers_registered(
        &mut self,
        index: u32,
        which: BufferRange,
    ) -> Result<(), RegisterError> {
        self.clone_from(index, CloneFlags::SRC_REGISTERED, which)
    }

    fn clone_from(
        &mut self,
        src_fd: u32,
        source: CloneFlags,
        which: BufferRange,
    ) -> Result<(), RegisterError> {
        let replace = if which.replace { CloneFlags::DST_REPLACE } else { CloneFlags::EMPTY };
        let mut clone = CloneBuffers {
            src_fd,
            flags: source | replace,
            src_off: which.source,
            dst_off: which.target,
            nr: which.count,
            ..CloneBuffers::default()
        };
        // SAFETY: one structure, read during the call.
        unsafe { self.register_one(RegisterOp::CLONE_BUFFERS, &mut clone, 1) }.map(drop)
    }
}

/// The number of resources, if the tags are as many or none.
pub(crate) fn counted(op: RegisterOp, count: usize, tags: &[u64]) -> Result<u32, RegisterError> {
    if !tags.is_empty() && tags.len() != count {
        return Err(RegisterError::new(op, Refusal::Tags(tags.len())));
    }
    u32::try_from(count).map_err(|_| RegisterError::new(op, Refusal::TooMany(count)))
}

/// The address of tags, 0 for none.
pub(crate) fn address(tags: &[u64]) -> u64 {
    if tags.is_empty() { 0 } else { tags.as_ptr().expose_provenance() as u64 }
}

//! Arguments that register files, buffers and ring descriptors.
//!
//! Owns: the tables' registration and update, with and without tags, the range of slots that the
//! kernel chooses from, and cloning. Does not own: provided buffers (`buffers.rs`).
//!
//! Mirrors `struct io_uring_rsrc_register`, `io_uring_rsrc_update`, `io_uring_rsrc_update2`,
//! `io_uring_files_update`, `io_uring_file_index_range`, `io_uring_clone_buffers`.

use crate::flags::flags;

/// Slots to replace (`struct io_uring_files_update`, now `struct io_uring_rsrc_update`, 16 bytes),
/// the argument of [`RegisterOp::FILES_UPDATE`](crate::RegisterOp::FILES_UPDATE).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_files_update")]
pub struct FilesUpdate {
    /// The first slot.
    pub offset: u32,
    /// Reserved; zero.
    pub resv: u32,
    /// Address of an array of `i32` descriptors; -1 empties a slot, [`FILES_SKIP`] leaves it.
    pub fds: u64,
}

/// In an array of descriptors: leave this slot as it is. Since Linux 5.12.
#[doc(alias = "IORING_REGISTER_FILES_SKIP")]
pub const FILES_SKIP: i32 = -2;

/// A table to register (`struct io_uring_rsrc_register`, 32 bytes), the argument of
/// [`RegisterOp::FILES2`](crate::RegisterOp::FILES2) and
/// [`BUFFERS2`](crate::RegisterOp::BUFFERS2).
///
/// A resource with a tag posts a completion with the tag as user data, result and flags 0, when it
/// was removed and its last user is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_rsrc_register")]
pub struct ResourceRegister {
    /// How many.
    pub nr: u32,
    /// [`ResourceRegister::SPARSE`] or 0.
    pub flags: u32,
    /// Reserved; zero.
    pub resv2: u64,
    /// Address of the array of descriptors (`i32`) or iovecs; 0 if sparse.
    pub data: u64,
    /// Address of an array of tags (`u64`, 0 for none), or 0.
    pub tags: u64,
}

impl ResourceRegister {
    /// An empty table of `nr` slots. Since Linux 5.19.
    #[doc(alias = "IORING_RSRC_REGISTER_SPARSE")]
    pub const SPARSE: u32 = 1 << 0;
}

/// Resources to replace, with tags (`struct io_uring_rsrc_update2`, 32 bytes), the argument of
/// [`RegisterOp::FILES_UPDATE2`](crate::RegisterOp::FILES_UPDATE2) and
/// [`BUFFERS_UPDATE`](crate::RegisterOp::BUFFERS_UPDATE). Since Linux 5.13.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_rsrc_update2")]
pub struct ResourceUpdate {
    /// The first slot.
    pub offset: u32,
    /// Reserved; zero.
    pub resv: u32,
    /// Address of the array of descriptors (`i32`) or iovecs.
    pub data: u64,
    /// Address of an array of tags (`u64`, 0 for none), or 0.
    pub tags: u64,
    /// How many.
    pub nr: u32,
    /// Reserved; zero.
    pub resv2: u32,
}

/// An element of [`RegisterOp::RING_FDS`](crate::RegisterOp::RING_FDS) (`struct
/// io_uring_rsrc_update`, 16 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_rsrc_update")]
pub struct RingFdUpdate {
    /// In: the index, or `u32::MAX` to choose one. Out: the index, for
    /// [`EnterFlags::REGISTERED_RING`](crate::EnterFlags::REGISTERED_RING).
    pub offset: u32,
    /// Reserved; zero.
    pub resv: u32,
    /// The ring's descriptor; 0 to remove.
    pub data: u64,
}

/// The slots that the kernel may choose (`struct io_uring_file_index_range`, 16 bytes), the
/// argument of [`RegisterOp::FILE_ALLOC_RANGE`](crate::RegisterOp::FILE_ALLOC_RANGE). Since Linux
/// 6.0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_file_index_range")]
pub struct FileIndexRange {
    /// The first slot.
    pub off: u32,
    /// How many.
    pub len: u32,
    /// Reserved; zero.
    pub resv: u64,
}

/// Buffers to share between rings (`struct io_uring_clone_buffers`, 32 bytes), the argument of
/// [`RegisterOp::CLONE_BUFFERS`](crate::RegisterOp::CLONE_BUFFERS).
///
/// 6.12 clones all (offsets and `nr` 0) into a ring that has none; 6.13 also ranges, and into a
/// table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_clone_buffers")]
pub struct CloneBuffers {
    /// The ring that has the buffers.
    pub src_fd: u32,
    /// How to clone.
    pub flags: CloneFlags,
    /// The first buffer there.
    pub src_off: u32,
    /// The first slot here.
    pub dst_off: u32,
    /// How many; 0 for all.
    pub nr: u32,
    /// Reserved; zero.
    pub pad: [u32; 3],
}

flags! {
    /// Flags of cloning buffers (`IORING_REGISTER_*`).
    pub struct CloneFlags(u32) {
        /// `src_fd` is the index of a registered ring descriptor.
        const SRC_REGISTERED = 1 << 0 => "IORING_REGISTER_SRC_REGISTERED", (6, 12);
        /// Replace the buffers that are there.
        const DST_REPLACE = 1 << 1 => "IORING_REGISTER_DST_REPLACE", (6, 13);
    }
}

const _: () = {
    assert!(size_of::<FilesUpdate>() == 16);
    assert!(size_of::<ResourceRegister>() == 32);
    assert!(size_of::<ResourceUpdate>() == 32);
    assert!(size_of::<RingFdUpdate>() == 16);
    assert!(size_of::<FileIndexRange>() == 16);
    assert!(size_of::<CloneBuffers>() == 32);
};

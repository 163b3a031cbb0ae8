//! What few ask of a file: owner, links, devices, blocks, mounts.
//!
//! Owns: reading it off the kernel's structure, under the names of `std::os::unix::fs::MetadataExt`
//! where it has one. Mirrors statx(2).

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::SystemTime;

use super::{Metadata, system_time};

/// What is asked of an open file: all that a kernel has at hand.
pub(in crate::fs) const MASK: u32 =
    libc::STATX_BASIC_STATS | libc::STATX_BTIME | libc::STATX_MNT_ID | libc::STATX_DIOALIGN;

impl Metadata {
    /// The permission bits.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        Permissions::from_mode(self.mode())
    }

    /// How many names the file has.
    #[must_use]
    pub fn nlink(&self) -> u64 {
        u64::from(self.stat.stx_nlink)
    }

    /// The user who owns it.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.stat.stx_uid
    }

    /// The group that owns it.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.stat.stx_gid
    }

    /// The device that it is on. Together with [`ino`](Self::ino) it says which file it is.
    #[must_use]
    pub fn dev(&self) -> u64 {
        libc::makedev(self.stat.stx_dev_major, self.stat.stx_dev_minor)
    }

    /// The device that it is, of a block or character device.
    #[must_use]
    pub fn rdev(&self) -> u64 {
        libc::makedev(self.stat.stx_rdev_major, self.stat.stx_rdev_minor)
    }

    /// Bytes that it is best read and written by.
    #[must_use]
    pub fn blksize(&self) -> u64 {
        u64::from(self.stat.stx_blksize)
    }

    /// Its space on the device, in units of 512 bytes; a hole has none.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.stat.stx_blocks
    }

    /// When its metadata was last changed.
    #[must_use]
    pub fn changed(&self) -> SystemTime {
        system_time(self.stat.stx_ctime)
    }

    /// Seconds of [`accessed`](Self::accessed) since 1970.
    #[must_use]
    pub fn atime(&self) -> i64 {
        self.stat.stx_atime.tv_sec
    }

    /// Nanoseconds of [`accessed`](Self::accessed) besides its seconds.
    #[must_use]
    pub fn atime_nsec(&self) -> i64 {
        i64::from(self.stat.stx_atime.tv_nsec)
    }

    /// Seconds of [`modified`](Self::modified) since 1970.
    #[must_use]
    pub fn mtime(&self) -> i64 {
        self.stat.stx_mtime.tv_sec
    }

    /// Nanoseconds of [`modified`](Self::modified) besides its seconds.
    #[must_use]
    pub fn mtime_nsec(&self) -> i64 {
        i64::from(self.stat.stx_mtime.tv_nsec)
    }

    /// Seconds of [`changed`](Self::changed) since 1970.
    #[must_use]
    pub fn ctime(&self) -> i64 {
        self.stat.stx_ctime.tv_sec
    }

    /// Nanoseconds of [`changed`](Self::changed) besides its seconds.
    #[must_use]
    pub fn ctime_nsec(&self) -> i64 {
        i64::from(self.stat.stx_ctime.tv_nsec)
    }

    /// The `STATX_ATTR_*` that it has: whether it is immutable, append-only, compressed, encrypted,
    /// sealed by fs-verity, the root of a mount, ….
    #[must_use]
    pub fn attributes(&self) -> u64 {
        self.stat.stx_attributes
    }

    /// The `STATX_ATTR_*` that its file system knows; the others are not said to be there, whatever
    /// is the case.
    #[must_use]
    pub fn known_attributes(&self) -> u64 {
        self.stat.stx_attributes_mask
    }

    /// The mount through which it was reached, as in `/proc/self/mountinfo` (Linux 5.8).
    #[must_use]
    pub fn mount_id(&self) -> Option<u64> {
        self.has(libc::STATX_MNT_ID).then_some(self.stat.stx_mnt_id)
    }

    /// Bytes that addresses of buffers are aligned to for `O_DIRECT`. `None` if that is not to be
    /// had, or the file system does not tell (Linux 6.1, of an open file).
    #[must_use]
    #[doc(alias = "STATX_DIOALIGN")]
    pub fn dio_mem_align(&self) -> Option<u32> {
        let align = self.stat.stx_dio_mem_align;
        (self.has(libc::STATX_DIOALIGN) && align > 0).then_some(align)
    }

    /// Bytes that offsets and lengths are aligned to for `O_DIRECT`, as
    /// [`dio_mem_align`](Self::dio_mem_align).
    #[must_use]
    #[doc(alias = "STATX_DIOALIGN")]
    pub fn dio_offset_align(&self) -> Option<u32> {
        let align = self.stat.stx_dio_offset_align;
        (self.has(libc::STATX_DIOALIGN) && align > 0).then_some(align)
    }

    fn has(&self, field: u32) -> bool {
        self.stat.stx_mask & field != 0
    }
}

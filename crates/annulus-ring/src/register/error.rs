//! Why a registration failed, in words.
//!
//! Owns: [`RegisterError`] and the decision from an error number to a [`Refusal`]. Does not own:
//! the error numbers (each method lists them).
//!
//! Invariants: that a kernel lacks an operation is said only if that kernel said so
//! (`IORING_REGISTER_QUERY`), because EINVAL has many causes; that memory may not be locked is said
//! only if a limit holds for this process. Mirrors the section ERRORS of io_uring_register(2).

use core::fmt;
use std::io;

use annulus_abi::{Errno, QueryOpcodes, RegisterOp};

use crate::{
    Version,
    diagnose::{Evidence, Limit, Privilege},
    ringless,
};

/// A registration that failed.
///
/// ```
/// use annulus_ring::{Ring, abi::BufRegFlags};
///
/// let mut ring = Ring::new(8).unwrap();
/// // SAFETY: nothing comes of it.
/// let refused = unsafe { ring.register_buf_ring(3, 0, BufRegFlags::EMPTY) }.unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "PBUF_RING: a ring of 3 buffers: their number must be a power of two, at most 32768",
/// );
/// assert_eq!(refused.errno().0, libc::EINVAL);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegisterError {
    op: RegisterOp,
    since: Option<Version>,
    refusal: Refusal,
}

/// Why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// The kernel refused it.
    Kernel(Errno),
    /// The kernel does not have it: it said which registrations it has.
    Lacking,
    /// The memory may not be locked: `RLIMIT_MEMLOCK` allows so many bytes.
    Memlock(u64),
    /// A buffer ring of so many entries: not a power of two, or more than 32768.
    Entries(u32),
    /// The address is not aligned to a page.
    Unaligned(usize),
    /// A memory region of so many bytes: none, or not whole pages.
    RegionBytes(usize),
    /// So many tags were given with a different number of resources.
    Tags(usize),
    /// More elements than one call takes.
    TooMany(usize),
    /// The ring is enabled, and this can be registered only before.
    Enabled,
    /// `min_left` is for incremental groups only.
    MinLeft,
    /// No CPU was named: a worker must run somewhere.
    NoCpu,
}

impl RegisterError {
    pub(crate) fn new(op: RegisterOp, refusal: Refusal) -> Self {
        Self { op, since: op.since(), refusal }
    }

    /// With another first kernel than the operation has in general.
    pub(crate) fn since(mut self, since: Version) -> Self {
        self.since = Some(since);
        self
    }

    /// What the real kernel's answer to a registration means: whether the kernel lacks it, and
    /// whether memory is short because a limit makes it so. For methods that return the bare
    /// number.
    #[must_use]
    pub fn explain(op: RegisterOp, errno: Errno) -> Self {
        let refusal = match errno.0 {
            libc::EINVAL if lacks(op) => Refusal::Lacking,
            libc::ENOMEM if locks_memory(op) => memlock().unwrap_or(Refusal::Kernel(errno)),
            _ => Refusal::Kernel(errno),
        };
        Self::new(op, refusal)
    }

    /// Which registration.
    #[must_use]
    pub fn op(&self) -> RegisterOp {
        self.op
    }

    /// Why.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// The kernel's number, or what it would have been.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self.refusal {
            Refusal::Kernel(errno) => errno,
            Refusal::Memlock(_) => Errno(libc::ENOMEM),
            _ => Errno(libc::EINVAL),
        }
    }
}

/// Whether the kernel says that its list of registrations ends before `op`. A kernel without the
/// list (before 6.18) says nothing about the older ones.
fn lacks(op: RegisterOp) -> bool {
    match ringless::query::<QueryOpcodes>() {
        Ok(has) => op.0 >= has.nr_register_opcodes,
        Err(errno) => errno.0 == libc::EINVAL && op.0 >= RegisterOp::QUERY.0,
    }
}

/// Whether pages are pinned or charged by it.
fn locks_memory(op: RegisterOp) -> bool {
    const LOCK: [RegisterOp; 8] = [
        RegisterOp::BUFFERS,
        RegisterOp::BUFFERS2,
        RegisterOp::BUFFERS_UPDATE,
        RegisterOp::PBUF_RING,
        RegisterOp::CLONE_BUFFERS,
        RegisterOp::MEM_REGION,
        RegisterOp::ZCRX_IFQ,
        RegisterOp::RESIZE_RINGS,
    ];
    LOCK.contains(&op)
}

/// The limit of locked memory, if there is one for this process.
fn memlock() -> Option<Refusal> {
    let evidence = Evidence::gather();
    let soft = evidence.memlock?.soft;
    let limited = soft != Limit::UNLIMITED && evidence.ipc_lock() != Privilege::Held;
    limited.then_some(Refusal::Memlock(soft))
}

/// What is known about an error number of one operation beyond its name.
fn hint(op: RegisterOp, errno: i32) -> Option<&'static str> {
    use RegisterOp as Op;
    Some(match (op, errno) {
        (Op::PBUF_RING, libc::EEXIST) => "the group exists already",
        (Op::PBUF_STATUS | Op::UNREGISTER_PBUF_RING, libc::ENOENT) => "there is no such group",
        (_, libc::EEXIST) => "only the thread that made or enabled the ring may register",
        (Op::BUFFERS | Op::BUFFERS2, libc::EBUSY) => "there are registered buffers already",
        (Op::FILES | Op::FILES2, libc::EBUSY) => "there is a table of files already",
        (Op::EVENTFD | Op::EVENTFD_ASYNC, libc::EBUSY) => "there is an eventfd already",
        (Op::CLONE_BUFFERS, libc::EBUSY) => "there are buffers already, and none may be replaced",
        (Op::CLONE_BUFFERS, libc::ENXIO) => "the other ring has no registered buffers",
        (Op::CLONE_BUFFERS, libc::EOVERFLOW) => "the range ends behind the other ring's buffers",
        (Op::MEM_REGION, libc::EBUSY) => "the ring has a region already",
        (Op::BUFFERS | Op::BUFFERS2 | Op::BUFFERS_UPDATE, libc::EFAULT) => {
            "an address is not memory of this process"
        }
        (Op::BUFFERS_UPDATE | Op::UNREGISTER_BUFFERS, libc::ENXIO) => {
            "there are no registered buffers"
        }
        (Op::FILES_UPDATE | Op::FILES_UPDATE2 | Op::FILE_ALLOC_RANGE, libc::ENXIO) => {
            "there is no table of files"
        }
        (Op::CLONE_BUFFERS | Op::SEND_MSG_RING, libc::EBADFD | libc::EOPNOTSUPP) => {
            "the other descriptor is no ring, or that ring is disabled"
        }
        (_, libc::EBADFD) => "the ring is in the wrong state (enabled or disabled)",
        (_, libc::EACCES) => "a restriction or a filter of the ring forbids it",
        _ => return None,
    })
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.op.name())?;
        let (major, minor) = self.since.unwrap_or_default();
        match self.refusal {
            Refusal::Kernel(errno) => {
                if let Some(hint) = hint(self.op, errno.0) {
                    return write!(f, "{hint}: {errno}");
                }
                write!(f, "{errno}")?;
                if errno.0 == libc::EINVAL {
                    write!(f, "; or the kernel lacks it (needs Linux {major}.{minor})")?;
                }
                Ok(())
            }
            Refusal::Lacking => {
                write!(f, "this kernel does not have it (needs Linux {major}.{minor})")
            }
            Refusal::Memlock(bytes) => write!(
                f,
                "the memory cannot be locked: RLIMIT_MEMLOCK is {bytes} bytes for all that this \
                 user registers; raise it (`ulimit -l`, LimitMEMLOCK=) or give CAP_IPC_LOCK"
            ),
            Refusal::Entries(entries) => write!(
                f,
                "a ring of {entries} buffers: their number must be a power of two, at most 32768"
            ),
            Refusal::RegionBytes(bytes) => write!(
                f,
                "a region of {bytes} bytes: it must be a multiple of the page, 4096 bytes, and at \
                 least one"
            ),
            Refusal::Unaligned(addr) => {
                write!(f, "the address {addr:#x} is not aligned to a page")
            }
            Refusal::Tags(tags) => {
                write!(f, "{tags} tags: there must be one for each resource, or none")
            }
            Refusal::TooMany(count) => write!(f, "{count} elements are too many for one call"),
            Refusal::Enabled => {
                f.write_str("the ring is enabled: register it before, on a disabled ring")
            }
            Refusal::NoCpu => f.write_str("no CPU was named: a worker must run somewhere"),
            Refusal::MinLeft => f.write_str("min_left is for incremental groups (INC) only"),
        }
    }
}

impl std::error::Error for RegisterError {}

impl From<RegisterError> for Errno {
    fn from(error: RegisterError) -> Self {
        error.errno()
    }
}

impl From<RegisterError> for io::Error {
    fn from(error: RegisterError) -> Self {
        let kind = match error.refusal {
            Refusal::Lacking => io::ErrorKind::Unsupported,
            Refusal::Memlock(_) => io::ErrorKind::OutOfMemory,
            Refusal::Kernel(errno) => io::Error::from(errno).kind(),
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests;

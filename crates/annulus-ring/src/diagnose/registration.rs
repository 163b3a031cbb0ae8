//! Which registrations this kernel knows.
//!
//! Owns the question, one io_uring_register(2) each. There is no probe for registrations before
//! IORING_REGISTER_QUERY (6.18), so each is tried with an argument at an address where nothing is:
//! a kernel that knows the operation tries to read it and answers EFAULT, one that does not answers
//! EINVAL before. Nothing is ever registered. Does not own: registering for use (`Ring`).

use core::ffi::c_void;
use core::ptr;

use annulus_abi::{Errno, RegisterOp};

use crate::{AnyKernel, Kernel, Real, Ring, Version};

/// A registration, and whether this kernel knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registration {
    /// The kernel's name without the prefix, e.g. `"PBUF_RING"`.
    pub name: &'static str,
    /// The first kernel that has it, as `(major, minor)`.
    pub since: Version,
    /// What the kernel said; `None` if its answer fits neither case, e.g. that of a seccomp filter.
    pub known: Option<bool>,
}

/// Name, number, number of elements to claim, first kernel.
type Row = (&'static str, u32, u32, Version);

/// The registrations that read their argument before anything else.
const ROWS: [Row; 17] = [
    ("EVENTFD", 4, 1, (5, 2)),
    ("FILES_UPDATE", 6, 1, (5, 5)),
    ("PROBE", 8, 1, (5, 6)),
    ("FILES2", 13, 32, (5, 13)),
    ("BUFFERS2", 15, 32, (5, 13)),
    ("IOWQ_AFF", 17, 8, (5, 14)),
    ("IOWQ_MAX_WORKERS", 19, 2, (5, 15)),
    ("RING_FDS", 20, 1, (5, 18)),
    ("PBUF_RING", 22, 1, (5, 19)),
    ("SYNC_CANCEL", 24, 1, (6, 0)),
    ("FILE_ALLOC_RANGE", 25, 0, (6, 0)),
    ("PBUF_STATUS", 26, 1, (6, 8)),
    ("NAPI", 27, 1, (6, 9)),
    ("CLOCK", 29, 0, (6, 12)),
    ("CLONE_BUFFERS", 30, 1, (6, 12)),
    ("MEM_REGION", 34, 1, (6, 13)),
    ("QUERY", 35, 0, (6, 18)),
];

/// Asks the kernel behind `ring` which registrations it knows.
///
/// Only the real kernel is asked: another one, in this process, would read the argument itself.
#[must_use]
pub fn registrations(ring: &mut Ring) -> Vec<Registration> {
    let answer = |&(name, op, nr, since): &Row| Registration {
        name,
        since,
        known: match &mut ring.kernel {
            AnyKernel::Real(kernel) => known(attempt(kernel, RegisterOp(op), nr)),
            AnyKernel::Dyn(_) => None,
        },
    };
    ROWS.iter().map(answer).collect()
}

fn attempt(kernel: &mut Real, op: RegisterOp, nr: u32) -> Result<u32, Errno> {
    // Below vm.mmap_min_addr, and odd: no object of this process is there.
    let nowhere: *mut c_void = ptr::without_provenance_mut(1);
    // SAFETY: nothing can be read or written through `nowhere`, so the kernel gives up with EFAULT
    // before it registers anything; no memory is lent.
    unsafe { kernel.register(op, nowhere, nr) }
}

fn known(answer: Result<u32, Errno>) -> Option<bool> {
    match answer {
        Err(Errno(libc::EINVAL)) => Some(false),
        Ok(_) | Err(Errno(libc::EFAULT | libc::ENXIO | libc::EBUSY)) => Some(true),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_about_the_argument_proves_that_the_operation_is_known() {
        assert_eq!(known(Err(Errno(libc::EFAULT))), Some(true));
        assert_eq!(known(Err(Errno(libc::ENXIO))), Some(true));
        assert_eq!(known(Err(Errno(libc::EINVAL))), Some(false));
        assert_eq!(known(Err(Errno(libc::EPERM))), None);
    }

    #[test]
    fn registrations_are_listed_in_the_order_of_their_numbers() {
        assert!(ROWS.windows(2).all(|pair| pair[0].1 < pair[1].1));
    }
}

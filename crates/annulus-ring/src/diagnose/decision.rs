//! From a refusal and the evidence to the cause.
//!
//! Owns one pure function. The same errno has several causes, so the order of the questions
//! matters:
//!
//! | errno | asked, in this order | cause |
//! |---|---|---|
//! | EPERM, EACCES | does the sysctl refuse this process? (a certain refusal) | `Sysctl` |
//! | | is a seccomp filter installed? | `Seccomp` |
//! | | was SQPOLL asked without privilege, on a kernel from before the sysctl? | `TooOld` |
//! | | is it known that no filter is installed? | `Lsm` |
//! | ENOSYS | does the sysctl prove that io_uring is built in, under a filter? | `Seccomp` |
//! | | else | `NotBuilt` |
//! | ENOMEM | does RLIMIT_MEMLOCK bind this process? | `Memlock` |
//! | EMFILE, ENFILE | – | `Descriptors` |
//! | EINVAL, ENXIO | was a descriptor to attach to named that is no ring's? | `Attach` |
//! | EINVAL | is the number of entries none that a kernel allows? | `Size` |
//! | | was the submission thread bound to a CPU that is not online? | `Cpu` |
//! | | else | `TooOld` |
//!
//! Once setup has passed, a refusal of another call is a filter that knows only some of the three
//! calls, unless it is EACCES without any filter, which only a security module or a restriction
//! answers.

use annulus_abi::{Errno, Params, SetupFlags};

use super::{Evidence, Limit, Privilege};
use crate::{Cause, Stage};

/// Why `stage` answered `errno` when `asked` was asked of a system with this `evidence`.
#[must_use]
pub fn cause(stage: Stage, errno: Errno, asked: &Params, evidence: &Evidence) -> Cause {
    match (errno.0, stage) {
        (libc::EPERM | libc::EACCES, Stage::Setup) => refused(errno, asked, evidence),
        (libc::ENOSYS, Stage::Setup) => absent(evidence),
        (libc::EPERM | libc::EACCES | libc::ENOSYS, _) => refused_later(errno, evidence),
        // mmap(2) of a ring is not charged: ENOMEM is the address space there, and EAGAIN the lock
        // limit.
        (libc::ENOMEM, Stage::Map) => Cause::Other(errno),
        (libc::EAGAIN, Stage::Map) => Cause::Memlock,
        (libc::ENOMEM, _) if memlock_binds(evidence) => Cause::Memlock,
        (libc::EMFILE | libc::ENFILE, _) => Cause::Descriptors,
        (libc::ENXIO | libc::EBADF | libc::EINVAL, Stage::Setup)
            if evidence.attaches_to_no_ring(asked) =>
        {
            Cause::Attach
        }
        (libc::EINVAL, Stage::Setup) if size_is_none(asked) => Cause::Size,
        (libc::EINVAL, Stage::Setup) if cpu_is_absent(asked, evidence) => Cause::Cpu,
        (libc::EINVAL, Stage::Setup | Stage::Register | Stage::Enter | Stage::Probe) => {
            Cause::TooOld
        }
        _ => Cause::Other(errno),
    }
}

fn refused(errno: Errno, asked: &Params, evidence: &Evidence) -> Cause {
    if evidence.sysctl_refuses() {
        return Cause::Sysctl;
    }
    match evidence.filtered() {
        Some(true) => Cause::Seccomp,
        Some(false) if sqpoll_without_privilege(asked, evidence) => Cause::TooOld,
        Some(false) => Cause::Lsm,
        None => Cause::Other(errno),
    }
}

/// SQPOLL asked for CAP_SYS_ADMIN until 5.10 and for CAP_SYS_NICE until 5.12.
fn sqpoll_without_privilege(asked: &Params, evidence: &Evidence) -> bool {
    asked.flags.contains(SetupFlags::SQPOLL)
        && evidence.io_uring_disabled.is_none()
        && evidence.sys_admin() != Privilege::Held
        && evidence.sys_nice() != Privilege::Held
}

fn cpu_is_absent(asked: &Params, evidence: &Evidence) -> bool {
    asked.flags.contains(SetupFlags::SQ_AFF)
        && evidence.cpu_is_online(asked.sq_thread_cpu) == Some(false)
}

/// No entries at all, or more than are allowed and no wish to have them clamped.
fn size_is_none(asked: &Params) -> bool {
    let too_many = asked.sq_entries > MAX_ENTRIES || asked.cq_entries > MAX_CQ_ENTRIES;
    asked.sq_entries == 0 || too_many && !asked.flags.contains(SetupFlags::CLAMP)
}

/// The limits of all kernels so far.
const MAX_ENTRIES: u32 = 32768;
const MAX_CQ_ENTRIES: u32 = 65536;

fn absent(evidence: &Evidence) -> Cause {
    // Only a kernel with io_uring built in has the sysctl.
    if evidence.filtered() == Some(true) && evidence.io_uring_disabled.is_some() {
        Cause::Seccomp
    } else {
        Cause::NotBuilt
    }
}

fn refused_later(errno: Errno, evidence: &Evidence) -> Cause {
    if errno.0 == libc::EACCES && evidence.filtered() == Some(false) {
        Cause::Lsm
    } else {
        Cause::PartialFilter
    }
}

fn memlock_binds(evidence: &Evidence) -> bool {
    let unlimited = |limit: Limit| limit.soft == Limit::UNLIMITED;
    evidence.ipc_lock() != Privilege::Held && !evidence.memlock.is_some_and(unlimited)
}

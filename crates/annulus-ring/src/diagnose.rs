//! What this system says about why io_uring works here, or does not.
//!
//! Owns: [`Evidence`] (the facts, read from `/proc`, `/sys` and getrlimit(2)), the decision from a
//! refusal and the facts to a [`Cause`](crate::Cause), the remedy of each cause, and how many rings
//! the limits leave room for. Does not own: the refusal itself ([`SetupError`](crate::SetupError)),
//! nor anything that a program prints.
//!
//! Invariants: reading never fails, a fact that cannot be read is absent; the decision and the
//! remedy are pure functions of their arguments; the kernel's release is text for people and
//! decides nothing, because distributions carry features back to older releases.
//!
//! Mirrors proc_pid_status(5), proc_sys_kernel(5), getrlimit(2), capabilities(7), seccomp(2).

mod decision;
mod fact;
mod registration;
mod remedy;
#[cfg(test)]
mod tests;

use std::fs;

use annulus_abi::{Params, SetupFlags};

pub use decision::cause;
pub use fact::Fact;
pub use registration::{Registration, registrations};
pub use remedy::remedy;

/// A resource limit of this process, as getrlimit(2) has it; [`Limit::UNLIMITED`] stands for no
/// limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// What is enforced.
    pub soft: u64,
    /// How far an unprivileged process may raise the soft limit.
    pub hard: u64,
}

impl Limit {
    /// `RLIM_INFINITY`.
    pub const UNLIMITED: u64 = u64::MAX;
}

/// A capability as the *kernel* counts it for io_uring: only in the initial user namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Privilege {
    /// Held where it counts.
    Held,
    /// Held, but only inside a user namespace (rootless containers), where io_uring does not ask
    /// for it.
    NamespaceOnly,
    /// Not held.
    NotHeld,
    /// `/proc/thread-self/status` could not be read.
    Unknown,
}

/// Facts about this process and this system that decide whether a ring may be made.
///
/// Each is absent if it cannot be read, which is itself a fact: `io_uring_disabled` is absent on
/// kernels before 6.6, all of `/proc` in a bare chroot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Evidence {
    /// `/proc/sys/kernel/osrelease`: text for people, never parsed.
    pub kernel_release: Option<String>,
    /// `Seccomp:` of `/proc/thread-self/status`: 0 none, 1 strict, 2 a filter.
    pub seccomp_mode: Option<u32>,
    /// `Seccomp_filters:` of `/proc/thread-self/status`: how many filters are stacked.
    pub seccomp_filters: Option<u32>,
    /// `CapEff:` of `/proc/thread-self/status`: the effective capabilities, one bit each.
    pub capabilities: Option<u64>,
    /// The file-system group and the supplementary groups of this process.
    pub groups: Option<Vec<u32>>,
    /// Whether this process lives in the initial user namespace.
    pub initial_user_namespace: Option<bool>,
    /// `/proc/sys/kernel/io_uring_disabled`: 0 allowed, 1 for the privileged only, 2 for nobody.
    pub io_uring_disabled: Option<u32>,
    /// `/proc/sys/kernel/io_uring_group`: the group that 1 lets through, -1 for none.
    pub io_uring_group: Option<i64>,
    /// `RLIMIT_MEMLOCK`, bytes.
    pub memlock: Option<Limit>,
    /// `RLIMIT_NOFILE`, descriptors.
    pub nofile: Option<Limit>,
    /// `RLIMIT_AS`, bytes.
    pub address_space: Option<Limit>,
    /// `/sys/kernel/security/lsm`: the active security modules, in order.
    pub security_modules: Option<Vec<String>>,
    /// `/sys/devices/system/cpu/online`: a list of CPUs such as `0-3,8`.
    pub cpus_online: Option<String>,
    /// `/proc/self/fd/N` of the ring that was to be attached to: `anon_inode:[io_uring]` if it is
    /// one.
    pub attached: Option<String>,
}

const CAP_IPC_LOCK: u32 = 14;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_SYS_NICE: u32 = 23;

impl Evidence {
    /// Reads every fact now.
    #[must_use]
    pub fn gather() -> Self {
        let text = |path: &str| fs::read_to_string(path).ok();
        let mut evidence = Self {
            kernel_release: text("/proc/sys/kernel/osrelease").map(|it| it.trim().to_owned()),
            initial_user_namespace: text("/proc/self/uid_map").map(|map| is_initial(&map)),
            io_uring_disabled: text("/proc/sys/kernel/io_uring_disabled")
                .and_then(|it| number(&it)),
            io_uring_group: text("/proc/sys/kernel/io_uring_group").and_then(|it| number(&it)),
            memlock: limit(libc::RLIMIT_MEMLOCK),
            nofile: limit(libc::RLIMIT_NOFILE),
            address_space: limit(libc::RLIMIT_AS),
            security_modules: text("/sys/kernel/security/lsm")
                .map(|list| list.trim().split(',').map(str::to_owned).collect()),
            cpus_online: text("/sys/devices/system/cpu/online").map(|it| it.trim().to_owned()),
            ..Self::default()
        };
        if let Some(status) = text("/proc/thread-self/status") {
            evidence.read_status(&status);
        }
        evidence
    }

    /// Whether CAP_SYS_ADMIN counts, which passes `io_uring_disabled` = 1.
    #[must_use]
    pub fn sys_admin(&self) -> Privilege {
        self.privilege(CAP_SYS_ADMIN)
    }

    /// Whether CAP_IPC_LOCK counts, which frees rings from `RLIMIT_MEMLOCK`.
    #[must_use]
    pub fn ipc_lock(&self) -> Privilege {
        self.privilege(CAP_IPC_LOCK)
    }

    /// Whether CAP_SYS_NICE counts, which SQPOLL asked for before 5.13.
    #[must_use]
    pub fn sys_nice(&self) -> Privilege {
        self.privilege(CAP_SYS_NICE)
    }

    /// Whether a seccomp filter is installed on this process; `None` if that cannot be read.
    #[must_use]
    pub fn filtered(&self) -> Option<bool> {
        self.seccomp_mode.map(|mode| mode != 0)
    }

    /// Whether `io_uring_disabled` and `io_uring_group` refuse this process, by the kernel's own
    /// rule.
    #[must_use]
    pub fn sysctl_refuses(&self) -> bool {
        match self.io_uring_disabled {
            None | Some(0) => false,
            Some(1) => self.sys_admin() != Privilege::Held && !self.in_io_uring_group(),
            Some(_) => true,
        }
    }

    /// Whether a CPU is online; `None` if that cannot be read.
    #[must_use]
    pub fn cpu_is_online(&self, cpu: u32) -> Option<bool> {
        let online = self.cpus_online.as_ref()?;
        let contains = |range: &str| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some((number::<u32>(first)?..=number(last)?).contains(&cpu))
        };
        Some(online.split(',').any(|range| contains(range) == Some(true)))
    }

    /// How many rings like `granted` the memlock limit leaves room for, if it limits this process
    /// at all.
    ///
    /// An upper bound: the charge is per user, and other processes of the same user share it.
    #[must_use]
    pub fn rings_within_memlock(&self, granted: &Params) -> Option<u64> {
        match (self.memlock, self.ipc_lock()) {
            (_, Privilege::Held) | (None, _) => None,
            (Some(limit), _) if limit.soft == Limit::UNLIMITED => None,
            (Some(limit), _) => Some(limit.soft / ring_bytes(granted)),
        }
    }

    /// The facts that could be read, and those whose absence tells something, for people.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        fact::facts(self)
    }

    /// Whether a ring that was asked for like this names no ring to attach to.
    pub(crate) fn attaches_to_no_ring(&self, asked: &Params) -> bool {
        asked.flags.contains(SetupFlags::ATTACH_WQ)
            && self.attached.as_deref() != Some("anon_inode:[io_uring]")
    }

    /// Looks at what `asked` names as the ring to attach to.
    pub(crate) fn note_attached(&mut self, asked: &Params) {
        if asked.flags.contains(SetupFlags::ATTACH_WQ) {
            let link = fs::read_link(format!("/proc/self/fd/{}", asked.wq_fd));
            self.attached = link.ok().map(|target| target.to_string_lossy().into_owned());
        }
    }

    fn privilege(&self, capability: u32) -> Privilege {
        match (self.capabilities, self.initial_user_namespace) {
            (None, _) => Privilege::Unknown,
            (Some(held), _) if held & (1 << capability) == 0 => Privilege::NotHeld,
            (Some(_), Some(false)) => Privilege::NamespaceOnly,
            (Some(_), _) => Privilege::Held,
        }
    }

    fn in_io_uring_group(&self) -> bool {
        let allowed = self.io_uring_group.and_then(|gid| u32::try_from(gid).ok());
        match (allowed, &self.groups) {
            (Some(gid), Some(groups)) => groups.contains(&gid),
            _ => false,
        }
    }

    fn read_status(&mut self, status: &str) {
        let field = |name: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
        };
        self.seccomp_mode = field("Seccomp").and_then(number);
        self.seccomp_filters = field("Seccomp_filters").and_then(number);
        self.capabilities = field("CapEff").and_then(|hex| u64::from_str_radix(hex, 16).ok());
        // `Gid:` is real, effective, saved, file system; the last one is what the kernel compares.
        let gid = field("Gid").and_then(|ids| ids.split_whitespace().last());
        let groups = gid.into_iter().chain(field("Groups").unwrap_or_default().split_whitespace());
        self.groups = gid.map(|_| groups.filter_map(number).collect());
    }
}

/// What one ring charges against `RLIMIT_MEMLOCK`: its entries and its queues, each in whole pages.
#[must_use]
pub fn ring_bytes(granted: &Params) -> u64 {
    let sqe_bytes = if granted.flags.contains(SetupFlags::SQE128) { 128 } else { 64 };
    let cqe_bytes = if granted.flags.contains(SetupFlags::CQE32) { 32 } else { 16 };
    let array = if granted.flags.contains(SetupFlags::NO_SQARRAY) {
        0
    } else {
        u64::from(granted.sq_entries) * 4
    };
    let queues = u64::from(granted.cq_off.cqes) + u64::from(granted.cq_entries) * cqe_bytes + array;
    let entries = u64::from(granted.sq_entries) * sqe_bytes;
    let page = page_bytes();
    (queues.div_ceil(page) + entries.div_ceil(page)).max(1) * page
}

fn page_bytes() -> u64 {
    // SAFETY: sysconf(3) only reads its argument.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).unwrap_or(4096).max(1)
}

fn limit(resource: libc::__rlimit_resource_t) -> Option<Limit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid, exclusive place for the kernel to write one `rlimit` to.
    let result = unsafe { libc::getrlimit(resource, &mut limit) };
    (result == 0).then_some(Limit { soft: limit.rlim_cur, hard: limit.rlim_max })
}

/// Whether a `uid_map` is the identity over all users, which only the initial namespace has.
fn is_initial(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

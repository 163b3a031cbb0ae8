//! The evidence in words: one line a fact.
//!
//! Owns the wording of facts. Does not own their reading ([`Evidence::gather`]) nor what follows
//! from them. Invariant: every value says where it stands, so that a bug report with these lines is
//! enough.

use core::fmt;

use super::{Evidence, Limit, Privilege};

/// One fact: what it is about, and what was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    /// What it is about, e.g. `"seccomp"`.
    pub subject: &'static str,
    /// What was read, in words.
    pub value: String,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.value)
    }
}

pub(super) fn facts(evidence: &Evidence) -> Vec<Fact> {
    let mut facts = Vec::with_capacity(11);
    let mut add = |subject, value| facts.push(Fact { subject, value });
    add("kernel", evidence.kernel_release.clone().unwrap_or_else(unreadable));
    add("seccomp", seccomp(evidence));
    add("kernel.io_uring_disabled", sysctl(evidence));
    if evidence.io_uring_disabled == Some(1) {
        add("kernel.io_uring_group", group(evidence));
    }
    add("CAP_SYS_ADMIN", privilege(evidence.sys_admin()).to_owned());
    add("CAP_IPC_LOCK", privilege(evidence.ipc_lock()).to_owned());
    add("RLIMIT_MEMLOCK", limit(evidence.memlock, bytes));
    add("RLIMIT_NOFILE", limit(evidence.nofile, |count| count.to_string()));
    if evidence.address_space.is_some_and(|limit| limit.soft != Limit::UNLIMITED) {
        add("RLIMIT_AS", limit(evidence.address_space, bytes));
    }
    let modules = evidence.security_modules.as_ref();
    add("security modules", modules.map_or_else(unreadable, |modules| modules.join(", ")));
    add("CPUs online", evidence.cpus_online.clone().unwrap_or_else(unreadable));
    facts
}

fn seccomp(evidence: &Evidence) -> String {
    let filters = evidence.seccomp_filters.unwrap_or(0);
    match (evidence.seccomp_mode, filters) {
        (None, _) => unreadable(),
        (Some(0), _) => "no filter (Seccomp: 0)".to_owned(),
        (Some(1), _) => "strict mode (Seccomp: 1)".to_owned(),
        (Some(mode), 0) => format!("a filter is installed (Seccomp: {mode})"),
        (Some(mode), 1) => format!("a filter is installed (Seccomp: {mode}, 1 filter)"),
        (Some(mode), count) => format!("filters are installed (Seccomp: {mode}, {count} filters)"),
    }
}

fn sysctl(evidence: &Evidence) -> String {
    match evidence.io_uring_disabled {
        None => "absent (kernels have it from 6.6 on)".to_owned(),
        Some(0) => "0 (allowed for everyone)".to_owned(),
        Some(1) => "1 (only with CAP_SYS_ADMIN or in io_uring_group)".to_owned(),
        Some(value) => format!("{value} (disabled for everyone)"),
    }
}

fn group(evidence: &Evidence) -> String {
    match evidence.io_uring_group {
        None => unreadable(),
        Some(gid) if gid < 0 => format!("{gid} (no group)"),
        Some(gid) if evidence.in_io_uring_group() => format!("{gid} (this process is in it)"),
        Some(gid) => format!("{gid} (this process is not in it)"),
    }
}

fn privilege(privilege: Privilege) -> &'static str {
    match privilege {
        Privilege::Held => "held",
        Privilege::NamespaceOnly => "held in a user namespace only, which does not count",
        Privilege::NotHeld => "not held",
        Privilege::Unknown => "unreadable",
    }
}

fn limit(limit: Option<Limit>, quantity: impl Fn(u64) -> String) -> String {
    let quantity = |value| match value {
        Limit::UNLIMITED => "unlimited".to_owned(),
        value => quantity(value),
    };
    limit.map_or_else(unreadable, |Limit { soft, hard }| {
        format!("soft {}, hard {}", quantity(soft), quantity(hard))
    })
}

/// Bytes in the largest binary unit that divides them.
fn bytes(count: u64) -> String {
    match count {
        0 => "0".to_owned(),
        _ if count % (1 << 30) == 0 => format!("{} GiB", count >> 30),
        _ if count % (1 << 20) == 0 => format!("{} MiB", count >> 20),
        _ if count % (1 << 10) == 0 => format!("{} KiB", count >> 10),
        _ => format!("{count} bytes"),
    }
}

fn unreadable() -> String {
    "unreadable".to_owned()
}

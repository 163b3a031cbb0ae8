//! What to do about each cause.
//!
//! Owns the advice: a list of steps, each a thing that a person can do, the most likely first. Does
//! not own the decision. Invariant: a step names the exact setting, so that it can be copied.

use annulus_abi::{Errno, Params, SetupFlags};

use super::{Evidence, Privilege};
use crate::since::{SETUP_FLAGS, setup_flag_name};
use crate::{Cause, Stage, Version};

/// What every kernel of the ladder's foot has: a refusal is not about flags that old.
const FOOT: Version = (5, 6);

/// What to do about `cause`, step by step, the most likely step first.
#[must_use]
pub fn remedy(cause: Cause, stage: Stage, asked: &Params, evidence: &Evidence) -> Vec<String> {
    match cause {
        Cause::Seccomp => seccomp(),
        Cause::PartialFilter => partial_filter(stage),
        Cause::Sysctl => sysctl(evidence),
        Cause::Lsm => security_module(evidence),
        Cause::NotBuilt => not_built(evidence),
        Cause::Memlock => memlock(evidence),
        Cause::TooOld => too_old(stage, asked),
        Cause::Descriptors => descriptors(),
        Cause::Cpu => cpu(asked, evidence),
        Cause::Size => size(asked),
        Cause::Attach => attach(asked, evidence),
        Cause::Conflict(conflict) => vec![conflict.remedy()],
        Cause::Pages(_) => {
            steps(["Pages::needed_bytes says how much memory a ring needs; Pages::anonymous and \
             Pages::huge bring it aligned"])
        }
        Cause::Other(errno) => other(errno, stage, evidence),
    }
}

fn steps<const N: usize>(steps: [&str; N]) -> Vec<String> {
    steps.map(str::to_owned).into()
}

fn seccomp() -> Vec<String> {
    steps([
        "allow the three calls io_uring_setup, io_uring_enter and io_uring_register in the filter",
        "docker, podman: --security-opt seccomp=profile.json, where profile.json is the default \
         profile with {\"names\": [\"io_uring_setup\", \"io_uring_enter\", \"io_uring_register\"], \
         \"action\": \"SCMP_ACT_ALLOW\"} added to \"syscalls\" (seccomp=unconfined to see whether \
         it helps)",
        "Kubernetes: securityContext.seccompProfile with type: Localhost and such a profile",
        "systemd: SystemCallFilter=io_uring_setup io_uring_enter io_uring_register in the unit",
    ])
}

fn partial_filter(stage: Stage) -> Vec<String> {
    let call = match stage {
        Stage::Setup => "io_uring_setup",
        Stage::Map => "mmap",
        Stage::Enter => "io_uring_enter",
        Stage::Register | Stage::Probe => "io_uring_register",
    };
    let mut all = vec![format!(
        "the filter lets io_uring_setup pass but not {call}: allow all three calls or none"
    )];
    all.extend(seccomp());
    all
}

fn sysctl(evidence: &Evidence) -> Vec<String> {
    let mut all = steps([
        "sysctl kernel.io_uring_disabled=0 as root of the host (a container cannot change it)",
        "to keep it over a reboot: echo kernel.io_uring_disabled=0 > \
         /etc/sysctl.d/60-io_uring.conf",
    ]);
    if evidence.io_uring_disabled == Some(1) {
        all.push(match evidence.io_uring_group {
            Some(gid) if gid >= 0 => {
                format!(
                    "or run this program in group {gid}, which kernel.io_uring_group lets through"
                )
            }
            _ => "or sysctl kernel.io_uring_group=GID with a group of this program".to_owned(),
        });
    }
    if evidence.filtered() == Some(true) {
        all.push(
            "a seccomp filter is installed as well, and it too must allow io_uring_setup, \
             io_uring_enter and io_uring_register"
                .to_owned(),
        );
    }
    all
}

fn security_module(evidence: &Evidence) -> Vec<String> {
    let mut all = steps([
        "look for the denial: journalctl -k | grep -i -e denied -e io_uring, or ausearch -m avc \
         -ts recent",
        "allow io_uring for this program's domain in the module's policy",
    ]);
    let modules = evidence.security_modules.as_deref().unwrap_or_default();
    if modules.iter().any(|module| module == "selinux") {
        all.push(
            "SELinux: audit2allow -a shows the rule (classes io_uring and anon_inode)".to_owned(),
        );
    }
    all.push(
        "or a sandbox outside this process's sight refuses it (gVisor, a virtual machine's agent, \
         restrictions inherited from a parent): run the program outside of it to see"
            .to_owned(),
    );
    all
}

fn not_built(evidence: &Evidence) -> Vec<String> {
    let mut all = steps(["use a kernel built with CONFIG_IO_URING=y (Linux 5.6 or later)"]);
    if evidence.filtered() == Some(true) {
        all.push(
            "or the seccomp filter answers ENOSYS (podman's profile does so for calls that it \
             does not know): allow io_uring_setup, io_uring_enter and io_uring_register in it"
                .to_owned(),
        );
    }
    all.push(
        "under gVisor, which has no io_uring: run the container with runc, crun or Kata instead"
            .to_owned(),
    );
    all
}

fn memlock(evidence: &Evidence) -> Vec<String> {
    let mut all = steps([
        "raise the limit: ulimit -l unlimited in the shell, or memlock in \
         /etc/security/limits.conf",
        "systemd: LimitMEMLOCK=infinity in the unit",
        "docker, podman: --ulimit memlock=-1:-1",
        "or ask for fewer entries, or for fewer rings: they are charged to the user, over all \
         processes",
    ]);
    all.push(match evidence.ipc_lock() {
        Privilege::NamespaceOnly => {
            "CAP_IPC_LOCK would lift the limit, but only in the initial user namespace: rootless \
             containers need the higher limit"
                .to_owned()
        }
        _ => "or give the program CAP_IPC_LOCK: setcap cap_ipc_lock+ep PROGRAM".to_owned(),
    });
    all
}

fn cpu(asked: &Params, evidence: &Evidence) -> Vec<String> {
    vec![
        format!(
            "CPU {} was asked for (sqpoll_cpu), and these are online: {}; choose one of them",
            asked.sq_thread_cpu,
            evidence.cpus_online.as_deref().unwrap_or("unknown")
        ),
        "or leave the choice to the scheduler: ask for sqpoll without a CPU".to_owned(),
    ]
}

fn size(asked: &Params) -> Vec<String> {
    vec![
        format!(
            "{} entries and {} completions were asked for: 1 to 32768 are allowed, and at most \
             65536 completions",
            asked.sq_entries, asked.cq_entries
        ),
        "or let the kernel take the nearest size that it allows: clamp(true)".to_owned(),
    ]
}

fn attach(asked: &Params, evidence: &Evidence) -> Vec<String> {
    vec![
        format!(
            "descriptor {} is {}: give the descriptor of a ring of this process that is open",
            asked.wq_fd,
            evidence.attached.as_deref().unwrap_or("closed")
        ),
        "build the first ring before the others, and keep it until they are built".to_owned(),
    ]
}

fn too_old(stage: Stage, asked: &Params) -> Vec<String> {
    let mut all = Vec::new();
    let newer =
        |(flag, since): &&(SetupFlags, Version)| *since > FOOT && asked.flags.contains(*flag);
    let newest = SETUP_FLAGS.iter().rev().find(newer);
    if let (Stage::Setup, Some((flag, (major, minor)))) = (stage, newest) {
        all.push(format!(
            "the ring was asked for {}, which needs Linux {major}.{minor}: use that kernel, or \
             ask for a ring without it",
            setup_flag_name(*flag)
        ));
    }
    if asked.flags.contains(SetupFlags::SQPOLL) {
        all.push(
            "SQPOLL without privilege needs Linux 5.13: use that kernel, or ask for a ring \
             without it"
                .to_owned(),
        );
    }
    if asked.flags.contains(SetupFlags::SQ_AFF) {
        all.push(format!(
            "CPU {}, which the submission thread was to be bound to, must be among those of this \
             process's cgroup (cpuset.cpus.effective)",
            asked.sq_thread_cpu
        ));
    }
    if stage == Stage::Setup && asked.flags.contains(SetupFlags::SQPOLL | SetupFlags::ATTACH_WQ) {
        all.push(
            "a submission thread can be shared only with a ring that has one: build the first \
             ring with sqpoll as well"
                .to_owned(),
        );
    }
    if stage == Stage::Setup && newest.is_none() {
        all.push(
            "check the number of entries: 1 to 32768, and at most 65536 completions".to_owned(),
        );
    }
    all.push(
        "use Linux 5.6 or later for a bare ring, 6.1 or later for the runtime (DEFER_TASKRUN)"
            .to_owned(),
    );
    all
}

fn descriptors() -> Vec<String> {
    steps([
        "raise the limit: ulimit -n 65536 in the shell, or nofile in /etc/security/limits.conf",
        "systemd: LimitNOFILE=65536 in the unit; docker, podman: --ulimit nofile=65536",
        "for ENFILE, the limit of the whole system: sysctl fs.file-max",
        "and look for descriptors that leak: ls -l /proc/PID/fd",
    ])
}

fn other(errno: Errno, stage: Stage, evidence: &Evidence) -> Vec<String> {
    match (errno.0, stage) {
        (libc::ENOMEM, Stage::Map) => steps([
            "the address space is exhausted: ulimit -v unlimited, or raise sysctl vm.max_map_count",
        ]),
        (libc::ENOMEM, _) => steps([
            "the memlock limit does not bind this process, so memory itself is short: look at the \
             memory limit of the cgroup, or ask for fewer entries (queues want contiguous pages)",
        ]),
        (libc::EAGAIN, Stage::Setup) => steps([
            "no thread could be started for the ring: raise ulimit -u, or TasksMax= of the unit, \
             or pids.max of the cgroup",
        ]),
        (libc::EPERM | libc::EACCES, _) if evidence.filtered().is_none() => steps([
            "/proc is not mounted here, so the cause cannot be told: mount it, and run annulus \
             doctor",
            "it is a seccomp filter (allow io_uring_setup, io_uring_enter and io_uring_register), \
             kernel.io_uring_disabled, or a security module",
        ]),
        _ => steps([
            "this answer is not among the known refusals: annulus doctor --json has what a report \
             needs",
        ]),
    }
}

//! The decision over made-up evidence, and the readers over made-up files.

use annulus_abi::{CqOffsets, Errno, Params, SetupFlags};

use super::*;
use crate::{Cause, Stage};

/// A plain user on a kernel that allows io_uring, without any filter.
fn plain_user() -> Evidence {
    Evidence {
        kernel_release: Some("6.18.44".to_owned()),
        seccomp_mode: Some(0),
        seccomp_filters: Some(0),
        capabilities: Some(0),
        groups: Some(vec![1000, 27]),
        initial_user_namespace: Some(true),
        io_uring_disabled: Some(0),
        io_uring_group: Some(-1),
        memlock: Some(Limit { soft: 8 << 20, hard: 8 << 20 }),
        nofile: Some(Limit { soft: 1024, hard: 1 << 20 }),
        address_space: Some(Limit { soft: Limit::UNLIMITED, hard: Limit::UNLIMITED }),
        security_modules: Some(vec!["lockdown".to_owned(), "yama".to_owned()]),
        cpus_online: Some("0-1,4".to_owned()),
        attached: None,
    }
}

fn filtered() -> Evidence {
    Evidence { seccomp_mode: Some(2), seccomp_filters: Some(1), ..plain_user() }
}

fn sysctl(value: Option<u32>) -> Evidence {
    Evidence { io_uring_disabled: value, ..plain_user() }
}

fn with_capability(bit: u32, evidence: Evidence) -> Evidence {
    Evidence { capabilities: Some(1 << bit), ..evidence }
}

fn asked(flags: SetupFlags) -> Params {
    Params { sq_entries: 256, flags, ..Params::default() }
}

fn decide(stage: Stage, errno: i32, evidence: &Evidence) -> Cause {
    cause(stage, Errno(errno), &asked(SetupFlags::EMPTY), evidence)
}

fn check(stage: Stage, rows: &[(&str, i32, Evidence, Cause)]) {
    for (name, errno, evidence, expected) in rows {
        assert_eq!(decide(stage, *errno, evidence), *expected, "{name}");
    }
}

#[test]
fn a_refused_setup_has_the_cause_that_the_evidence_points_at() {
    use libc::{EACCES, EPERM};
    let member = Evidence { io_uring_group: Some(27), ..sysctl(Some(1)) };
    let rootless =
        Evidence { initial_user_namespace: Some(false), ..with_capability(21, sysctl(Some(1))) };
    let both = Evidence { io_uring_disabled: Some(2), ..filtered() };
    let blind = Evidence::default();
    check(
        Stage::Setup,
        &[
            ("filter, sysctl allows", EPERM, filtered(), Cause::Seccomp),
            ("filter that answers EACCES", EACCES, filtered(), Cause::Seccomp),
            ("sysctl 2", EPERM, sysctl(Some(2)), Cause::Sysctl),
            ("sysctl 2, privileged", EPERM, with_capability(21, sysctl(Some(2))), Cause::Sysctl),
            ("sysctl 2 and a filter", EPERM, both, Cause::Sysctl),
            ("sysctl 1, plain user", EPERM, sysctl(Some(1)), Cause::Sysctl),
            ("sysctl 1, root of a container", EPERM, rootless, Cause::Sysctl),
            ("sysctl 1, privileged", EPERM, with_capability(21, sysctl(Some(1))), Cause::Lsm),
            ("sysctl 1, member of the group", EPERM, member, Cause::Lsm),
            ("nothing visible", EPERM, plain_user(), Cause::Lsm),
            ("nothing visible", EACCES, plain_user(), Cause::Lsm),
            ("no sysctl on this kernel", EPERM, sysctl(None), Cause::Lsm),
            ("no /proc", EPERM, blind, Cause::Other(Errno(EPERM))),
        ],
    );
}

#[test]
fn enosys_is_the_filters_only_when_the_sysctl_proves_that_io_uring_is_built_in() {
    let filtered_without_sysctl = Evidence { io_uring_disabled: None, ..filtered() };
    check(
        Stage::Setup,
        &[
            ("not built", libc::ENOSYS, sysctl(None), Cause::NotBuilt),
            ("filter, built", libc::ENOSYS, filtered(), Cause::Seccomp),
            ("filter, unknown", libc::ENOSYS, filtered_without_sysctl.clone(), Cause::NotBuilt),
            ("no /proc", libc::ENOSYS, Evidence::default(), Cause::NotBuilt),
        ],
    );
    let ask = Params::default();
    let says_filter = |evidence: &Evidence| {
        let steps = remedy(Cause::NotBuilt, Stage::Setup, &ask, evidence);
        steps.iter().any(|step| step.contains("seccomp filter answers ENOSYS"))
    };
    assert!(says_filter(&filtered_without_sysctl));
    assert!(!says_filter(&sysctl(None)));
}

#[test]
fn enomem_is_the_memlock_limit_only_where_the_limit_binds() {
    let unlimited = Evidence {
        memlock: Some(Limit { soft: Limit::UNLIMITED, hard: Limit::UNLIMITED }),
        ..plain_user()
    };
    let rootless =
        Evidence { initial_user_namespace: Some(false), ..with_capability(14, plain_user()) };
    let short = Cause::Other(Errno(libc::ENOMEM));
    check(
        Stage::Setup,
        &[
            ("plain user", libc::ENOMEM, plain_user(), Cause::Memlock),
            ("root of a container", libc::ENOMEM, rootless, Cause::Memlock),
            ("CAP_IPC_LOCK", libc::ENOMEM, with_capability(14, plain_user()), short),
            ("no limit", libc::ENOMEM, unlimited, short),
        ],
    );
    check(
        Stage::Map,
        &[
            ("address space", libc::ENOMEM, plain_user(), short),
            ("mlockall(2) and the limit", libc::EAGAIN, plain_user(), Cause::Memlock),
        ],
    );
    check(Stage::Register, &[("buffers", libc::ENOMEM, plain_user(), Cause::Memlock)]);
}

#[test]
fn running_out_of_descriptors_is_told_apart() {
    for stage in [Stage::Setup, Stage::Register] {
        assert_eq!(decide(stage, libc::EMFILE, &plain_user()), Cause::Descriptors);
        assert_eq!(decide(stage, libc::ENFILE, &plain_user()), Cause::Descriptors);
    }
}

#[test]
fn einval_means_that_the_kernel_is_too_old_for_what_was_asked() {
    assert_eq!(decide(Stage::Setup, libc::EINVAL, &plain_user()), Cause::TooOld);
    assert_eq!(decide(Stage::Probe, libc::EINVAL, &filtered()), Cause::TooOld);
}

#[test]
fn sqpoll_without_privilege_is_too_much_for_kernels_from_before_the_sysctl() {
    let ask = asked(SetupFlags::SQPOLL);
    let of = |evidence: &Evidence| cause(Stage::Setup, Errno(libc::EPERM), &ask, evidence);
    assert_eq!(of(&sysctl(None)), Cause::TooOld);
    assert_eq!(of(&with_capability(23, sysctl(None))), Cause::Lsm);
    assert_eq!(of(&plain_user()), Cause::Lsm);
    let steps = remedy(Cause::TooOld, Stage::Setup, &ask, &sysctl(None));
    assert!(steps.iter().any(|step| step.contains("5.13")), "{steps:?}");
}

#[test]
fn a_refusal_after_setup_is_a_partial_filter() {
    for stage in [Stage::Register, Stage::Enter, Stage::Probe] {
        for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS] {
            assert_eq!(decide(stage, errno, &filtered()), Cause::PartialFilter);
        }
        assert_eq!(decide(stage, libc::EPERM, &plain_user()), Cause::PartialFilter);
        assert_eq!(decide(stage, libc::EACCES, &plain_user()), Cause::Lsm);
    }
}

#[test]
fn every_cause_has_a_remedy_and_the_remedy_names_the_setting() {
    let rows = [
        (Cause::Seccomp, "--security-opt seccomp="),
        (Cause::Seccomp, "io_uring_setup, io_uring_enter and io_uring_register"),
        (Cause::Seccomp, "SystemCallFilter="),
        (Cause::PartialFilter, "--security-opt seccomp="),
        (Cause::Sysctl, "sysctl kernel.io_uring_disabled=0"),
        (Cause::Lsm, "ausearch"),
        (Cause::NotBuilt, "CONFIG_IO_URING=y"),
        (Cause::NotBuilt, "gVisor"),
        (Cause::Memlock, "ulimit -l"),
        (Cause::Memlock, "LimitMEMLOCK="),
        (Cause::TooOld, "5.6"),
        (Cause::Descriptors, "ulimit -n"),
        (Cause::Other(Errno(libc::EIO)), "annulus doctor"),
    ];
    for (cause, setting) in rows {
        let steps = remedy(cause, Stage::Setup, &Params::default(), &plain_user());
        let found = steps.iter().any(|step| step.contains(setting));
        assert!(found, "{cause:?} does not mention {setting:?}: {steps:?}");
    }
}

#[test]
fn the_remedy_names_the_newest_flag_that_was_asked_for_and_its_kernel() {
    let ask = asked(SetupFlags::CLAMP | SetupFlags::SUBMIT_ALL | SetupFlags::DEFER_TASKRUN);
    let steps = remedy(Cause::TooOld, Stage::Setup, &ask, &plain_user());
    assert!(steps[0].contains("DEFER_TASKRUN, which needs Linux 6.1"), "{steps:?}");
}

#[test]
fn a_partial_filter_names_the_call_that_it_refuses() {
    let of = |stage| remedy(Cause::PartialFilter, stage, &Params::default(), &filtered());
    assert!(of(Stage::Enter)[0].contains("not io_uring_enter"));
    assert!(of(Stage::Probe)[0].contains("not io_uring_register"));
}

#[test]
fn the_status_file_is_read_field_by_field() {
    let mut evidence = Evidence::default();
    evidence.read_status(
        "Name:\tannulus\nGid:\t1\t2\t3\t4\nGroups:\t27 1000 \nCapEff:\t000001fffeffffff\n\
         Seccomp:\t2\nSeccomp_filters:\t3\n",
    );
    assert_eq!(evidence.seccomp_mode, Some(2));
    assert_eq!(evidence.seccomp_filters, Some(3));
    assert_eq!(evidence.capabilities, Some(0x1ff_feff_ffff));
    assert_eq!(evidence.groups, Some(vec![4, 27, 1000]));
    evidence.read_status("");
    assert_eq!((evidence.seccomp_mode, evidence.groups), (None, None));
}

#[test]
fn only_the_identity_over_all_users_is_the_initial_namespace() {
    assert!(is_initial("         0          0 4294967295\n"));
    assert!(!is_initial("         0     100000      65536\n"));
    assert!(!is_initial("         0       1000          1\n         1     100000      65536\n"));
}

#[test]
fn a_ring_charges_its_entries_and_its_queues_in_whole_pages() {
    let granted = Params {
        sq_entries: 256,
        cq_entries: 512,
        cq_off: CqOffsets { cqes: 64, ..CqOffsets::default() },
        ..Params::default()
    };
    let page = page_bytes();
    let entries = (256_u64 * 64).div_ceil(page);
    let queues = (64_u64 + 512 * 16 + 256 * 4).div_ceil(page);
    assert_eq!(ring_bytes(&granted), (entries + queues) * page);
    if page == 4096 {
        // Measured on 6.18: a limit of 8 MiB ends after 292 such rings.
        assert_eq!(plain_user().rings_within_memlock(&granted), Some(292));
    }
    assert_eq!(with_capability(14, plain_user()).rings_within_memlock(&granted), None);
}

#[test]
fn facts_say_what_was_read_and_what_was_not() {
    let line = |evidence: &Evidence, subject: &str| {
        let facts = evidence.facts();
        let fact = facts.into_iter().find(|fact| fact.subject == subject);
        fact.map(|fact| fact.value)
    };
    let blind = Evidence::default();
    assert_eq!(line(&blind, "seccomp").as_deref(), Some("unreadable"));
    let filter = line(&filtered(), "seccomp").unwrap();
    assert_eq!(filter, "a filter is installed (Seccomp: 2, 1 filter)");
    assert_eq!(line(&plain_user(), "kernel.io_uring_group"), None);
    let group = line(&sysctl(Some(1)), "kernel.io_uring_group");
    assert_eq!(group.as_deref(), Some("-1 (no group)"));
    let memlock = line(&plain_user(), "RLIMIT_MEMLOCK");
    assert_eq!(memlock.as_deref(), Some("soft 8 MiB, hard 8 MiB"));
}

#[test]
fn this_process_has_evidence() {
    let evidence = Evidence::gather();
    assert!(evidence.memlock.is_some());
    assert!(evidence.nofile.is_some_and(|limit| limit.soft > 0));
}

#[test]
fn a_submission_thread_on_a_cpu_that_is_not_there_is_said_to_be_just_that() {
    let asked = |cpu| Params {
        sq_thread_cpu: cpu,
        ..asked(SetupFlags::SQPOLL | SetupFlags::SQ_AFF | SetupFlags::SINGLE_ISSUER)
    };
    let decide =
        |cpu, evidence: &Evidence| cause(Stage::Setup, Errno(libc::EINVAL), &asked(cpu), evidence);
    for cpu in [2, 3, 5, 100_000] {
        assert_eq!(decide(cpu, &plain_user()), Cause::Cpu, "CPU {cpu}");
    }
    for cpu in [0, 1, 4] {
        assert_eq!(decide(cpu, &plain_user()), Cause::TooOld, "CPU {cpu}");
    }
    assert_eq!(decide(9, &Evidence::default()), Cause::TooOld, "nobody knows");
    let advice = |cause, cpu| remedy(cause, Stage::Setup, &asked(cpu), &plain_user()).join("\n");
    let absent = advice(Cause::Cpu, 7);
    assert!(absent.contains("CPU 7") && absent.contains("0-1,4"), "{absent}");
    assert!(advice(Cause::TooOld, 1).contains("cpuset.cpus.effective"));
}

#[test]
fn a_size_that_no_kernel_allows_is_said_to_be_just_that() {
    let decide = |asked: &Params| cause(Stage::Setup, Errno(libc::EINVAL), asked, &plain_user());
    let sized = |sq_entries, cq_entries, flags| Params { sq_entries, cq_entries, ..asked(flags) };
    for (sq, cq) in [(0, 0), (32769, 0), (64, 65537)] {
        assert_eq!(decide(&sized(sq, cq, SetupFlags::CQSIZE)), Cause::Size, "{sq} {cq}");
    }
    assert_eq!(decide(&sized(32768, 65536, SetupFlags::CQSIZE)), Cause::TooOld);
    assert_eq!(decide(&sized(1 << 20, 0, SetupFlags::CLAMP)), Cause::TooOld);
    let advice = remedy(Cause::Size, Stage::Setup, &sized(0, 7, SetupFlags::EMPTY), &plain_user());
    assert!(advice.join("\n").contains("0 entries and 7 completions"), "{advice:?}");
}

#[test]
fn a_descriptor_to_attach_to_that_is_no_ring_is_named() {
    let asked = Params { wq_fd: 17, ..asked(SetupFlags::ATTACH_WQ) };
    for link in [None, Some("/dev/null"), Some("anon_inode:[eventfd]")] {
        let evidence = Evidence { attached: link.map(str::to_owned), ..plain_user() };
        for errno in [libc::EINVAL, libc::ENXIO, libc::EBADF].map(Errno) {
            assert_eq!(cause(Stage::Setup, errno, &asked, &evidence), Cause::Attach);
        }
        let advice = remedy(Cause::Attach, Stage::Setup, &asked, &evidence).join("\n");
        let named = format!("descriptor 17 is {}", link.unwrap_or("closed"));
        assert!(advice.contains(&named), "{advice}");
    }
    let ring = Some("anon_inode:[io_uring]".to_owned());
    let evidence = Evidence { attached: ring, ..plain_user() };
    assert_eq!(cause(Stage::Setup, Errno(libc::EINVAL), &asked, &evidence), Cause::TooOld);
}

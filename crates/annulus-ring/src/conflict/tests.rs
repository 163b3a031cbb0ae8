//! Each rule against the kernel's own answer, and its words.

use annulus_abi::Params;

use super::*;

/// What the kernel of this machine says to exactly these flags.
fn kernel_accepts(flags: SetupFlags) -> bool {
    let mut params = Params { flags, ..Params::default() };
    // SAFETY: no flag among those asked for here lets the kernel use an address.
    match unsafe { annulus_abi::setup(4, &mut params) } {
        Ok(fd) => {
            // SAFETY: the descriptor was just made, and nobody else has it.
            unsafe { libc::close(fd) };
            true
        }
        Err(errno) => {
            assert_eq!(errno.0, libc::EINVAL, "{flags:?}");
            false
        }
    }
}

/// What the flags of a pair need besides, so that only the pair itself can be refused.
fn completed(flags: SetupFlags) -> SetupFlags {
    let mut all = flags;
    for (one, others) in NEEDS {
        if all.contains(one) && !all.intersects(others) {
            let (_, first) = SetupFlags::NAMES.iter().find(|(_, it)| others.contains(*it)).unwrap();
            all |= *first;
        }
    }
    all
}

#[test]
fn the_kernel_refuses_each_pair_that_the_rules_do() {
    for (one, other) in EXCLUDES {
        let both = completed(one | other);
        assert!(Conflict::of(both).is_some(), "{both:?}");
        assert!(!kernel_accepts(both), "{both:?}");
    }
    for (one, others) in NEEDS {
        assert_eq!(Conflict::of(one), Some(Conflict::Needs(one, others)));
        assert!(!kernel_accepts(one), "{one:?}");
    }
}

#[test]
fn no_rule_refuses_what_the_kernel_accepts() {
    // Every combination of the flags that need no memory, device or descriptor.
    let free = [
        SetupFlags::IOPOLL,
        SetupFlags::COOP_TASKRUN,
        SetupFlags::TASKRUN_FLAG,
        SetupFlags::SQE128,
        SetupFlags::CQE32,
        SetupFlags::SINGLE_ISSUER,
        SetupFlags::DEFER_TASKRUN,
        SetupFlags::NO_SQARRAY,
        SetupFlags::HYBRID_IOPOLL,
    ];
    let mut accepted = 0;
    for bits in 0..1_u32 << free.len() {
        let chosen = free.iter().enumerate().filter(|(index, _)| bits & 1 << index != 0);
        let flags = chosen.fold(SetupFlags::EMPTY, |all, (_, flag)| all | *flag);
        if kernel_accepts(flags) {
            accepted += 1;
            assert_eq!(Conflict::of(flags), None, "{flags:?}");
        }
    }
    assert!(accepted > 50, "{accepted}");
}

#[test]
fn the_words_name_both_sides() {
    let conflict = Conflict::of(SetupFlags::SQPOLL | SetupFlags::DEFER_TASKRUN).unwrap();
    assert_eq!(conflict.to_string(), "SQPOLL and DEFER_TASKRUN exclude one another");
    let conflict = Conflict::of(SetupFlags::TASKRUN_FLAG).unwrap();
    assert_eq!(conflict.to_string(), "TASKRUN_FLAG needs COOP_TASKRUN or DEFER_TASKRUN");
    assert!(conflict.remedy().contains("COOP_TASKRUN or DEFER_TASKRUN"));
}

#[test]
fn every_flag_has_the_number_of_the_kernels_header() {
    let rewind = SetupFlags::SQ_REWIND | SetupFlags::SQE_MIXED | SetupFlags::CQE_MIXED;
    assert_eq!(rewind.bits(), 0b111 << 18);
}

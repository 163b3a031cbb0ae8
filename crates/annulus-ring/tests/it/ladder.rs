//! Opening: every rung works, and each refusal ends as it should.

use annulus_ring::{
    Mask, Ring, What, Why,
    abi::{Errno, Opcode, RegisterOp, SetupFlags},
};

use crate::support::{Script, Scripted, exercise, nop, push};

fn why(ring: &Ring, what: What) -> Option<Why> {
    let mut missing = ring.capabilities().missing();
    missing.find(|missing| missing.what == what).map(|missing| missing.why)
}

#[test]
fn every_rung_works() {
    let delayed = SetupFlags::DEFER_TASKRUN | SetupFlags::COOP_TASKRUN;
    let masks = [
        SetupFlags::EMPTY,
        SetupFlags::NO_SQARRAY,
        SetupFlags::DEFER_TASKRUN,
        SetupFlags::DEFER_TASKRUN | SetupFlags::NO_SQARRAY,
        delayed | SetupFlags::NO_SQARRAY,
        SetupFlags::R_DISABLED,
        SetupFlags::TASKRUN_FLAG,
        SetupFlags(u32::MAX),
    ];
    for masked in masks {
        let mask = Mask::none().setup(masked);
        let mut ring = Ring::builder().entries(8).mask(mask).build().unwrap();
        assert!(!ring.capabilities().setup().intersects(masked), "{masked:?}");
        for (_, flag) in SetupFlags::NAMES {
            if masked.contains(*flag) {
                let why = why(&ring, What::Setup(*flag));
                assert!(matches!(why, None | Some(Why::Masked)), "{flag:?} {why:?}");
            }
        }
        exercise(&mut ring);
    }
}

#[test]
fn a_flag_that_the_kernel_does_not_know_costs_one_rung() {
    let script = Script {
        refuse_setup: Some(|_, params| {
            let unknown = SetupFlags::NO_SQARRAY | SetupFlags::DEFER_TASKRUN;
            params.flags.intersects(unknown).then_some(Errno(libc::EINVAL))
        }),
        ..Script::default()
    };
    let (kernel, script) = Scripted::boxed(script);
    let mut ring = Ring::builder().kernel(kernel).build().unwrap();
    assert_eq!(script.borrow().setups.len(), 3);
    assert!(ring.capabilities().setup().contains(SetupFlags::COOP_TASKRUN));
    for flag in [SetupFlags::NO_SQARRAY, SetupFlags::DEFER_TASKRUN] {
        assert_eq!(why(&ring, What::Setup(flag)), Some(Why::TooOld));
    }
    exercise(&mut ring);
}

#[test]
fn want_of_memory_halves_the_ring_and_says_so() {
    let script = Script {
        refuse_setup: Some(|entries, _| (entries > 64).then_some(Errno(libc::ENOMEM))),
        ..Script::default()
    };
    let (kernel, script) = Scripted::boxed(script);
    let builder = Ring::builder().entries(200).cq_entries(2048);
    let mut ring = builder.kernel(kernel).build().unwrap();
    let asked: Vec<_> = script.borrow().setups.iter().map(|setup| setup.0).collect();
    assert_eq!(asked, [200, 128, 64]);
    assert_eq!((ring.params().sq_entries, ring.params().cq_entries), (64, 512));
    assert!(ring.capabilities().shrunk());
    assert_eq!(ring.capabilities().entries_asked(), 200);
    exercise(&mut ring);
}

#[test]
fn want_of_memory_ends_at_the_floor() {
    let script =
        Script { refuse_setup: Some(|_, _| Some(Errno(libc::ENOMEM))), ..Script::default() };
    let (kernel, script) = Scripted::boxed(script);
    let result = Ring::builder().entries(256).kernel(kernel).build();
    assert!(result.is_err());
    let asked: Vec<_> = script.borrow().setups.iter().map(|setup| setup.0).collect();
    assert_eq!(asked, [256, 128, 64, 32]);
}

#[test]
fn a_refusal_does_not_descend() {
    for errno in [libc::EPERM, libc::ENOSYS, libc::EACCES, libc::EMFILE] {
        let script = Script {
            refuse_setup: Some(match errno {
                libc::EPERM => |_, _| Some(Errno(libc::EPERM)),
                libc::ENOSYS => |_, _| Some(Errno(libc::ENOSYS)),
                libc::EACCES => |_, _| Some(Errno(libc::EACCES)),
                _ => |_, _| Some(Errno(libc::EMFILE)),
            }),
            ..Script::default()
        };
        let (kernel, script) = Scripted::boxed(script);
        assert!(Ring::builder().kernel(kernel).build().is_err());
        assert_eq!(script.borrow().setups.len(), 1);
    }
}

#[test]
fn a_filter_that_only_lets_setup_pass_is_found_while_opening() {
    let denied = Errno(libc::EPERM);
    for op in [RegisterOp::PROBE, RegisterOp::ENABLE_RINGS] {
        let script = Script { refuse_register: Some((op, denied)), ..Script::default() };
        let (kernel, _script) = Scripted::boxed(script);
        assert!(Ring::builder().kernel(kernel).build().is_err(), "{op:?}");
    }
    let script = Script { enter_errors: [denied].into(), ..Script::default() };
    let (kernel, _script) = Scripted::boxed(script);
    assert!(Ring::builder().kernel(kernel).build().is_err());
}

#[test]
fn opening_survives_interruptions() {
    let busy = [libc::EINTR, libc::EAGAIN, libc::EBUSY, libc::EINTR].map(Errno);
    let script = Script { enter_errors: busy.into(), ..Script::default() };
    let (kernel, script) = Scripted::boxed(script);
    let mut ring = Ring::builder().entries(8).kernel(kernel).build().unwrap();
    assert_eq!(script.borrow().enters, 5);
    exercise(&mut ring);
}

#[test]
fn a_disabled_ring_takes_nothing_until_it_is_enabled() {
    let mut ring = Ring::builder().disabled(true).build().unwrap();
    assert!(!ring.is_enabled() && !ring.capabilities().registered_ring());
    if ring.capabilities().setup().contains(SetupFlags::R_DISABLED) {
        push(&mut ring, &nop(1)).unwrap();
        assert_eq!(ring.submit(), Err(Errno(libc::EBADFD)));
        assert_eq!(ring.sq_pending(), 1);
    }
}

#[test]
fn a_ring_that_was_built_disabled_works_once_enabled() {
    let mut ring = Ring::builder().entries(8).disabled(true).build().unwrap();
    ring.register_files_sparse(4).unwrap();
    ring.enable().unwrap();
    ring.enable().unwrap();
    assert!(ring.is_enabled());
    exercise(&mut ring);
}

#[test]
fn a_masked_operation_is_unsupported_and_others_are_not() {
    let mask = Mask::none().op(Opcode::RECV);
    let ring = Ring::builder().mask(mask).build().unwrap();
    assert_eq!(ring.capabilities().require(Opcode::NOP), Ok(()));
    let error = ring.capabilities().require(Opcode::RECV).unwrap_err();
    assert_eq!((error.op, error.why), (Opcode::RECV, Why::Masked));
}

#[test]
fn sizes_beyond_the_kernels_limit_are_clamped_or_refused() {
    let tiny = Ring::builder().entries(1).build().unwrap();
    assert_eq!((tiny.params().sq_entries, tiny.params().cq_entries), (1, 8));
    let result = Ring::builder().entries(u32::MAX).clamp(false).build();
    assert!(result.is_err());
}

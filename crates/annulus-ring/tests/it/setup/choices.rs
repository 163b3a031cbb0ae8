//! Choices that are granted as they were made, or refused by name.

use annulus_ring::{
    Cause, Conflict, Ring, TaskWork,
    abi::{Cqe32, Params, SetupFlags, Sqe},
};

use super::{goes_round, refusal, small};
use crate::support::{Script, Scripted};

fn params(flags: SetupFlags) -> Params {
    Params { flags, ..Params::default() }
}

/// What a ring with exactly these flags is refused for.
fn conflict(flags: SetupFlags) -> Conflict {
    let (kernel, script) = Scripted::boxed(Script::default());
    let builder = small().kernel(kernel).with_params(&params(flags));
    let refusal = refusal(builder.build());
    assert!(script.borrow().setups.is_empty(), "the kernel is not asked");
    match refusal.cause() {
        Cause::Conflict(conflict) => conflict,
        other => panic!("{other:?}"),
    }
}

#[test]
fn raw_parameters_are_asked_for_exactly_and_once() {
    let flags = SetupFlags::COOP_TASKRUN | SetupFlags::CQSIZE;
    let (kernel, script) = Scripted::boxed(Script::default());
    let asked = Params { cq_entries: 128, ..params(flags) };
    let mut ring = small().kernel(kernel).with_params(&asked).build().unwrap();
    let setups = script.borrow().setups.clone();
    assert_eq!(setups.len(), 1);
    assert_eq!((setups[0].0, setups[0].1.flags, setups[0].1.cq_entries), (8, flags, 128));
    assert_eq!((ring.params().flags, ring.params().cq_entries), (flags, 128));
    goes_round(&mut ring);
}

#[test]
fn raw_parameters_that_the_kernel_refuses_fall_back_to_nothing() {
    let refuse = |_, _: &Params| Some(annulus_ring::abi::Errno(libc::EINVAL));
    let (kernel, script) =
        Scripted::boxed(Script { refuse_setup: Some(refuse), ..Script::default() });
    let flags = SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN;
    let refusal = refusal(small().kernel(kernel).with_params(&params(flags)).build());
    assert_eq!((script.borrow().setups.len(), refusal.cause()), (1, Cause::TooOld));
    let text = refusal.to_string();
    assert!(text.contains("DEFER_TASKRUN") && text.contains("6.1"), "{text}");
}

#[test]
fn raw_parameters_cannot_change_the_sizes_of_entries_behind_the_type() {
    for flag in [SetupFlags::SQE128, SetupFlags::CQE32, SetupFlags::CQE_MIXED] {
        assert_eq!(conflict(flag), Conflict::NotTheShape(flag));
    }
    let builder = small().with_params(&params(SetupFlags::EMPTY));
    let refusal = refusal(builder.build_as::<Sqe, Cqe32>());
    let missing = Conflict::NotTheShape(SetupFlags::CQE32);
    assert_eq!(refusal.cause(), Cause::Conflict(missing));
    assert!(refusal.to_string().contains("build_as"), "{refusal}");
}

#[test]
fn raw_parameters_with_the_flag_of_the_type_are_good() {
    let builder = small().with_params(&params(SetupFlags::CQE32));
    goes_round(&mut builder.build_as::<Sqe, Cqe32>().unwrap());
}

#[test]
fn what_the_queues_here_do_not_offer_is_refused_by_name() {
    let rewind = SetupFlags::SQ_REWIND | SetupFlags::NO_SQARRAY;
    assert_eq!(conflict(rewind), Conflict::NotOffered(SetupFlags::SQ_REWIND));
    assert_eq!(conflict(SetupFlags::NO_MMAP), Conflict::NoMemory);
}

#[test]
fn each_pair_that_excludes_one_another_is_named_before_the_kernel_is_asked() {
    let pairs = [
        (SetupFlags::SQPOLL, SetupFlags::COOP_TASKRUN),
        (SetupFlags::SQPOLL, SetupFlags::TASKRUN_FLAG | SetupFlags::COOP_TASKRUN),
        (SetupFlags::SQPOLL, SetupFlags::DEFER_TASKRUN | SetupFlags::SINGLE_ISSUER),
    ];
    for (one, other) in pairs {
        let Conflict::Excludes(first, second) = conflict(one | other) else {
            panic!("{one:?} {other:?}");
        };
        assert!(first == one && other.contains(second), "{first:?} {second:?}");
    }
}

#[test]
fn a_flag_that_needs_another_names_it_before_the_kernel_is_asked() {
    let delayed = SetupFlags::COOP_TASKRUN | SetupFlags::DEFER_TASKRUN;
    for (flag, needed) in [
        (SetupFlags::DEFER_TASKRUN, SetupFlags::SINGLE_ISSUER),
        (SetupFlags::TASKRUN_FLAG, delayed),
        (SetupFlags::HYBRID_IOPOLL, SetupFlags::IOPOLL),
        (SetupFlags::REGISTERED_FD_ONLY, SetupFlags::NO_MMAP),
        (SetupFlags::SQ_REWIND, SetupFlags::NO_SQARRAY),
    ] {
        assert_eq!(conflict(flag), Conflict::Needs(flag, needed));
    }
}

#[test]
fn deferring_without_a_single_issuer_is_refused_if_both_were_asked_for() {
    let refusal = refusal(small().single_issuer(false).task_work(TaskWork::Defer).build());
    let needs = Conflict::Needs(SetupFlags::DEFER_TASKRUN, SetupFlags::SINGLE_ISSUER);
    assert_eq!(refusal.cause(), Cause::Conflict(needs));
}

#[test]
fn without_a_single_issuer_the_default_is_to_cooperate() {
    let ring = small().single_issuer(false).build().unwrap();
    assert!(ring.capabilities().setup().contains(SetupFlags::COOP_TASKRUN));
    let back = small().single_issuer(false).single_issuer(true).build().unwrap();
    assert!(back.capabilities().setup().contains(SetupFlags::DEFER_TASKRUN));
}

#[test]
fn what_was_turned_off_is_off_on_every_rung() {
    let refuse = |_, params: &Params| {
        let deferring = params.flags.contains(SetupFlags::DEFER_TASKRUN);
        deferring.then_some(annulus_ring::abi::Errno(libc::EINVAL))
    };
    let (kernel, script) =
        Scripted::boxed(Script { refuse_setup: Some(refuse), ..Script::default() });
    let builder = small().kernel(kernel).submit_all(false).no_sqarray(false);
    builder.build().unwrap();
    let off = SetupFlags::SUBMIT_ALL | SetupFlags::NO_SQARRAY;
    let setups = script.borrow();
    assert!(setups.setups.len() > 1);
    assert!(setups.setups.iter().all(|(_, asked)| !asked.flags.intersects(off)));
}

#[test]
fn what_was_asked_for_is_on_every_rung_and_named_when_the_kernel_lacks_it() {
    let refuse = |_, params: &Params| {
        let polling = params.flags.contains(SetupFlags::HYBRID_IOPOLL);
        polling.then_some(annulus_ring::abi::Errno(libc::EINVAL))
    };
    let (kernel, script) =
        Scripted::boxed(Script { refuse_setup: Some(refuse), ..Script::default() });
    let refusal = refusal(small().kernel(kernel).hybrid_iopoll().build());
    assert!(script.borrow().setups.len() > 2, "the ladder was descended");
    assert_eq!(refusal.cause(), Cause::TooOld);
    let text = refusal.to_string();
    assert!(text.contains("HYBRID_IOPOLL") && text.contains("6.13"), "{text}");
}

#[test]
fn a_ring_from_raw_parameters_can_be_made_in_one_call() {
    let params = params(SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN);
    let mut ring = Ring::with_params(8, &params).unwrap();
    assert!(ring.capabilities().defers_task_work());
    goes_round(&mut ring);
}

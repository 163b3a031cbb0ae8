//! The rungs, spelled out.

use super::*;

const WISH: Wish = Wish {
    task_work: TaskWork::Defer,
    sqpoll: false,
    sqpoll_cpu: false,
    clamp: true,
    masked: SetupFlags::EMPTY,
    demanded: SetupFlags::EMPTY,
};

const PLAIN: SetupFlags = SetupFlags::CLAMP.union(SetupFlags::CQSIZE);
const MODERN: SetupFlags = PLAIN.union(SetupFlags::SUBMIT_ALL).union(SetupFlags::R_DISABLED);
const COOP: SetupFlags = MODERN.union(SetupFlags::COOP_TASKRUN).union(SetupFlags::TASKRUN_FLAG);
const DEFER: SetupFlags = MODERN
    .union(SetupFlags::SINGLE_ISSUER)
    .union(SetupFlags::DEFER_TASKRUN)
    .union(SetupFlags::TASKRUN_FLAG);

fn masked(masked: SetupFlags) -> Vec<SetupFlags> {
    Wish { masked, ..WISH }.rungs()
}

#[test]
fn the_default_ladder_has_four_rungs() {
    let rungs = WISH.rungs();
    assert_eq!(rungs, [DEFER | SetupFlags::NO_SQARRAY, DEFER, COOP, PLAIN]);
}

#[test]
fn a_mask_removes_what_depends_on_it() {
    let no_array = SetupFlags::NO_SQARRAY;
    assert_eq!(masked(no_array), [DEFER, COOP, PLAIN]);
    let without_defer = [COOP | no_array, COOP, PLAIN];
    assert_eq!(masked(SetupFlags::DEFER_TASKRUN), without_defer);
    assert_eq!(masked(SetupFlags::SINGLE_ISSUER), without_defer);
    let neither = SetupFlags::DEFER_TASKRUN | SetupFlags::COOP_TASKRUN;
    assert_eq!(masked(neither), [PLAIN | no_array, PLAIN]);
    assert_eq!(masked(SetupFlags(u32::MAX)), [SetupFlags::EMPTY]);
}

#[test]
fn a_mask_of_one_flag_keeps_the_rest_of_a_rung() {
    let flag = SetupFlags::R_DISABLED;
    for rung in masked(flag) {
        assert!(!rung.intersects(flag));
    }
    assert!(masked(flag)[0].contains(SetupFlags::DEFER_TASKRUN));
}

#[test]
fn a_submission_thread_excludes_delayed_task_work() {
    let wish = Wish { sqpoll: true, sqpoll_cpu: true, ..WISH };
    let rungs = wish.rungs();
    assert_eq!(rungs.len(), 4);
    for rung in rungs {
        assert!(rung.contains(SetupFlags::SQPOLL | SetupFlags::SQ_AFF));
        assert!(!rung.intersects(
            SetupFlags::DEFER_TASKRUN | SetupFlags::COOP_TASKRUN | SetupFlags::TASKRUN_FLAG
        ));
    }
}

#[test]
fn every_choice_ends_on_the_plain_rung() {
    for task_work in [TaskWork::Defer, TaskWork::Coop, TaskWork::Interrupt] {
        let rungs = Wish { task_work, ..WISH }.rungs();
        assert_eq!(rungs.last(), Some(&PLAIN), "{task_work:?}");
        assert!(rungs[0].contains(SetupFlags::NO_SQARRAY), "{task_work:?}");
    }
}

#[test]
fn what_is_demanded_is_on_every_rung() {
    let demanded = SetupFlags::IOPOLL | SetupFlags::CQE32;
    let rungs = Wish { demanded, ..WISH }.rungs();
    assert_eq!(rungs.len(), WISH.rungs().len());
    assert!(rungs.iter().all(|rung| rung.contains(demanded)));
    let nothing_else = Wish { demanded, masked: SetupFlags(u32::MAX), ..WISH };
    assert_eq!(nothing_else.rungs(), [demanded]);
}

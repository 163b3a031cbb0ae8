//! Claims and epochs. Other tests of this process claim slots at the same time.

use super::*;
use crate::fork::tests::in_child;

#[test]
fn no_two_claims_have_the_same_name_even_in_the_same_slot() {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let core = claim().unwrap();
        assert_eq!(core.epoch() & 1, 1);
        assert!(seen.insert(core));
        slot(core.slot()).door.posts.close();
        release(core);
    }
}

#[test]
fn a_post_to_a_core_that_never_lived_is_refused() {
    let core = CoreId::from_bits(u64::MAX).unwrap();
    assert_eq!(post(core, || ()), Err(Closed));
}

#[test]
fn a_name_of_a_core_that_never_lived_is_of_a_core_that_has_ended_also_in_a_slot_nobody_had() {
    // Alone, so that nobody claims what was free.
    in_child(|| {
        let unclaimed = (0..COUNT as u32).rev().find(|number| slot(*number).epoch() == 0);
        let never = CoreId::from_bits(u64::from(unclaimed.expect("there are many"))).unwrap();
        assert_eq!(post(never, || ()), Err(Closed));
        let closed = crate::spawn_on(never, || async {}).err();
        assert_eq!(closed, Some(Closed));

        let core = claim().unwrap();
        let door = &slot(core.slot()).door;
        door.posts.close();
        release(core);
        let between = CoreId::from_bits(core.to_bits() + (1 << crate::id::SLOT_BITS)).unwrap();
        assert!(!inbox_waits(between) && post(between, || ()) == Err(Closed));
        // What is sent under the last breath of a core waits there for the next one.
        assert!(door.inbox.send(5, slot(core.slot()).pages.grow(5).remote()));
        assert!(!inbox_waits(between), "there is no such core");
    });
}

#[test]
fn a_child_claims_slots_while_a_thread_of_its_parent_claimed_one_and_none_of_its_parent() {
    let ours: Vec<CoreId> = (0..3).map(|_| claim().unwrap()).collect();
    let released = claim().unwrap();
    slot(released.slot()).door.posts.close();
    release(released);
    let held = free();
    // Unless another test has claimed it since.
    let is_left = slot(released.slot()).epoch() & 1 == 0;
    in_child(|| {
        let theirs: Vec<CoreId> = std::iter::from_fn(|| claim().ok()).collect();
        let mut slots: Vec<u32> = theirs.iter().map(|core| core.slot()).collect();
        for core in &ours {
            assert!(!slots.contains(&core.slot()), "a slot has two cores");
        }
        assert_eq!(theirs[0].epoch(), 1, "the first are those that nobody ever had");
        assert_eq!(slots.contains(&released.slot()), is_left, "what nobody has can be had");
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), theirs.len(), "a slot was claimed twice");
        // Those that were claimed last are the next.
        for core in theirs.iter().rev() {
            slot(core.slot()).door.posts.close();
            release(*core);
        }
        assert_eq!(claim().unwrap().slot(), theirs[0].slot());
    });
    drop(held);
    for core in ours {
        slot(core.slot()).door.posts.close();
        release(core);
    }
}

#[test]
fn a_wake_that_a_thread_of_the_parent_was_sending_keeps_no_task_of_a_child_from_being_woken() {
    in_child(|| {
        let core = claim().unwrap();
        let pages = &slot(core.slot()).pages;
        let [begun, sent] = [5, 6].map(|index| (index, pages.grow(index).remote()));
        // One has been marked and is not in the list yet, the other is.
        assert!(Inbox::new().send(begun.0, begun.1));
        let inbox = &slot(core.slot()).door.inbox;
        assert!(inbox.send(sent.0, sent.1));
        slot(core.slot()).door.posts.close();
        release(core);
        in_child(|| {
            while claim().expect("there is the one that was left").slot() != core.slot() {}
            assert!(inbox.is_empty(), "it is for tasks that have ended");
            for (index, remote) in [begun, sent] {
                assert!(inbox.send(index, remote), "it seems to be on its way already");
            }
        });
    });
}

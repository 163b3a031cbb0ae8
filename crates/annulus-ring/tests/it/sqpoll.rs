//! A submission thread.

use core::time::Duration;

use annulus_ring::{Ring, SqFull, abi::SetupFlags};

use crate::support::{complete, next, nop, push};

fn ring(entries: u32) -> Ring {
    let ring = Ring::builder().entries(entries).sqpoll(Duration::from_millis(1)).build().unwrap();
    assert!(ring.capabilities().setup().contains(SetupFlags::SQPOLL));
    ring
}

// IORING_SQ_NEED_WAKEUP says that the thread sleeps.
#[test]
fn requests_complete_whether_the_thread_is_awake_or_asleep() {
    let mut ring = ring(4);
    for user_data in 0..200 {
        assert_eq!(complete(&mut ring, &nop(user_data)).user_data, user_data);
    }
    for user_data in 0..3 {
        while !ring.sq_thread_sleeps() {
            std::thread::yield_now();
        }
        push(&mut ring, &nop(user_data)).unwrap();
        assert_eq!(ring.submit(), Ok(1));
        assert_eq!(next(&mut ring).user_data, user_data);
    }
}

#[test]
fn the_thread_makes_room_in_a_full_queue() {
    let mut ring = ring(2);
    let mut pushed = 0;
    let mut reaped = 0;
    while pushed < 1000 {
        match push(&mut ring, &nop(pushed)) {
            Ok(()) => pushed += 1,
            Err(SqFull) => {
                ring.submit().unwrap();
                ring.wait_for_sq_space().unwrap();
                assert!(ring.sq_space_left() > 0);
            }
        }
        for cqe in ring.completions() {
            assert_eq!(cqe.user_data, reaped);
            reaped += 1;
        }
    }
    while reaped < pushed {
        assert_eq!(next(&mut ring).user_data, reaped);
        reaped += 1;
    }
}

#[test]
fn the_thread_can_be_bound_to_a_cpu() {
    let mut ring = Ring::builder().entries(4).sqpoll_cpu(0).build().unwrap();
    assert!(ring.params().flags.contains(SetupFlags::SQ_AFF));
    assert_eq!(complete(&mut ring, &nop(1)).user_data, 1);
}

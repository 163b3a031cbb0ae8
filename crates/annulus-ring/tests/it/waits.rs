//! Waiting: with and without a limit, with each kind of task work, with and without `EXT_ARG`.
//! Mirrors submit-and-wait, wait-timeout, timeout and defer-taskrun of liburing.

use annulus_ring::{
    Mask, Ring, TaskWork,
    abi::{Features, Opcode, Sqe, Timespec},
};

use crate::support::{next, nop, push};

const HOUR_NS: u64 = 3_600_000_000_000;
const MS_NS: u64 = 1_000_000;

/// A ring of each kind of task work, each with and without timed waits of the kernel's own.
fn every_ring() -> Vec<Ring> {
    let kinds = [TaskWork::Defer, TaskWork::Coop, TaskWork::Interrupt];
    let masks = [Mask::none(), Mask::none().features(Features::EXT_ARG)];
    let all = kinds.into_iter().flat_map(|kind| masks.map(|mask| (kind, mask)));
    all.map(|(kind, mask)| {
        let builder = Ring::builder().entries(8).task_work(kind).mask(mask);
        builder.build().unwrap()
    })
    .collect()
}

/// A timeout operation; its time is read when the entry is consumed.
fn timeout(time: &Timespec) -> Sqe {
    Sqe {
        opcode: Opcode::TIMEOUT,
        addr: std::ptr::from_ref(time) as u64,
        len: 1,
        user_data: 77,
        ..Sqe::default()
    }
}

#[test]
fn a_wait_whose_time_is_over_is_no_error() {
    for mut ring in every_ring() {
        assert_eq!(ring.submit_and_wait(1, Some(MS_NS)), Ok(0), "{ring:?}");
        assert_eq!(ring.cq_ready(), 0);
        push(&mut ring, &nop(5)).unwrap();
        assert_eq!(ring.submit_and_wait(2, Some(MS_NS)), Ok(1), "{ring:?}");
        assert_eq!(ring.cq_ready(), 1);
        assert_eq!(ring.submit_and_wait(1, Some(0)), Ok(0));
        assert_eq!(next(&mut ring).user_data, 5);
    }
}

#[test]
fn a_wait_ends_when_enough_is_ready() {
    for mut ring in every_ring() {
        for user_data in 0..3 {
            push(&mut ring, &nop(user_data)).unwrap();
        }
        assert_eq!(ring.submit_and_wait(3, Some(HOUR_NS)), Ok(3), "{ring:?}");
        assert_eq!(ring.cq_ready(), 3);
    }
}

#[test]
fn a_wait_ends_with_a_completion_that_comes_later() {
    let time = Timespec { sec: 0, nsec: MS_NS as i64 };
    for mut ring in every_ring() {
        push(&mut ring, &timeout(&time)).unwrap();
        assert_eq!(ring.submit_and_wait(1, Some(HOUR_NS)), Ok(1), "{ring:?}");
        let cqe = next(&mut ring);
        assert_eq!((cqe.user_data, cqe.res), (77, -libc::ETIME));
    }
}

#[test]
fn a_submit_runs_task_work_that_waits() {
    let time = Timespec { sec: 0, nsec: MS_NS as i64 };
    for mut ring in every_ring() {
        push(&mut ring, &timeout(&time)).unwrap();
        assert_eq!(ring.submit(), Ok(1));
        while ring.cq_ready() == 0 {
            assert_eq!(ring.submit(), Ok(0));
        }
        assert_eq!(next(&mut ring).res, -libc::ETIME);
        assert!(!ring.task_work_pending());
    }
}

// IORING_ENTER_NO_IOWAIT, with each wait.
#[test]
fn a_wait_can_stay_out_of_the_io_wait_statistics() {
    let mut ring = Ring::builder().no_iowait(true).build().unwrap();
    push(&mut ring, &nop(1)).unwrap();
    assert_eq!(ring.submit_and_wait(1, Some(HOUR_NS)), Ok(1));
    assert_eq!(ring.submit_and_wait(2, Some(MS_NS)), Ok(0));
    assert_eq!(next(&mut ring).user_data, 1);
}

//! When requests complete. Mirrors defer-taskrun and defer-tw-timeout of liburing.

use std::{
    fs::File,
    io::Write as _,
    os::fd::{AsRawFd, OwnedFd},
};

use annulus_ring::{
    Ring, TaskWork,
    abi::{PollFlags, SetupFlags},
    op::PollAdd,
};

use super::{PATIENCE_NS, nop, pipe, small, works};

/// A ring, and a pipe on which it waits for something to read, several times if asked to.
struct Waiting {
    ring: Ring,
    _reader: OwnedFd,
    writer: File,
}

impl Waiting {
    fn new(task_work: TaskWork) -> Self {
        Self::times(1, task_work)
    }

    fn times(times: u64, task_work: TaskWork) -> Self {
        let mut ring = small().cq_entries(64).task_work(task_work).build().unwrap();
        let [reader, writer] = pipe();
        let target = annulus_ring::Target::Fd(reader.as_raw_fd());
        let events = libc::POLLIN as u32;
        let poll = PollAdd { target, events, flags: PollFlags::EMPTY };
        for user_data in 1..=times {
            // SAFETY: a poll borrows no memory.
            unsafe { ring.push(&poll, user_data) }.unwrap();
            assert_eq!(ring.submit(), Ok(1));
        }
        assert_eq!(ring.cq_ready(), 0);
        Self { ring, _reader: reader, writer: writer.into() }
    }

    fn write(&mut self) {
        self.writer.write_all(b"x").unwrap();
    }
}

#[test]
fn nothing_completes_on_a_deferring_ring_before_it_is_asked_for() {
    let mut waiting = Waiting::new(TaskWork::Defer);
    assert!(waiting.ring.capabilities().defers_task_work());
    waiting.write();
    for _ in 0..100 {
        // Any other call of the kernel.
        std::thread::yield_now();
        assert_eq!(waiting.ring.cq_ready(), 0);
    }
    waiting.ring.flush().unwrap();
    assert_eq!(waiting.ring.cq_ready(), 1);
}

#[test]
fn a_deferring_ring_says_that_task_work_waits() {
    let mut waiting = Waiting::new(TaskWork::Defer);
    assert!(!waiting.ring.task_work_pending() && !waiting.ring.wants_enter());
    waiting.write();
    assert!(waiting.ring.task_work_pending() && waiting.ring.wants_enter());
    assert_eq!(waiting.ring.submit(), Ok(0));
    assert!(!waiting.ring.task_work_pending());
    assert_eq!(waiting.ring.completions().next().unwrap().user_data, 1);
}

#[test]
fn a_cooperating_ring_completes_at_the_next_call_of_the_kernel() {
    let mut waiting = Waiting::new(TaskWork::Coop);
    let setup = waiting.ring.capabilities().setup();
    assert!(setup.contains(SetupFlags::COOP_TASKRUN) && !setup.contains(SetupFlags::DEFER_TASKRUN));
    waiting.write();
    std::thread::yield_now();
    assert_eq!(waiting.ring.cq_ready(), 1);
}

#[test]
fn an_interrupting_ring_completes_without_any_call() {
    let mut waiting = Waiting::new(TaskWork::Interrupt);
    let delayed = SetupFlags::COOP_TASKRUN | SetupFlags::DEFER_TASKRUN;
    assert!(!waiting.ring.capabilities().setup().intersects(delayed));
    waiting.write();
    while waiting.ring.cq_ready() == 0 {
        core::hint::spin_loop();
    }
    assert_eq!(waiting.ring.peek().unwrap().user_data, 1);
}

#[test]
fn a_wait_for_more_than_comes_gives_what_is_there_when_its_time_is_over() {
    for task_work in [TaskWork::Defer, TaskWork::Coop, TaskWork::Interrupt] {
        let mut waiting = Waiting::new(task_work);
        waiting.write();
        assert_eq!(waiting.ring.submit_and_wait(2, Some(1_000_000)), Ok(0), "{task_work:?}");
        assert_eq!(waiting.ring.cq_ready(), 1, "{task_work:?}");
    }
}

#[test]
fn a_wait_runs_task_work_that_came_while_it_slept() {
    let mut waiting = Waiting::new(TaskWork::Defer);
    let mut writer = waiting.writer.try_clone().unwrap();
    let thread = std::thread::spawn(move || writer.write_all(b"x").unwrap());
    assert_eq!(waiting.ring.submit_and_wait(1, Some(PATIENCE_NS)), Ok(0));
    assert_eq!(waiting.ring.completions().next().unwrap().user_data, 1);
    thread.join().unwrap();
}

#[test]
fn task_work_runs_although_there_is_something_to_submit() {
    let mut waiting = Waiting::new(TaskWork::Defer);
    waiting.write();
    nop(&mut waiting.ring, 2).unwrap();
    assert_eq!(waiting.ring.submit(), Ok(1));
    let mut seen: Vec<_> = waiting.ring.completions().map(|cqe| cqe.user_data).collect();
    seen.sort_unstable();
    assert_eq!(seen, [1, 2]);
    works(&mut waiting.ring);
}

#[test]
fn a_pass_over_task_work_has_a_bound_and_the_flag_tells_of_what_is_left() {
    let mut waiting = Waiting::times(50, TaskWork::Defer);
    waiting.write();
    let mut ready = Vec::new();
    while waiting.ring.task_work_pending() {
        assert_eq!(waiting.ring.submit(), Ok(0));
        ready.push(waiting.ring.cq_ready());
    }
    assert!(ready == [50] || ready == [20, 40, 50], "before and since 6.13: {ready:?}");
}

#[test]
fn a_wait_that_slept_may_leave_task_work_to_the_next_call() {
    for _ in 0..20 {
        let mut waiting = Waiting::times(50, TaskWork::Defer);
        let mut writer = waiting.writer.try_clone().unwrap();
        let thread = std::thread::spawn(move || writer.write_all(b"x").unwrap());
        assert_eq!(waiting.ring.submit_and_wait(1, Some(PATIENCE_NS)), Ok(0));
        assert!(waiting.ring.cq_ready() >= 1);
        thread.join().unwrap();
        // The write is over, so all polls have ended: whatever is not here is there, and is told
        // of.
        while waiting.ring.cq_ready() < 50 {
            assert!(waiting.ring.task_work_pending());
            assert_eq!(waiting.ring.submit(), Ok(0));
        }
        assert!(!waiting.ring.task_work_pending());
    }
}

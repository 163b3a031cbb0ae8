//! Queues of another size. Mirrors resize-rings and resize-mmap-fail of liburing.

use std::{fs::File, io::Write as _, os::fd::AsRawFd};

use annulus_ring::{
    CqeShape, Pages, ResizeError, Ring, SqFull, SqeShape, Target, TaskWork,
    abi::{Cqe32, Errno, PollFlags, RegisterOp, Sqe, Sqe128},
    op::PollAdd,
};

use super::{goes_round, next, nop, pipe, small, works};
use crate::support::{Script, Scripted, skip};

/// Whether this kernel can resize rings (6.13); says so if not.
fn can_resize() -> bool {
    match small().build().unwrap().resize(16, 16) {
        Err(ResizeError::Invalid) => {
            skip("this kernel cannot resize rings");
            false
        }
        other => {
            other.unwrap();
            true
        }
    }
}

fn sizes<S: SqeShape, C: CqeShape>(ring: &Ring<S, C>) -> (u32, u32) {
    (ring.params().sq_entries, ring.params().cq_entries)
}

#[test]
fn a_ring_grows_and_shrinks_and_works_at_every_size() {
    if !can_resize() {
        return;
    }
    let mut ring = small().build().unwrap();
    for (asked, granted) in [((16, 64), (16, 64)), ((3, 5), (4, 8)), ((1024, 4096), (1024, 4096))] {
        ring.resize(asked.0, asked.1).unwrap();
        assert_eq!(sizes(&ring), granted);
        assert_eq!(ring.sq_space_left(), granted.0);
        goes_round(&mut ring);
    }
}

#[test]
fn a_size_beyond_the_limits_is_clamped() {
    if !can_resize() {
        return;
    }
    let mut ring = small().build().unwrap();
    ring.resize(1 << 20, 1 << 24).unwrap();
    assert_eq!(sizes(&ring), (32768, 65536));
    works(&mut ring);
}

#[test]
fn entries_that_were_pushed_survive_in_their_order() {
    if !can_resize() {
        return;
    }
    for entries in [4, 8, 64] {
        let mut ring = small().build().unwrap();
        // So that they lie across the end of the queue.
        (0..6).for_each(|_| works(&mut ring));
        (0..4).for_each(|user_data| nop(&mut ring, user_data).unwrap());
        ring.resize(entries, 64).unwrap();
        assert_eq!((ring.sq_pending(), ring.sq_space_left()), (4, entries - 4));
        assert_eq!(ring.submit_and_wait(4, None), Ok(4));
        assert!(ring.completions().map(|cqe| cqe.user_data).eq(0..4), "to {entries}");
        goes_round(&mut ring);
    }
}

#[test]
fn wide_entries_that_were_pushed_survive_to_their_last_byte() {
    if !can_resize() {
        return;
    }
    let mut ring: Ring<Sqe128> = small().build_as().unwrap();
    (0..6).for_each(|_| works(&mut ring));
    (0..4).for_each(|user_data| nop(&mut ring, user_data).unwrap());
    ring.resize(64, 64).unwrap();
    assert_eq!(ring.submit_and_wait(4, None), Ok(4));
    let seen: Vec<_> = ring.completions().map(|cqe| (cqe.user_data, cqe.res)).collect();
    assert_eq!(seen, [(0, 0), (1, 0), (2, 0), (3, 0)]);
    goes_round(&mut ring);
}

#[test]
fn completions_that_were_not_reaped_survive_in_their_order() {
    if !can_resize() {
        return;
    }
    for cq_entries in [8, 16, 256] {
        let mut ring = small().cq_entries(16).build().unwrap();
        (0..13).for_each(|_| works(&mut ring));
        (0..6).for_each(|user_data| nop(&mut ring, user_data).unwrap());
        assert_eq!(ring.submit(), Ok(6));
        assert_eq!(ring.completions().next().unwrap().user_data, 0);
        ring.resize(8, cq_entries).unwrap();
        assert_eq!(ring.cq_ready(), 5);
        assert!(ring.completions().map(|cqe| cqe.user_data).eq(1..6), "to {cq_entries}");
        goes_round(&mut ring);
    }
}

#[test]
fn a_look_before_a_resize_ends_with_it_and_loses_nothing() {
    if !can_resize() {
        return;
    }
    let mut ring = small().build().unwrap();
    (0..3).for_each(|user_data| nop(&mut ring, user_data).unwrap());
    assert_eq!(ring.submit(), Ok(3));
    assert_eq!(ring.look(), 3);
    assert_eq!(ring.next_seen().unwrap().user_data, 0);
    ring.resize(64, 64).unwrap();
    assert_eq!(ring.next_seen(), None, "nobody has looked at the new queue");
    assert_eq!(ring.look(), 2);
    assert_eq!(ring.next_seen().unwrap().user_data, 1);
}

#[test]
fn a_request_in_flight_completes_into_the_new_queue() {
    if !can_resize() {
        return;
    }
    let [reader, writer] = pipe();
    let mut ring = small().build().unwrap();
    let target = Target::Fd(reader.as_raw_fd());
    let poll = PollAdd { target, events: libc::POLLIN as u32, flags: PollFlags::EMPTY };
    // SAFETY: a poll borrows no memory.
    unsafe { ring.push(&poll, 7) }.unwrap();
    assert_eq!(ring.submit(), Ok(1));
    ring.resize(64, 128).unwrap();
    File::from(writer).write_all(b"x").unwrap();
    assert_eq!(next(&mut ring).user_data, 7);
}

#[test]
fn a_queue_too_small_for_what_waits_is_refused_and_nothing_changes() {
    if !can_resize() {
        return;
    }
    let mut ring = small().build().unwrap();
    (0..6).for_each(|user_data| nop(&mut ring, user_data).unwrap());
    let refused = ring.resize(4, 64).unwrap_err();
    assert_eq!(refused, ResizeError::NoRoom { sq_pending: 6, cq_ready: 0 });
    assert!(refused.to_string().contains("6 pushed entries"), "{refused}");
    assert_eq!(sizes(&ring), (8, 64));
    assert_eq!(ring.submit_and_wait(6, None), Ok(6));
    let refused = ring.resize(4, 4).unwrap_err();
    assert_eq!(refused, ResizeError::NoRoom { sq_pending: 0, cq_ready: 6 });
    assert!(ring.completions().map(|cqe| cqe.user_data).eq(0..6));
    goes_round(&mut ring);
}

#[test]
fn completions_that_overflowed_come_into_the_larger_queue_in_their_order() {
    if !can_resize() {
        return;
    }
    let mut ring = small().cq_entries(8).build().unwrap();
    for user_data in 0..12 {
        nop(&mut ring, user_data).unwrap();
        assert_eq!(ring.submit(), Ok(1));
    }
    assert!(ring.overflowed());
    let mut seen = Vec::new();
    if ring.resize(8, 64).is_err() {
        // Some kernels want the overflow flushed before.
        seen.extend(ring.completions().map(|cqe| cqe.user_data));
        ring.flush().unwrap();
        ring.resize(8, 64).unwrap();
    }
    ring.flush().unwrap();
    seen.extend(ring.completions().map(|cqe| cqe.user_data));
    assert!(seen.into_iter().eq(0..12));
    goes_round(&mut ring);
}

#[test]
fn no_entries_at_all_are_refused() {
    let mut ring = small().build().unwrap();
    assert_eq!(ring.resize(0, 8), Err(ResizeError::Invalid));
    works(&mut ring);
}

#[test]
fn only_a_deferring_ring_can_be_resized() {
    for task_work in [TaskWork::Coop, TaskWork::Interrupt] {
        let mut ring = small().task_work(task_work).build().unwrap();
        let refused = ring.resize(64, 64).unwrap_err();
        assert_eq!(refused, ResizeError::NotDeferred);
        assert!(refused.to_string().contains("TaskWork::Defer"), "{refused}");
        works(&mut ring);
    }
}

#[test]
fn a_ring_in_memory_of_the_caller_keeps_its_size() {
    let mut ring = small().memory(Pages::anonymous(64 << 10).unwrap()).build().unwrap();
    assert_eq!(ring.resize(64, 64), Err(ResizeError::CallersMemory));
    works(&mut ring);
}

#[test]
fn wide_completions_are_reaped_before_a_resize() {
    if !can_resize() {
        return;
    }
    let mut ring: Ring<Sqe, Cqe32> = small().build_as().unwrap();
    nop(&mut ring, 1).unwrap();
    assert_eq!(ring.submit(), Ok(1));
    assert_eq!(ring.resize(16, 16), Err(ResizeError::NotReaped { cq_ready: 1 }));
    assert_eq!(ring.advance(1), 1);
    ring.resize(16, 16).unwrap();
    goes_round(&mut ring);
}

#[test]
fn a_kernel_that_refuses_leaves_the_ring_as_it_was() {
    for (errno, expected) in [
        (libc::EINVAL, ResizeError::Invalid),
        (libc::ENOMEM, ResizeError::Refused(Errno(libc::ENOMEM))),
    ] {
        let refuse_register = Some((RegisterOp::RESIZE_RINGS, Errno(errno)));
        let (kernel, _) = Scripted::boxed(Script { refuse_register, ..Script::default() });
        let mut ring = small().kernel(kernel).build().unwrap();
        nop(&mut ring, 5).unwrap();
        assert_eq!(ring.resize(64, 64), Err(expected));
        assert_eq!((sizes(&ring), ring.sq_pending()), ((8, 64), 1));
        assert_eq!(next(&mut ring).user_data, 5);
        goes_round(&mut ring);
    }
}

#[test]
fn new_queues_that_cannot_be_mapped_are_mapped_later_and_nothing_is_lost() {
    if !can_resize() {
        return;
    }
    let no_room = Errno(libc::ENOMEM);
    let script = Script { remap_errors: [no_room, no_room].into(), ..Script::default() };
    let (kernel, _) = Scripted::boxed(script);
    let mut ring = small().kernel(kernel).build().unwrap();
    (0..3).for_each(|user_data| nop(&mut ring, user_data).unwrap());
    assert_eq!(ring.submit(), Ok(3));
    nop(&mut ring, 3).unwrap();
    let refused = ring.resize(64, 64).unwrap_err();
    assert_eq!(refused, ResizeError::NotMapped(no_room));
    assert!(refused.to_string().contains("call remap"), "{refused}");
    assert_eq!(nop(&mut ring, 9), Err(SqFull), "nobody would see it");
    assert_eq!(ring.completions().next().unwrap().user_data, 0, "what was there can be reaped");
    assert_eq!(ring.remap(), Err(ResizeError::NotMapped(no_room)));
    ring.remap().unwrap();
    assert_eq!((sizes(&ring), ring.sq_pending()), ((64, 64), 1));
    nop(&mut ring, 4).unwrap();
    assert_eq!(ring.submit_and_wait(4, None), Ok(2));
    assert!(ring.completions().map(|cqe| cqe.user_data).eq(1..5));
    assert_eq!(ring.remap(), Ok(()), "nothing left to do");
    goes_round(&mut ring);
}

#[test]
fn a_ring_that_is_resized_again_and_again_keeps_every_request() {
    if !can_resize() {
        return;
    }
    let mut ring = small().build().unwrap();
    let mut pushed = 0;
    let mut reaped = 0;
    for round in 0..200_u32 {
        for _ in 0..round % 7 {
            nop(&mut ring, pushed).unwrap();
            pushed += 1;
        }
        if round % 3 == 0 {
            ring.submit().unwrap();
        }
        if round % 2 == 0 {
            ring.resize(64 << (round % 3), 256 << (round % 2)).unwrap();
        }
        if round % 5 == 0 {
            ring.submit().unwrap();
            for cqe in ring.completions() {
                assert_eq!(cqe.user_data, reaped);
                reaped += 1;
            }
        }
    }
    ring.submit().unwrap();
    reaped += ring.advance(usize::MAX) as u64;
    assert_eq!(reaped, pushed);
}

//! More of readiness. Mirrors poll, poll-many, poll-mshot-update, poll-update-trigger and
//! poll-mshot-overflow of liburing.

use std::{fs::File, io::Write as _, os::unix::net::UnixStream};

use annulus_ring::{
    Op as _, Ring, Target,
    abi::{CancelFlags, CqeFlags, Errno, Features, PollFlags},
    op::{CancelFd, Nop, PollAdd, PollRemove, PollUpdate},
};

use super::{
    decode,
    made::{assert_silence, fd, file, owned, readable, results, sorted},
    next, pipe, push, ring, run,
};
use crate::support::wait;

const IN: u32 = libc::POLLIN as u32;
const OUT: u32 = libc::POLLOUT as u32;
const HUP: u32 = libc::POLLHUP as u32;

fn update(user_data: u64) -> PollUpdate {
    PollUpdate { user_data, events: None, multishot: false, new_user_data: None }
}

fn eventfd() -> File {
    // SAFETY: the call takes no memory.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    File::from(owned(fd))
}

fn signal(eventfd: &mut File) {
    eventfd.write_all(&1u64.to_ne_bytes()).unwrap();
}

#[test]
fn what_is_ready_already_completes_at_once_with_what_is_there() {
    let mut ring = ring();
    let (left, mut right) = UnixStream::pair().unwrap();
    let both = PollAdd { events: IN | OUT, ..readable(fd(&left)) };
    assert_eq!(run(&mut ring, &both), Ok(OUT));
    right.write_all(b"x").unwrap();
    assert_eq!(run(&mut ring, &both), Ok(IN | OUT));
}

#[test]
fn a_hang_up_is_reported_though_nobody_asked() {
    let mut ring = ring();
    let (reader, writer) = pipe();
    push(&mut ring, &readable(fd(&reader)), 1);
    assert_silence(&mut ring);
    drop(writer);
    assert_eq!(results(&mut ring, 1), [(1, HUP as i32)]);
}

#[test]
fn a_regular_file_is_always_ready_and_no_file_is_an_error() {
    let mut ring = ring();
    assert_eq!(run(&mut ring, &readable(fd(&file(b"")))), Ok(IN));
    assert_eq!(run(&mut ring, &readable(Target::Fd(-1))), Err(Errno(libc::EBADF)));
}

#[test]
fn an_update_to_events_that_are_there_triggers_at_once() {
    let mut ring = ring();
    let (left, _right) = UnixStream::pair().unwrap();
    push(&mut ring, &readable(fd(&left)), 1);
    assert_silence(&mut ring);
    push(&mut ring, &PollUpdate { events: Some(OUT), ..update(1) }, 2);
    assert_eq!(sorted(&mut ring, 2), [(1, OUT as i32), (2, 0)]);
    assert_eq!(
        run(&mut ring, &PollUpdate { events: Some(IN), ..update(1) }),
        Err(Errno(libc::ENOENT)),
        "it was for once"
    );
}

#[test]
fn a_multishot_poll_goes_on_under_its_new_name() {
    let mut ring = ring();
    let mut eventfd = eventfd();
    let multi = PollAdd { flags: PollFlags::ADD_MULTI, ..readable(fd(&eventfd)) };
    push(&mut ring, &multi, 1);
    signal(&mut eventfd);
    let cqe = next(&mut ring);
    assert_eq!((cqe.user_data, cqe.res, cqe.more()), (1, IN as i32, true));
    push(&mut ring, &PollUpdate { new_user_data: Some(5), ..update(1) }, 2);
    let mut renamed = false;
    while !renamed {
        let cqe = next(&mut ring);
        renamed = cqe.user_data == 2;
        assert!(renamed || cqe.more());
    }
    signal(&mut eventfd);
    let cqe = next(&mut ring);
    assert_eq!((cqe.user_data, cqe.res, cqe.more()), (5, IN as i32, true));
    let old = run(&mut ring, &PollRemove { user_data: 1 });
    assert_eq!(old, Err(Errno(libc::ENOENT)), "nobody has the old name");
}

#[test]
fn an_update_of_nothing_would_remove_the_poll_and_is_refused_before() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    push(&mut ring, &readable(fd(&reader)), 1);
    let nothing = update(1);
    assert_eq!(nothing.check().unwrap_err().why, "an update of nothing would remove the poll");
    push(&mut ring, &nothing, 2);
    assert_eq!(sorted(&mut ring, 2), [(1, -libc::ECANCELED), (2, 0)]);
}

#[test]
fn what_is_not_armed_is_neither_changed_nor_removed() {
    let mut ring = ring();
    let missing = Err(Errno(libc::ENOENT));
    assert_eq!(run(&mut ring, &PollRemove { user_data: 9 }), missing);
    assert_eq!(run(&mut ring, &PollUpdate { events: Some(IN), ..update(9) }), missing);
    assert_eq!(run(&mut ring, &PollUpdate { new_user_data: Some(1), ..update(9) }), missing);
}

#[test]
fn a_multishot_poll_reports_each_event_and_each_once() {
    let mut ring = ring();
    let mut eventfd = eventfd();
    let multi = PollAdd { flags: PollFlags::ADD_MULTI, ..readable(fd(&eventfd)) };
    push(&mut ring, &multi, 1);
    for _ in 0..10 {
        signal(&mut eventfd);
        let cqe = next(&mut ring);
        assert_eq!((cqe.res, cqe.more()), (IN as i32, true));
    }
    assert_silence(&mut ring);
}

#[test]
fn a_full_queue_ends_a_multishot_poll_and_says_so_in_its_last_completion() {
    let mut ring = Ring::builder().entries(4).cq_entries(4).build().unwrap();
    let mut eventfd = eventfd();
    let multi = PollAdd { flags: PollFlags::ADD_MULTI, ..readable(fd(&eventfd)) };
    push(&mut ring, &multi, 1);
    for _ in 0..16 {
        signal(&mut eventfd);
        wait(&mut ring, 0, None);
        ring.submit().unwrap();
    }
    push(&mut ring, &Nop, 2);
    let mut seen = Vec::new();
    let mut marked = false;
    while !marked {
        let cqe = next(&mut ring);
        marked = cqe.user_data == 2;
        if !marked {
            assert_eq!(cqe.res, IN as i32);
            seen.push(cqe.flags.contains(CqeFlags::MORE));
        }
    }
    assert!(seen.len() > 4, "{seen:?}");
    let (last, before) = seen.split_last().unwrap();
    assert!(!last && before.iter().all(|more| *more), "{seen:?}");
    assert_silence(&mut ring);
    push(&mut ring, &multi, 3);
    let again = next(&mut ring);
    assert_eq!((again.user_data, decode::<PollAdd>(&again)), (3, Ok(IN)), "nothing is lost");
}

// IORING_FEAT_POLL_32BITS: EPOLLEXCLUSIVE is bit 28.
#[test]
fn an_exclusive_poll_leaves_the_others_asleep() {
    let mut ring = ring();
    assert!(ring.capabilities().has(Features::POLL_32BITS), "this suite runs on 6.1 and later");
    for (events, woken) in [(IN, 3), (IN | libc::EPOLLEXCLUSIVE as u32, 1)] {
        let mut eventfd = eventfd();
        let poll = PollAdd { events, ..readable(fd(&eventfd)) };
        (1..=3).for_each(|user_data| push(&mut ring, &poll, user_data));
        assert_silence(&mut ring);
        signal(&mut eventfd);
        let seen = results(&mut ring, woken);
        assert!(seen.iter().all(|(_, res)| *res == IN as i32), "{seen:?}");
        assert_silence(&mut ring);
        let rest = 3 - woken;
        let cancel = CancelFd { target: fd(&eventfd), flags: CancelFlags::ALL };
        push(&mut ring, &cancel, 9);
        assert_eq!(sorted(&mut ring, rest + 1).pop(), Some((9, rest as i32)));
    }
}

// IORING_POLL_ADD_LEVEL is in the header, and POLL_ADD refuses it.
#[test]
fn no_poll_is_triggered_by_a_level() {
    let mut ring = ring();
    let mut eventfd = eventfd();
    signal(&mut eventfd);
    let edge = PollAdd { flags: PollFlags::ADD_MULTI, ..readable(fd(&eventfd)) };
    for flags in [PollFlags::ADD_LEVEL, PollFlags::ADD_MULTI | PollFlags::ADD_LEVEL] {
        let refused = run(&mut ring, &PollAdd { flags, ..edge });
        assert_eq!(refused, Err(Errno(libc::EINVAL)), "if it is taken now, PollAdd must say so");
    }
    push(&mut ring, &edge, 1);
    assert_eq!(results(&mut ring, 1), [(1, IN as i32)]);
    assert_silence(&mut ring);
}

#[test]
fn many_polls_of_many_files_each_complete_once() {
    let mut ring = ring();
    let mut pipes: Vec<_> = (0..100).map(|_| pipe()).collect();
    for (index, (reader, _)) in pipes.iter().enumerate() {
        push(&mut ring, &readable(fd(reader)), index as u64);
    }
    for (_, writer) in pipes.iter_mut().rev() {
        writer.write_all(b"x").unwrap();
    }
    let expected: Vec<_> = (0..100).map(|index| (index, IN as i32)).collect();
    assert_eq!(sorted(&mut ring, 100), expected);
    assert_silence(&mut ring);
}

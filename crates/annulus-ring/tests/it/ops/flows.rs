//! Splices, tees and epoll sets. Mirrors splice and epwait of liburing.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::{AsRawFd as _, OwnedFd},
};

use annulus_ring::{
    Op as _, Target,
    abi::{CancelFlags, Errno, Opcode},
    op::{Cancel, EpollCtl, EpollWait, Pipe, Place, Splice, Tee},
};

use super::{
    decode,
    made::{HERE, assert_silence, fd, file, owned, read, results, sorted, write},
    pipe, push, ring, run, supported,
};

fn splice(from: Target, from_offset: u64, to: Target, len: u32) -> Splice {
    Splice { from, from_offset, to, to_offset: HERE, len, flags: 0 }
}

// SPLICE_F_FD_IN_FIXED
#[test]
fn bytes_are_spliced_between_slots() {
    let mut ring = ring();
    let (mut reader, writer) = pipe();
    let file = file(b"0123456789");
    ring.register_files_sparse(2).unwrap();
    assert_eq!(ring.update_files(0, &[file.as_raw_fd(), writer.as_raw_fd()]), Ok(2));
    let op = splice(Target::Fixed(0), 4, Target::Fixed(1), 3);
    assert_eq!(run(&mut ring, &op), Ok(3));
    let mut buffer = [0; 3];
    reader.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"456");
    let empty = Splice { from: Target::Fixed(7), ..op };
    assert_eq!(run(&mut ring, &empty), Err(Errno(libc::EBADF)));
}

#[test]
fn bytes_are_spliced_from_a_pipe_to_where_they_belong_in_a_file() {
    let mut ring = ring();
    let (reader, mut writer) = pipe();
    let file = file(b"0123456789");
    writer.write_all(b"abc").unwrap();
    let op = Splice { to_offset: 2, ..splice(fd(&reader), HERE, fd(&file), 3) };
    assert_eq!(run(&mut ring, &op), Ok(3));
    let mut buffer = [0; 10];
    assert_eq!(run(&mut ring, &read(fd(&file), &mut buffer, 0)), Ok(10));
    assert_eq!(&buffer, b"01abc56789");
}

#[test]
fn a_splice_at_the_end_of_a_file_moves_nothing_and_one_of_two_files_is_refused() {
    let mut ring = ring();
    let (_reader, writer) = pipe();
    let one = file(b"0123456789");
    let other = file(b"");
    assert_eq!(run(&mut ring, &splice(fd(&one), 10, fd(&writer), 3)), Ok(0));
    let files = Splice { to_offset: 0, ..splice(fd(&one), 0, fd(&other), 3) };
    assert_eq!(run(&mut ring, &files), Err(Errno(libc::EINVAL)));
}

#[test]
fn what_is_teed_stays_in_its_pipe() {
    let mut ring = ring();
    let (mut first, mut first_in) = pipe();
    let (mut second, second_in) = pipe();
    first_in.write_all(b"twice").unwrap();
    let tee = Tee { from: fd(&first), to: fd(&second_in), len: 5, flags: 0 };
    assert_eq!(run(&mut ring, &tee), Ok(5));
    let (mut one, mut two) = ([0; 5], [0; 5]);
    first.read_exact(&mut one).unwrap();
    second.read_exact(&mut two).unwrap();
    assert_eq!((&one, &two), (b"twice", b"twice"));
    let itself = Tee { to: fd(&first_in), ..tee };
    assert_eq!(run(&mut ring, &itself), Err(Errno(libc::EINVAL)));
}

#[test]
fn a_tee_that_may_not_wait_says_that_nothing_is_there() {
    const SPLICE_F_NONBLOCK: u32 = 2;
    let mut ring = ring();
    let (reader, _in) = pipe();
    let (_second, second_in) = pipe();
    let tee = Tee { from: fd(&reader), to: fd(&second_in), len: 5, flags: SPLICE_F_NONBLOCK };
    assert_eq!(run(&mut ring, &tee), Err(Errno(libc::EAGAIN)));
}

#[test]
fn a_pipe_in_slots_is_told_by_its_slots_and_carries_bytes() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::PIPE]) {
        return;
    }
    ring.register_files_sparse(4).unwrap();
    for (place, expected) in [(Place::Fixed(1), Some([1, 2])), (Place::FixedAny, None)] {
        let mut ends = [-1; 2];
        let op = Pipe { ends: &raw mut ends, flags: 0, place };
        assert_eq!(run(&mut ring, &op), Ok(()));
        if expected.is_some() {
            assert_eq!(Some(ends), expected);
        } else {
            ends.sort_unstable();
            assert_eq!(ends, [0, 3], "the slots that were free");
            continue;
        }
        let [reader, writer] = ends.map(|end| Target::Fixed(end as u32));
        assert_eq!(run(&mut ring, &write(writer, b"through", HERE)), Ok(7));
        let mut buffer = [0; 7];
        assert_eq!(run(&mut ring, &read(reader, &mut buffer, HERE)), Ok(7));
        assert_eq!(&buffer, b"through");
    }
}

#[test]
fn a_pipe_that_finds_one_free_slot_takes_none() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::PIPE]) {
        return;
    }
    ring.register_files_sparse(1).unwrap();
    let mut ends = [-1; 2];
    let op = Pipe { ends: &raw mut ends, flags: 0, place: Place::FixedAny };
    assert_eq!(run(&mut ring, &op), Err(Errno(libc::ENFILE)));
    let file = file(b"free");
    assert_eq!(ring.update_files(0, &[file.as_raw_fd()]), Ok(1));
    assert_eq!(run(&mut ring, &read(Target::Fixed(0), &mut [0; 4], 0)), Ok(4));
    let both = Pipe { ends: &raw mut ends, flags: libc::O_CLOEXEC, place: Place::FixedAny };
    assert!(both.check().is_err());
    assert_eq!(run(&mut ring, &both), Err(Errno(libc::EINVAL)));
}

fn epoll() -> OwnedFd {
    // SAFETY: the call takes no memory.
    owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

fn event(number: u64) -> libc::epoll_event {
    libc::epoll_event { events: libc::EPOLLIN as u32, u64: number }
}

fn ctl(epoll: &OwnedFd, command: i32, file: &File, event: &libc::epoll_event) -> EpollCtl {
    EpollCtl { epoll: epoll.as_raw_fd(), command, fd: file.as_raw_fd(), event }
}

#[test]
fn an_epoll_set_knows_what_it_has() {
    let mut ring = ring();
    let epoll = epoll();
    let (reader, _writer) = pipe();
    let event = event(1);
    let add = ctl(&epoll, libc::EPOLL_CTL_ADD, &reader, &event);
    let change = EpollCtl { command: libc::EPOLL_CTL_MOD, ..add };
    let delete = EpollCtl { command: libc::EPOLL_CTL_DEL, ..add };
    assert_eq!(run(&mut ring, &change), Err(Errno(libc::ENOENT)));
    assert_eq!(run(&mut ring, &add), Ok(()));
    assert_eq!(run(&mut ring, &add), Err(Errno(libc::EEXIST)));
    assert_eq!(run(&mut ring, &change), Ok(()));
    assert_eq!(run(&mut ring, &delete), Ok(()));
    assert_eq!(run(&mut ring, &delete), Err(Errno(libc::ENOENT)));
    let regular = file(b"");
    let never = ctl(&epoll, libc::EPOLL_CTL_ADD, &regular, &event);
    assert_eq!(run(&mut ring, &never), Err(Errno(libc::EPERM)));
}

#[test]
fn a_wait_on_an_epoll_set_brings_all_that_is_ready() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::EPOLL_WAIT]) {
        return;
    }
    let epoll = epoll();
    let mut pipes: Vec<_> = (0..3).map(|_| pipe()).collect();
    for (number, (reader, _)) in pipes.iter().enumerate() {
        let event = event(number as u64);
        let add = ctl(&epoll, libc::EPOLL_CTL_ADD, reader, &event);
        assert_eq!(run(&mut ring, &add), Ok(()));
    }
    let mut events = [event(9); 4];
    let wait = EpollWait { target: fd(&epoll), events: events.as_mut_ptr(), count: 4 };
    push(&mut ring, &wait, 1);
    assert_silence(&mut ring);
    pipes[2].1.write_all(b"x").unwrap();
    assert_eq!(results(&mut ring, 1), [(1, 1)]);
    assert_eq!({ events[0].u64 }, 2);
    pipes[0].1.write_all(b"x").unwrap();
    assert_eq!(run(&mut ring, &wait), Ok(2));
    let mut numbers = [events[0].u64, events[1].u64];
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 2]);
    assert_eq!(run(&mut ring, &EpollWait { count: 1, ..wait }), Ok(1), "as many as there is room");
}

#[test]
fn a_wait_on_an_epoll_set_is_cancelled_and_one_without_room_refused() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::EPOLL_WAIT]) {
        return;
    }
    let epoll = epoll();
    let mut events = [event(0)];
    let wait = EpollWait { target: fd(&epoll), events: events.as_mut_ptr(), count: 1 };
    push(&mut ring, &wait, 1);
    push(&mut ring, &Cancel { user_data: 1, flags: CancelFlags::EMPTY }, 2);
    assert_eq!(sorted(&mut ring, 2), [(1, -libc::ECANCELED), (2, 0)]);
    let nowhere = EpollWait { count: 0, ..wait };
    assert!(nowhere.check().is_err());
    assert_eq!(run(&mut ring, &nowhere), Err(Errno(libc::EINVAL)));
    let pipe = pipe().0;
    assert_eq!(run(&mut ring, &EpollWait { target: fd(&pipe), ..wait }), Err(Errno(libc::EINVAL)));
    let cqe = annulus_ring::abi::Cqe { res: 3, ..Default::default() };
    assert_eq!(decode::<EpollWait>(&cqe), Ok(3));
}

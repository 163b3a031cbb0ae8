//! Messages between rings. Mirrors msg-ring, msg-ring-fd, msg-ring-flags and msg-ring-overflow of
//! liburing.

use std::{fs::File, os::fd::AsRawFd as _, sync::mpsc, thread};

use annulus_ring::{
    Op as _, Ring, Target,
    abi::{CqeFlags, Errno, MsgRingFlags, Opcode},
    op::{MsgRing, MsgRingFd, Place},
};

use super::{
    made::{assert_silence, file, read, results},
    next, pipe, ring, run, supported,
};

fn message(target: &Ring, user_data: u64, res: i32) -> MsgRing {
    MsgRing {
        target: Target::Fd(target.fd()),
        user_data,
        res,
        cqe_flags: None,
        flags: MsgRingFlags::EMPTY,
    }
}

fn pass(target: &Ring, place: Place) -> MsgRingFd {
    let flags = MsgRingFlags::EMPTY;
    MsgRingFd { target: Target::Fd(target.fd()), user_data: 5, slot: 0, place, flags }
}

/// A ring with a table of so many slots, and a file in the first.
fn with_file(slots: u32, content: &[u8]) -> (Ring, File) {
    let mut ring = ring();
    ring.register_files_sparse(slots).unwrap();
    let file = file(content);
    assert_eq!(ring.update_files(0, &[file.as_raw_fd()]), Ok(1));
    (ring, file)
}

// IORING_MSG_DATA: a message that carries no file.
#[test]
fn a_ring_posts_to_itself() {
    let mut ring = ring();
    let op = message(&ring, 7, 70);
    super::push(&mut ring, &op, 1);
    let mut seen = results(&mut ring, 2);
    seen.sort_unstable();
    assert_eq!(seen, [(1, 0), (7, 70)]);
}

#[test]
fn a_message_wakes_a_ring_that_waits_on_another_thread() {
    let mut sender = ring();
    let (give, take) = mpsc::channel();
    let waiter = thread::spawn(move || {
        let mut target = ring();
        give.send(target.fd()).unwrap();
        let cqe = next(&mut target);
        (cqe.user_data, cqe.res)
    });
    let op = MsgRing {
        target: Target::Fd(take.recv().unwrap()),
        user_data: 9,
        res: 90,
        cqe_flags: None,
        flags: MsgRingFlags::EMPTY,
    };
    assert_eq!(run(&mut sender, &op), Ok(()));
    assert_eq!(waiter.join().unwrap(), (9, 90));
}

#[test]
fn messages_to_a_full_ring_come_later_and_in_order_and_the_sender_is_not_told() {
    let mut sender = ring();
    let mut target = Ring::builder().entries(4).cq_entries(4).build().unwrap();
    for number in 0..20 {
        assert_eq!(run(&mut sender, &message(&target, number, number as i32)), Ok(()));
    }
    let expected: Vec<_> = (0..20).map(|number| (number, number as i32)).collect();
    assert_eq!(results(&mut target, 20), expected);
    assert_silence(&mut target);
}

#[test]
fn a_disabled_ring_and_what_is_no_ring_take_no_messages() {
    let mut sender = ring();
    let mut disabled = Ring::builder().entries(4).disabled(true).build().unwrap();
    let to_disabled = message(&disabled, 1, 1);
    assert_eq!(run(&mut sender, &to_disabled), Err(Errno(libc::EBADFD)));
    disabled.enable().unwrap();
    assert_eq!(run(&mut sender, &to_disabled), Ok(()));
    assert_eq!(results(&mut disabled, 1), [(1, 1)]);
    let pipe = pipe().0;
    let to_pipe = MsgRing { target: Target::Fd(pipe.as_raw_fd()), ..to_disabled };
    assert_eq!(run(&mut sender, &to_pipe), Err(Errno(libc::EBADFD)));
    let to_nobody = MsgRing { target: Target::Fd(-1), ..to_disabled };
    assert_eq!(run(&mut sender, &to_nobody), Err(Errno(libc::EBADF)));
}

// IORING_MSG_RING_FLAGS_PASS
#[test]
fn flags_are_passed_bit_by_bit() {
    let mut sender = ring();
    let mut target = ring();
    if !supported(&sender, &[Opcode::READ_MULTISHOT]) {
        return;
    }
    for bit in [0, 1, 5, 16, 31] {
        let flags = CqeFlags(1 << bit);
        let op = MsgRing { cqe_flags: Some(flags), ..message(&target, bit, 0) };
        assert_eq!(run(&mut sender, &op), Ok(()));
        let cqe = next(&mut target);
        assert_eq!((cqe.user_data, cqe.flags), (bit, flags));
    }
}

#[test]
fn a_message_is_nothing_but_its_completion() {
    let mut sender = ring();
    let mut target = ring();
    let op = MsgRing { flags: MsgRingFlags::CQE_SKIP, ..message(&target, 1, 1) };
    assert_eq!(op.check().unwrap_err().why, "a message is nothing but its completion");
    assert_eq!(run(&mut sender, &op), Err(Errno(libc::EINVAL)));
    assert_silence(&mut target);
}

#[test]
fn a_file_arrives_in_the_slot_that_was_named_and_replaces_what_was_there() {
    let (mut sender, _file) = with_file(1, b"new");
    let (mut target, _old) = with_file(2, b"old");
    assert_eq!(run(&mut sender, &pass(&target, Place::Fixed(0))), Ok(0));
    assert_eq!(results(&mut target, 1), [(5, 0)]);
    let mut buffer = [0; 3];
    assert_eq!(run(&mut target, &read(Target::Fixed(0), &mut buffer, 0)), Ok(3));
    assert_eq!(&buffer, b"new");
    assert_eq!(run(&mut sender, &read(Target::Fixed(0), &mut buffer, 0)), Ok(3), "it has it too");
}

#[test]
fn a_file_arrives_without_a_completion_if_that_is_asked() {
    let (mut sender, _file) = with_file(1, b"quiet");
    let (mut target, _other) = with_file(2, b"other");
    let op = MsgRingFd { flags: MsgRingFlags::CQE_SKIP, ..pass(&target, Place::FixedAny) };
    assert_eq!(run(&mut sender, &op), Ok(1));
    assert_silence(&mut target);
    let mut buffer = [0; 5];
    assert_eq!(run(&mut target, &read(Target::Fixed(1), &mut buffer, 0)), Ok(5));
    assert_eq!(&buffer, b"quiet");
}

#[test]
fn a_file_that_cannot_arrive_is_an_error_of_the_sender() {
    let (mut sender, _file) = with_file(1, b"");
    let (full, _full) = with_file(1, b"");
    let bare = ring();
    let no_room = run(&mut sender, &pass(&full, Place::FixedAny));
    assert_eq!(no_room, Err(Errno(libc::ENFILE)));
    let no_table = run(&mut sender, &pass(&bare, Place::Fixed(0)));
    assert_eq!(no_table, Err(Errno(libc::ENXIO)));
    let itself = pass(&sender, Place::FixedAny);
    assert_eq!(run(&mut sender, &itself), Err(Errno(libc::EINVAL)));
    let empty = MsgRingFd { slot: 9, ..pass(&full, Place::FixedAny) };
    assert_eq!(run(&mut sender, &empty), Err(Errno(libc::EBADF)));
    assert!(pass(&full, Place::Fd).check().is_err());
}

//! Registration of groups. Mirrors buf-ring of liburing.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    io::Write as _,
    os::fd::AsRawFd as _,
    ptr::NonNull,
};

use annulus_ring::{
    BufRingSpec, Refusal, Target,
    abi::{BufRegFlags, BufRingEntry, Errno, RegisterOp, Sqe, SqeFlags},
    op::{Nop, Recv},
};

use super::{BGID, Group};
use crate::{
    ops::{ring, run},
    support::{Script, Scripted, complete, pair, skip},
};

/// A receive into a buffer of the group.
fn receive(fd: i32) -> Sqe {
    Sqe {
        opcode: annulus_ring::abi::Opcode::RECV,
        flags: SqeFlags::BUFFER_SELECT,
        fd,
        buf_index: BGID,
        ..Sqe::default()
    }
}

#[test]
fn the_kernel_may_bring_the_memory_of_the_entries() {
    let mut ring = ring();
    let mut group = Group::new(&mut ring, BufRegFlags::MMAP, 4, 16).unwrap();
    let (receiver, mut sender) = pair();
    sender.write_all(b"mapped").unwrap();
    let empty = complete(&mut ring, &receive(receiver.as_raw_fd()));
    assert_eq!(empty.res, -libc::ENOBUFS);
    group.give(3);
    let cqe = complete(&mut ring, &receive(receiver.as_raw_fd()));
    assert_eq!((cqe.res, cqe.buffer_id()), (6, Some(3)));
    assert_eq!(group.of(&cqe), b"mapped");
    group.finish(&mut ring);
}

#[test]
fn a_mapped_ring_that_cannot_be_mapped_is_not_registered_either() {
    let mut ring = ring();
    let spec = |entries| BufRingSpec {
        bgid: BGID,
        entries,
        flags: BufRegFlags::MMAP,
        ..BufRingSpec::default()
    };
    // SAFETY: kept until it is unregistered.
    let group = unsafe { ring.register_buf_ring_with(&spec(8)) }.unwrap();
    // SAFETY: nothing comes of it.
    let again = unsafe { ring.register_buf_ring_with(&spec(8)) }.unwrap_err();
    assert_eq!(again.errno(), Errno(libc::EEXIST));
    ring.unregister_buf_ring(group).unwrap();
    // SAFETY: kept until it is unregistered.
    let group = unsafe { ring.register_buf_ring_with(&spec(32768)) }.unwrap();
    ring.unregister_buf_ring(group).unwrap();
}

#[test]
fn the_caller_may_bring_the_memory_of_the_entries() {
    let mut ring = ring();
    let layout = Layout::from_size_align(4096, 4096).unwrap();
    // SAFETY: the layout has a size.
    let memory = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
    let spec = BufRingSpec {
        bgid: BGID,
        entries: 8,
        memory: Some(memory.cast()),
        ..BufRingSpec::default()
    };
    // SAFETY: a page for eight entries, freed after the group is gone.
    let mut group = unsafe { ring.register_buf_ring_with(&spec) }.unwrap();
    let (receiver, mut sender) = pair();
    sender.write_all(b"mine").unwrap();
    let mut buffer = [0; 16];
    // SAFETY: the buffer lives until the completion below.
    unsafe { group.push(6, buffer.as_mut_ptr(), 16) };
    group.publish();
    let cqe = complete(&mut ring, &receive(receiver.as_raw_fd()));
    assert_eq!((cqe.res, cqe.buffer_id()), (4, Some(6)));
    assert_eq!(&buffer[..4], b"mine");
    ring.unregister_buf_ring(group).unwrap();
    // SAFETY: allocated above with this layout; the kernel has no part in it any more.
    unsafe { dealloc(memory.as_ptr(), layout) };
}

#[test]
fn memory_that_is_not_aligned_to_a_page_is_refused_before_the_kernel_is_asked() {
    let script = Script {
        refuse_register: Some((RegisterOp::PBUF_RING, Errno(libc::ENOTRECOVERABLE))),
        ..Script::default()
    };
    let (kernel, _script) = Scripted::boxed(script);
    let mut ring = annulus_ring::Ring::builder().kernel(kernel).build().unwrap();
    let mut entries = vec![BufRingEntry::default(); 16];
    let odd = entries.as_mut_ptr().cast::<u8>().wrapping_add(8).cast();
    let spec =
        BufRingSpec { bgid: BGID, entries: 8, memory: NonNull::new(odd), ..BufRingSpec::default() };
    // SAFETY: nothing comes of it.
    let refused = unsafe { ring.register_buf_ring_with(&spec) }.unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Unaligned(odd.addr()));
    assert!(refused.to_string().contains("not aligned to a page"), "{refused}");
    for entries in [0, 6, 65536] {
        let spec = BufRingSpec { bgid: BGID, entries, ..BufRingSpec::default() };
        // SAFETY: nothing comes of it.
        let refused = unsafe { ring.register_buf_ring_with(&spec) }.unwrap_err();
        assert_eq!(refused.refusal(), Refusal::Entries(entries));
    }
    let spec = BufRingSpec { bgid: BGID, entries: 8, ..BufRingSpec::default() };
    // SAFETY: nothing comes of it.
    let asked = unsafe { ring.register_buf_ring_with(&spec) }.unwrap_err();
    assert_eq!(asked.errno(), Errno(libc::ENOTRECOVERABLE), "now the kernel was asked");
}

#[test]
fn the_smallest_and_the_largest_group_are_registered() {
    let mut ring = ring();
    for entries in [1, 32768] {
        let spec = BufRingSpec { bgid: BGID, entries, ..BufRingSpec::default() };
        // SAFETY: kept until it is unregistered.
        let group = unsafe { ring.register_buf_ring_with(&spec) }.unwrap();
        assert_eq!(u32::from(group.entries()), entries);
        ring.unregister_buf_ring(group).unwrap();
    }
}

#[test]
fn groups_of_different_ids_do_not_share_buffers() {
    let mut ring = ring();
    let mut group = Group::full(&mut ring, BufRegFlags::EMPTY, 2, 16).unwrap();
    let spec = BufRingSpec { bgid: BGID + 1, entries: 2, ..BufRingSpec::default() };
    // SAFETY: kept until it is unregistered.
    let other = unsafe { ring.register_buf_ring_with(&spec) }.unwrap();
    let (receiver, mut sender) = pair();
    sender.write_all(b"x").unwrap();
    let mut of_other = receive(receiver.as_raw_fd());
    of_other.buf_index = BGID + 1;
    assert_eq!(complete(&mut ring, &of_other).res, -libc::ENOBUFS);
    of_other.buf_index = BGID + 2;
    assert_eq!(complete(&mut ring, &of_other).res, -libc::ENOBUFS, "there is no such group");
    let cqe = complete(&mut ring, &receive(receiver.as_raw_fd()));
    assert_eq!(cqe.buffer_id(), Some(0));
    group.give(0);
    ring.unregister_buf_ring(other).unwrap();
    group.finish(&mut ring);
}

#[test]
fn a_group_that_was_removed_gives_no_more_buffers() {
    let mut ring = ring();
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 2, 16).unwrap();
    let (receiver, mut sender) = pair();
    sender.write_all(b"x").unwrap();
    group.finish(&mut ring);
    let cqe = complete(&mut ring, &receive(receiver.as_raw_fd()));
    assert_eq!(cqe.res, -libc::ENOBUFS);
    let mut byte = [0];
    let target = Target::Fd(receiver.as_raw_fd());
    let ioprio = annulus_ring::abi::RecvSendFlags::EMPTY;
    let recv = Recv { target, addr: byte.as_mut_ptr(), len: 1, flags: 0, ioprio };
    assert_eq!(run(&mut ring, &recv), Ok(1), "nothing was lost");
}

#[test]
fn a_request_that_waits_may_outlive_its_group() {
    let mut ring = ring();
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 2, 16).unwrap();
    let (receiver, mut sender) = pair();
    crate::support::push(&mut ring, &receive(receiver.as_raw_fd())).unwrap();
    ring.submit().unwrap();
    group.finish(&mut ring);
    assert_eq!(run(&mut ring, &Nop), Ok(()));
    sender.write_all(b"late").unwrap();
    assert_eq!(crate::support::next(&mut ring).res, -libc::ENOBUFS);
}

#[test]
fn a_length_that_the_request_asks_for_bounds_what_a_buffer_takes() {
    let mut ring = ring();
    let group = Group::full(&mut ring, BufRegFlags::EMPTY, 2, 16).unwrap();
    let (receiver, mut sender) = pair();
    sender.write_all(b"0123456789").unwrap();
    let short = Sqe { len: 4, ..receive(receiver.as_raw_fd()) };
    let cqe = complete(&mut ring, &short);
    assert_eq!(group.of(&cqe), b"0123");
    let cqe = complete(&mut ring, &receive(receiver.as_raw_fd()));
    assert_eq!(group.of(&cqe), b"456789");
    group.finish(&mut ring);
}

#[test]
fn a_least_rest_of_a_buffer_is_taken_or_refused_as_a_whole() {
    let mut ring = ring();
    if !ring.capabilities().inc_buffers() {
        return skip("this kernel has no incremental buffers");
    }
    let flags = BufRegFlags::INC;
    let spec =
        BufRingSpec { bgid: BGID, entries: 4, flags, min_left: 64, ..BufRingSpec::default() };
    // SAFETY: kept until it is unregistered.
    match unsafe { ring.register_buf_ring_with(&spec) } {
        Ok(group) => ring.unregister_buf_ring(group).unwrap(),
        Err(refused) => {
            assert_eq!(refused.errno(), Errno(libc::EINVAL));
            let plain = BufRingSpec { min_left: 0, ..spec };
            // SAFETY: kept until it is unregistered.
            let group = unsafe { ring.register_buf_ring_with(&plain) }.unwrap();
            ring.unregister_buf_ring(group).unwrap();
        }
    }
    let whole = BufRingSpec { flags: BufRegFlags::EMPTY, ..spec };
    // SAFETY: nothing comes of it.
    let refused = unsafe { ring.register_buf_ring_with(&whole) }.unwrap_err();
    assert_eq!(refused.refusal(), Refusal::MinLeft);
}

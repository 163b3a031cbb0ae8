//! Registered buffers. Mirrors io_uring_register, vec-regbuf, read-write and sendzc-bug of
//! liburing.

use std::{
    fs::File,
    io::{Read as _, Seek as _, Write as _},
    os::fd::AsRawFd as _,
    thread,
};

use annulus_ring::{
    Refusal, Ring, Target,
    abi::{CqeFlags, Errno, Opcode, RecvSendFlags},
    op::{ReadFixed, ReadvFixed, SendZc, WriteFixed, WritevFixed},
};

use super::{NOTHING, errno, iovecs};
use crate::ops::{next, push, ring, run, supported};

fn read_at(file: &File, buf_index: u16, piece: &mut [u8]) -> ReadFixed {
    let target = Target::Fd(file.as_raw_fd());
    let (addr, len) = (piece.as_mut_ptr(), piece.len() as u32);
    ReadFixed { target, buf_index, addr, len, offset: 0 }
}

fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

#[test]
fn each_buffer_is_read_into_and_written_from_by_its_number() {
    let mut ring = ring();
    let mut memory = [vec![b'a'; 4096], vec![b'b'; 4096]];
    let [first, second] = &mut memory;
    ring.register_buffers(&iovecs([first, second]), &[]).unwrap();
    let file = file(b"");
    let target = Target::Fd(file.as_raw_fd());
    let addr = memory[1].as_mut_ptr();
    let write = WriteFixed { target, buf_index: 1, addr, len: 100, offset: 0 };
    assert_eq!(run(&mut ring, &write), Ok(100));
    let read = read_at(&file, 0, &mut memory[0][50..150]);
    assert_eq!(run(&mut ring, &read), Ok(100));
    assert!(memory[0][50..150].iter().all(|&byte| byte == b'b'));
    assert_eq!((memory[0][49], memory[0][150]), (b'a', b'a'));
}

#[test]
fn memory_outside_of_the_buffer_is_refused() {
    let mut ring = ring();
    let mut memory = vec![0; 8192];
    ring.register_buffers(&iovecs([&mut memory[1024..4096]]), &[]).unwrap();
    let file = file(&[1; 4096]);
    for (from, to) in [(0, 512), (1000, 1100), (4000, 4097), (5000, 5001)] {
        let read = read_at(&file, 0, &mut memory[from..to]);
        assert_eq!(run(&mut ring, &read), Err(Errno(libc::EFAULT)), "{from}..{to}");
    }
    assert_eq!(run(&mut ring, &read_at(&file, 0, &mut memory[1024..4096])), Ok(3072));
}

#[test]
fn a_number_that_was_never_registered_is_refused() {
    let mut ring = ring();
    let mut memory = vec![0; 4096];
    let file = file(&[1; 64]);
    let unregistered = read_at(&file, 0, &mut memory[..64]);
    assert_eq!(run(&mut ring, &unregistered), Err(Errno(libc::EFAULT)), "there is no table");
    ring.register_buffers(&iovecs([&mut memory]), &[]).unwrap();
    for index in [1, 999, u16::MAX] {
        let read = read_at(&file, index, &mut memory[..64]);
        assert_eq!(run(&mut ring, &read), Err(Errno(libc::EFAULT)), "buffer {index}");
    }
}

// IORING_RSRC_REGISTER_SPARSE
#[test]
fn a_sparse_table_serves_the_slots_that_were_filled() {
    let mut ring = ring();
    let mut memory = vec![0; 4096];
    let file = file(&[3; 64]);
    ring.register_buffers_sparse(4).unwrap();
    let read = read_at(&file, 2, &mut memory[..64]);
    assert_eq!(run(&mut ring, &read), Err(Errno(libc::EFAULT)));
    assert_eq!(ring.update_buffers(2, &iovecs([&mut memory]), &[]), Ok(1));
    assert_eq!(run(&mut ring, &read), Ok(64));
    assert_eq!(ring.update_buffers(2, &[NOTHING], &[]), Ok(1));
    assert_eq!(run(&mut ring, &read), Err(Errno(libc::EFAULT)));
}

#[test]
fn an_update_beyond_the_table_or_without_one_is_refused() {
    let mut ring = ring();
    let mut memory = vec![0; 4096];
    let buffers = iovecs([&mut memory]);
    assert_eq!(errno(ring.update_buffers(0, &buffers, &[])), libc::ENXIO);
    assert_eq!(errno(ring.unregister_buffers()), libc::ENXIO);
    ring.register_buffers_sparse(2).unwrap();
    assert_eq!(errno(ring.update_buffers(2, &buffers, &[])), libc::EINVAL);
    assert_eq!(errno(ring.update_buffers(u32::MAX, &buffers, &[])), libc::EOVERFLOW);
    assert_eq!(errno(ring.register_buffers(&buffers, &[])), libc::EBUSY);
}

#[test]
fn what_is_no_memory_of_the_process_is_refused_and_nothing_stays_registered() {
    let mut ring = ring();
    let mut memory = vec![0; 4096];
    let nowhere = libc::iovec { iov_base: std::ptr::without_provenance_mut(4096), iov_len: 4096 };
    let [good] = iovecs([&mut memory]);
    let refused = ring.register_buffers(&[good, nowhere], &[]).unwrap_err();
    assert_eq!(refused.errno(), Errno(libc::EFAULT));
    assert!(refused.to_string().contains("not memory of this process"), "{refused}");
    assert_eq!(errno(ring.unregister_buffers()), libc::ENXIO);
    ring.register_buffers(&[good], &[]).unwrap();
}

#[test]
fn an_update_stops_at_a_bad_buffer_and_says_how_far_it_came() {
    let mut ring = ring();
    let mut memory = vec![0; 4096];
    let file = file(&[4; 16]);
    let nowhere = libc::iovec { iov_base: std::ptr::without_provenance_mut(4096), iov_len: 4096 };
    let [good] = iovecs([&mut memory]);
    ring.register_buffers_sparse(3).unwrap();
    assert_eq!(ring.update_buffers(0, &[good, nowhere, good], &[]), Ok(1));
    assert_eq!(run(&mut ring, &read_at(&file, 0, &mut memory[..16])), Ok(16));
    let third = read_at(&file, 2, &mut memory[..16]);
    assert_eq!(run(&mut ring, &third), Err(Errno(libc::EFAULT)));
}

#[test]
fn a_table_without_buffers_or_with_too_many_is_refused() {
    let mut ring = ring();
    assert_eq!(errno(ring.register_buffers(&[], &[])), libc::EINVAL);
    assert_eq!(errno(ring.register_buffers_sparse(0)), libc::EINVAL);
    assert_eq!(errno(ring.register_buffers_sparse(16385)), libc::EINVAL);
    let refused = ring.register_buffers(&[NOTHING; 2], &[1, 2, 3]).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Tags(3));
    ring.register_buffers_sparse(16384).unwrap();
}

/// Gives up CAP_IPC_LOCK on this thread, which frees a ring from the limit of locked memory.
fn give_up_ipc_lock() {
    const IPC_LOCK: u32 = 14;
    let mut header = [0x2008_0522_u32, 0];
    let mut data = [[0_u32; 3]; 2];
    // SAFETY: a header of version 3 and the two rows that it takes.
    let got = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), data.as_mut_ptr()) };
    assert_eq!(got, 0);
    data[0][0] &= !(1 << IPC_LOCK);
    // SAFETY: as above.
    let set = unsafe { libc::syscall(libc::SYS_capset, header.as_mut_ptr(), data.as_ptr()) };
    assert_eq!(set, 0);
}

#[test]
fn memory_beyond_the_limit_of_locked_memory_is_refused_with_that_limit() {
    // The effective capabilities are the thread's.
    let thread = thread::spawn(|| {
        give_up_ipc_lock();
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: room for one limit.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) }, 0);
        if limit.rlim_cur > 1 << 28 {
            crate::support::skip("no limit of locked memory that a test could reach");
            return;
        }
        let mut ring = Ring::builder().entries(4).build().unwrap();
        let mut memory = vec![0; limit.rlim_cur as usize + 4096];
        let refused = ring.register_buffers(&iovecs([&mut memory]), &[]).unwrap_err();
        assert_eq!(refused.refusal(), Refusal::Memlock(limit.rlim_cur));
        let text = refused.to_string();
        assert!(text.contains(&format!("RLIMIT_MEMLOCK is {} bytes", limit.rlim_cur)), "{text}");
        assert_eq!(std::io::Error::from(refused).kind(), std::io::ErrorKind::OutOfMemory);
        ring.register_buffers(&iovecs([&mut memory[..4096]]), &[]).unwrap();
    });
    thread.join().unwrap();
}

#[test]
fn vectors_of_any_alignment_within_a_buffer_are_read_and_written() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::READV_FIXED, Opcode::WRITEV_FIXED]) {
        return;
    }
    let mut memory = vec![0; 64 * 1024];
    let base = memory.as_mut_ptr();
    ring.register_buffers(&iovecs([&mut memory]), &[]).unwrap();
    let content: Vec<u8> = (0..20_000_u32).map(|at| (at * 7 + at / 251) as u8).collect();
    for pieces in [1_usize, 2, 5, 16] {
        for shift in [0_usize, 1, 7, 511, 4095] {
            let source = file(&content);
            let sink = file(b"");
            // Pieces of different lengths, apart from each other.
            let vectors: Vec<_> = (0..pieces)
                .map(|piece| libc::iovec {
                    iov_base: base.wrapping_add(shift + piece * 3001).cast(),
                    iov_len: 100 + piece * 17,
                })
                .collect();
            let total: usize = vectors.iter().map(|vector| vector.iov_len).sum();
            let target = Target::Fd(source.as_raw_fd());
            let (iovecs, count) = (vectors.as_ptr(), vectors.len() as u32);
            let read = ReadvFixed { target, buf_index: 0, iovecs, count, offset: 5, flags: 0 };
            assert_eq!(run(&mut ring, &read), Ok(total as u32), "{pieces} pieces at {shift}");
            let target = Target::Fd(sink.as_raw_fd());
            let write = WritevFixed { target, buf_index: 0, iovecs, count, offset: 0, flags: 0 };
            assert_eq!(run(&mut ring, &write), Ok(total as u32));
            let mut written = Vec::new();
            (&sink).rewind().unwrap();
            (&sink).read_to_end(&mut written).unwrap();
            assert_eq!(written, content[5..5 + total], "{pieces} pieces at {shift}");
        }
    }
}

#[test]
fn a_vector_that_leaves_its_buffer_is_refused() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::READV_FIXED]) {
        return;
    }
    let mut memory = vec![0; 8192];
    ring.register_buffers(&iovecs([&mut memory[..4096]]), &[]).unwrap();
    let file = file(&[1; 4096]);
    let (inside, outside) = memory.split_at_mut(4000);
    let vectors = iovecs([&mut inside[..10], &mut outside[..97]]);
    let target = Target::Fd(file.as_raw_fd());
    let iovecs = vectors.as_ptr();
    let read = ReadvFixed { target, buf_index: 0, iovecs, count: 2, offset: 0, flags: 0 };
    assert_eq!(run(&mut ring, &read), Err(Errno(libc::EFAULT)));
}

#[test]
fn a_zero_copy_send_outlives_the_registration_of_its_buffer() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::SEND_ZC]) {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let sender = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut receiver, _) = listener.accept().unwrap();
    let mut memory = vec![0xa5; 16 * 4096];
    let (addr, len) = (memory.as_ptr(), memory.len() as u32);
    ring.register_buffers(&iovecs([&mut memory]), &[77]).unwrap();
    let send = SendZc {
        target: Target::Fd(sender.as_raw_fd()),
        addr,
        len,
        flags: libc::MSG_WAITALL,
        ioprio: RecvSendFlags::FIXED_BUF,
        buf_index: 0,
        dest: std::ptr::null(),
        dest_len: 0,
    };
    push(&mut ring, &send, 1);
    ring.unregister_buffers().unwrap();
    let mut received = vec![0; len as usize];
    receiver.read_exact(&mut received).unwrap();
    assert!(received.iter().all(|&byte| byte == 0xa5));
    let mut order = Vec::new();
    while order.len() < 3 {
        let cqe = next(&mut ring);
        order.push((cqe.user_data, cqe.flags.contains(CqeFlags::NOTIF)));
    }
    assert_eq!(order.iter().filter(|&&what| what == (1, false)).count(), 1);
    assert_eq!(order.iter().filter(|&&what| what == (1, true)).count(), 1);
    assert_eq!(order.iter().filter(|&&what| what == (77, false)).count(), 1);
    let sent = order.iter().position(|&what| what == (1, false));
    assert!(sent < order.iter().position(|&what| what == (77, false)), "{order:?}");
}

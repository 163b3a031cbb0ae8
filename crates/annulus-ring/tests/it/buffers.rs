//! Provided-buffer rings. Mirrors buf-ring and recv-multishot of liburing.

use std::{io::Write, os::fd::AsRawFd};

use annulus_ring::{
    BufRing, Mask, Ring, What, Why,
    abi::{BufRegFlags, Cqe, CqeFlags, Errno, Opcode, Sqe, SqeFlags},
};

use crate::support::{complete, pair, skip};

const BGID: u16 = 7;
const BYTES: usize = 16;

/// A ring, a group of buffers, and the memory of the buffers, in the order of their end.
struct Bench {
    ring: Ring,
    group: BufRing,
    memory: Vec<u8>,
}

impl Bench {
    /// `None`, said aloud, where the kernel has no such rings.
    fn new(entries: u16, flags: BufRegFlags) -> Option<Self> {
        let mut ring = Ring::new(8).unwrap();
        let capabilities = ring.capabilities();
        if !capabilities.buf_rings()
            || (flags.contains(BufRegFlags::INC) && !capabilities.inc_buffers())
        {
            skip("this kernel has no such buffer rings");
            return None;
        }
        // SAFETY: the bench drops the ring first, and no request is in flight then.
        let group = unsafe { ring.register_buf_ring(entries, BGID, flags) }.unwrap();
        let memory = vec![0; BYTES * usize::from(entries)];
        Some(Self { ring, group, memory })
    }

    fn give(&mut self, bid: u16) {
        let buffer = &mut self.memory[BYTES * usize::from(bid)..][..BYTES];
        let (start, len) = (buffer.as_mut_ptr(), buffer.len() as u32);
        // SAFETY: the memory outlives the ring, and a test reads a buffer only when a completion
        // named it.
        unsafe { self.group.push(bid, start, len) };
    }

    fn receive(&mut self, fd: i32) -> Cqe {
        let sqe = Sqe {
            opcode: Opcode::RECV,
            flags: SqeFlags::BUFFER_SELECT,
            fd,
            buf_index: BGID,
            ..Sqe::default()
        };
        complete(&mut self.ring, &sqe)
    }

    fn buffer(&self, bid: u16) -> &[u8] {
        &self.memory[BYTES * usize::from(bid)..][..BYTES]
    }
}

#[test]
fn a_receive_names_the_buffer_it_took_and_fails_when_there_is_none() {
    let Some(mut bench) = Bench::new(2, BufRegFlags::EMPTY) else {
        return;
    };
    let (receiver, mut sender) = pair();
    let fd = receiver.as_raw_fd();
    sender.write_all(&[b'x'; 4 * BYTES]).unwrap();
    assert_eq!(bench.receive(fd).res, -libc::ENOBUFS);
    for round in 0..2 {
        bench.give(0);
        bench.give(1);
        bench.group.publish();
        for bid in 0..2 {
            let cqe = bench.receive(fd);
            assert_eq!((cqe.res, cqe.buffer_id()), (BYTES as i32, Some(bid)));
            assert_eq!(bench.buffer(bid), [b'x'; BYTES], "round {round}");
        }
        let cqe = bench.receive(fd);
        assert_eq!((cqe.res, cqe.buffer_id()), (-libc::ENOBUFS, None));
    }
}

#[test]
fn an_incremental_buffer_stays_with_the_kernel_until_it_is_full() {
    let Some(mut bench) = Bench::new(1, BufRegFlags::INC) else {
        return;
    };
    let (receiver, mut sender) = pair();
    bench.give(0);
    bench.group.publish();
    let pieces: [&[u8]; 3] = [b"first", b"second", b"third"];
    for (index, piece) in pieces.iter().enumerate() {
        sender.write_all(piece).unwrap();
        let cqe = bench.receive(receiver.as_raw_fd());
        assert_eq!((cqe.res, cqe.buffer_id()), (piece.len() as i32, Some(0)));
        let last = index + 1 == pieces.len();
        assert_eq!(cqe.flags.contains(CqeFlags::BUF_MORE), !last);
    }
    assert_eq!(bench.buffer(0), b"firstsecondthird");
    sender.write_all(b"more").unwrap();
    assert_eq!(bench.receive(receiver.as_raw_fd()).res, -libc::ENOBUFS);
}

// IORING_UNREGISTER_PBUF_RING
#[test]
fn a_group_is_registered_once_and_removed_once() {
    let Some(Bench { mut ring, group, .. }) = Bench::new(4, BufRegFlags::EMPTY) else {
        return;
    };
    // SAFETY: nothing is put into it, and it is not registered.
    let again = unsafe { ring.register_buf_ring(4, BGID, BufRegFlags::EMPTY) };
    assert_eq!(again.unwrap_err().errno(), Errno(libc::EEXIST));
    ring.unregister_buf_ring(group).unwrap();
    // SAFETY: kept until it is unregistered.
    let group = unsafe { ring.register_buf_ring(1, BGID, BufRegFlags::EMPTY) }.unwrap();
    let (group, errno) = Ring::new(8).unwrap().unregister_buf_ring(group).unwrap_err();
    assert!(matches!(errno.0, libc::ENOENT | libc::EINVAL), "{errno:?}");
    ring.unregister_buf_ring(group).unwrap();
}

#[test]
fn masks_hide_buffer_rings() {
    let mask = Mask::none().inc_buffers();
    let ring = Ring::builder().mask(mask).build().unwrap();
    assert!(ring.capabilities().buf_rings() && !ring.capabilities().inc_buffers());
    let mask = Mask::none().buf_rings();
    let ring = Ring::builder().mask(mask).build().unwrap();
    for what in [What::BufRings, What::IncBuffers] {
        let mut missing = ring.capabilities().missing();
        let missing = missing.find(|missing| missing.what == what).unwrap();
        assert_eq!(missing.why, Why::Masked);
    }
}

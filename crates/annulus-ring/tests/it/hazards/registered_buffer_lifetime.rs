//! A registered buffer goes away while a request works on it, or stays pinned after that.
//!
//! *Evidence*: liburing#56, #835.
//!
//! *Answer*: a request holds what it was registered with until its last completion, whatever is
//! unregistered meanwhile; the owner of the memory frees it after that completion, not after the
//! call. The pages may be accounted for a moment longer.
//!
//! *Also proven*: `registrations::buffers`; the runtime's pools, in `annulus`
//! (`hazards::registered_buffer_lifetime`).

use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use annulus_ring::{
    Kernel as _, Ring, Target,
    abi::{Errno, RegisterOp},
    op::{Nop, ReadFixed, WriteFixed},
};

use crate::ops::{decode, next, pipe, push, ring, run};

/// Longer than anything takes that happens at all.
const BOUND: Duration = Duration::from_secs(60);
const BUFFERS: RegisterOp = RegisterOp(0);
const UNREGISTER_BUFFERS: RegisterOp = RegisterOp(1);

fn register(ring: &mut Ring, buffer: &mut [u8]) -> Result<u32, Errno> {
    let mut pieces = [libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() }];
    // SAFETY: one piece, read during the call; each test keeps the memory until it has
    // unregistered it and its requests have ended.
    unsafe { ring.kernel().register(BUFFERS, pieces.as_mut_ptr().cast(), 1) }
}

fn unregister(ring: &mut Ring) -> Result<u32, Errno> {
    // SAFETY: the call takes no memory.
    unsafe { ring.kernel().register(UNREGISTER_BUFFERS, std::ptr::null_mut(), 0) }
}

#[test]
fn a_request_in_flight_keeps_a_buffer_that_is_unregistered() {
    let mut ring = ring();
    let mut buffer = vec![0; 4096];
    let (reader, mut writer) = pipe();
    register(&mut ring, &mut buffer).unwrap();
    let addr = buffer.as_mut_ptr();
    let target = Target::Fd(reader.as_raw_fd());
    let read = ReadFixed { target, buf_index: 0, addr, len: 64, offset: u64::MAX };
    push(&mut ring, &read, 1);
    assert_eq!(run(&mut ring, &Nop), Ok(()), "the read has begun, and waits");
    unregister(&mut ring).unwrap();
    writer.write_all(b"still the same memory").unwrap();
    let cqe = next(&mut ring);
    assert_eq!((cqe.user_data, decode::<ReadFixed>(&cqe)), (1, Ok(21)));
    assert_eq!(&buffer[..21], b"still the same memory");
}

#[test]
fn a_request_after_the_end_of_the_registration_is_refused() {
    let mut ring = ring();
    let mut buffer = vec![7; 4096];
    let file = tempfile::tempfile().unwrap();
    let target = Target::Fd(file.as_raw_fd());
    let addr = buffer.as_mut_ptr();
    register(&mut ring, &mut buffer).unwrap();
    let write = WriteFixed { target, buf_index: 0, addr, len: 100, offset: 0 };
    assert_eq!(run(&mut ring, &write), Ok(100));
    unregister(&mut ring).unwrap();
    assert_eq!(run(&mut ring, &write), Err(Errno(libc::EFAULT)));
    assert_eq!(unregister(&mut ring), Err(Errno(libc::ENXIO)), "there is none");
    let read = ReadFixed { target, buf_index: 0, addr, len: 100, offset: 0 };
    assert_eq!(run(&mut ring, &read), Err(Errno(libc::EFAULT)));
    assert_eq!(file.metadata().unwrap().len(), 100);
}

#[test]
fn buffers_are_registered_again_and_again_with_requests_of_the_last_ones_in_flight() {
    let mut ring = ring();
    let mut waiting = Vec::new();
    for round in 0..12_u8 {
        let mut buffer = vec![round; 256 * 1024];
        let (reader, writer) = pipe();
        register(&mut ring, &mut buffer).unwrap();
        assert_eq!(register(&mut ring, &mut buffer), Err(Errno(libc::EBUSY)), "one at a time");
        let target = Target::Fd(reader.as_raw_fd());
        let addr = buffer.as_mut_ptr();
        let read = ReadFixed { target, buf_index: 0, addr, len: 64, offset: u64::MAX };
        push(&mut ring, &read, u64::from(round));
        assert_eq!(run(&mut ring, &Nop), Ok(()));
        unregister(&mut ring).unwrap();
        waiting.push((buffer, reader, writer));
    }
    // Each gets its bytes in its own memory, and nowhere else.
    for (round, (_, _, writer)) in waiting.iter_mut().enumerate() {
        writer.write_all(&[0x80 | round as u8; 10]).unwrap();
        let cqe = next(&mut ring);
        assert_eq!((cqe.user_data, decode::<ReadFixed>(&cqe)), (round as u64, Ok(10)));
    }
    for (round, (buffer, _, _)) in waiting.iter().enumerate() {
        assert_eq!(buffer[..10], [0x80 | round as u8; 10]);
        assert!(buffer[10..].iter().all(|&byte| byte == round as u8));
    }
}

#[test]
fn memory_is_not_pinned_for_ever() {
    // More in sum than may be pinned at once: each has to be let go before the next.
    const BYTES: usize = 4 << 20;
    let mut ring = ring();
    for _ in 0..50 {
        let mut buffer = vec![1; BYTES];
        let begun = Instant::now();
        while let Err(errno) = register(&mut ring, &mut buffer) {
            // The pages of the one before may be let go a little later.
            assert_eq!(errno, Errno(libc::ENOMEM));
            assert!(begun.elapsed() < BOUND, "they are never let go");
            std::thread::yield_now();
        }
        unregister(&mut ring).unwrap();
    }
}

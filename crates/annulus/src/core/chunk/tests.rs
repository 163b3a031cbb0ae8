//! How much of a chunk goes to the kernel, and when it has failed.

use super::*;

#[cfg(target_pointer_width = "64")]
#[test]
fn a_chunk_that_no_send_can_take_whole_goes_in_parts_of_which_none_is_empty() {
    const MOST: usize = 0x7fff_f000;
    // Nobody touches these pages, so there are none.
    let mut chunk = Chunk { bytes: vec![0; (4 << 30) + 5], sent: 0 };
    let mut parts = Vec::new();
    loop {
        let mut sqe = Sqe::default();
        chunk.encode(Target::Fd(-1), &mut sqe);
        assert_eq!(sqe.addr, chunk.bytes[chunk.sent..].as_ptr().addr() as u64);
        assert!(sqe.len > 0, "nothing of it goes, and the rest waits for ever");
        parts.push(sqe.len as usize);
        if !chunk.resume(sqe.len as i32) {
            break;
        }
    }
    assert_eq!(parts, [MOST, MOST, (4 << 30) + 5 - 2 * MOST]);
    assert_eq!(chunk.outcome(parts[2] as i32), parts[2] as i32);
}

#[test]
fn a_chunk_that_ends_before_all_of_it_was_sent_has_failed() {
    let mut chunk = Chunk { bytes: vec![0; 10], sent: 0 };
    assert_eq!(chunk.outcome(0), -libc::EIO);
    assert_eq!(chunk.outcome(-libc::EPIPE), -libc::EPIPE);
    assert!(chunk.resume(4));
    assert_eq!(chunk.outcome(4), -libc::EIO);
    assert!(!chunk.resume(6));
    assert_eq!(chunk.outcome(6), 6);
}

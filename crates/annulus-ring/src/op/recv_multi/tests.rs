//! The entry of [`RecvMulti`].

use annulus_abi::{CqeFlags, Errno};

use super::*;
use crate::op::tests::{decoded, decoded_with, encoded};

#[test]
fn recv_multi_names_a_group_and_no_memory() {
    let recv = RecvMulti {
        target: Target::Fixed(6),
        bgid: 3,
        ioprio: RecvSendFlags::POLL_FIRST,
        cap_bytes: 65536,
    };
    assert_eq!(
        encoded(&recv),
        Sqe {
            opcode: Opcode(27),
            flags: SqeFlags::FIXED_FILE | SqeFlags::BUFFER_SELECT,
            ioprio: 3,
            fd: 6,
            buf_index: 3,
            file_index: 65536,
            ..Sqe::default()
        }
    );
}

#[test]
fn recv_multi_yields_bytes_and_the_buffer_that_holds_them() {
    let flags =
        CqeFlags::BUFFER | CqeFlags::MORE | CqeFlags::SOCK_NONEMPTY | CqeFlags(0xabcd << 16);
    assert_eq!(
        decoded_with::<RecvMulti>(100, flags),
        Ok(Received { bytes: 100, buffer: Some(0xabcd), buffer_more: false, nonempty: true })
    );
}

#[test]
fn recv_multi_says_when_the_kernel_keeps_the_buffer() {
    let kept = decoded_with::<RecvMulti>(1, CqeFlags::BUFFER | CqeFlags::BUF_MORE).unwrap();
    assert_eq!((kept.buffer, kept.buffer_more), (Some(0), true));
}

#[test]
fn recv_multi_has_no_buffer_at_the_end_of_the_stream() {
    let end = decoded::<RecvMulti>(0).unwrap();
    assert_eq!((end.bytes, end.buffer), (0, None));
    assert_eq!(decoded::<RecvMulti>(-libc::ENOBUFS), Err(Errno(libc::ENOBUFS)));
}

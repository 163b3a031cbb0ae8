//! The entry of [`RecvSelect`].

use annulus_abi::{CqeFlags, Errno};

use super::*;
use crate::op::tests::{decoded, decoded_with, encoded};

#[test]
fn recv_of_provided_buffers_names_their_group() {
    let op = RecvSelect {
        target: Target::Fixed(5),
        bgid: 9,
        len: 512,
        flags: libc::MSG_PEEK,
        ioprio: RecvSendFlags::POLL_FIRST | RecvSendFlags::BUNDLE,
    };
    let golden = Sqe {
        opcode: Opcode(27),
        flags: SqeFlags(1 | 32),
        ioprio: 1 | 16,
        fd: 5,
        len: 512,
        op_flags: 2,
        buf_index: 9,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!((op.since(), op.features()), ((6, 10), Features::RECVSEND_BUNDLE));
    let single = RecvSelect { ioprio: RecvSendFlags::EMPTY, ..op };
    assert_eq!((single.since(), single.features()), ((5, 7), Features::EMPTY));
}

#[test]
fn recv_of_provided_buffers_says_which_is_the_first() {
    let flags = CqeFlags(3 << 16) | CqeFlags::BUFFER | CqeFlags::SOCK_NONEMPTY;
    let got = Received { bytes: 100, buffer: Some(3), buffer_more: false, nonempty: true };
    assert_eq!(decoded_with::<RecvSelect>(100, flags), Ok(got));
    assert_eq!(decoded::<RecvSelect>(-libc::ENOBUFS), Err(Errno(libc::ENOBUFS)));
}

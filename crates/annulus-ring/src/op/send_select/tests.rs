//! The entry of [`SendSelect`].

use annulus_abi::{CqeFlags, Errno};

use super::*;
use crate::op::tests::{decoded, decoded_with, encoded};

#[test]
fn send_of_provided_buffers_names_their_group_and_no_address() {
    let op = SendSelect {
        target: Target::Fixed(5),
        bgid: 9,
        len: 0,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::BUNDLE,
    };
    let golden = Sqe {
        opcode: Opcode(26),
        flags: SqeFlags(1 | 32),
        ioprio: 16,
        fd: 5,
        op_flags: 0x4000,
        buf_index: 9,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!((op.since(), op.features()), ((6, 10), Features::RECVSEND_BUNDLE));
}

#[test]
fn send_of_provided_buffers_says_which_was_the_first() {
    let flags = CqeFlags(3 << 16) | CqeFlags::BUFFER | CqeFlags::BUF_MORE;
    let sent = Sent { bytes: 100, buffer: Some(3), buffer_more: true };
    assert_eq!(decoded_with::<SendSelect>(100, flags), Ok(sent));
    assert_eq!(decoded::<SendSelect>(-libc::ENOBUFS), Err(Errno(libc::ENOBUFS)));
}

//! The entry of [`RecvMsgSelect`].

use annulus_abi::{CqeFlags, Errno};

use super::*;
use crate::op::tests::{decoded, decoded_with, encoded, pointer};

#[test]
fn recvmsg_of_a_provided_buffer_names_its_group() {
    let op = RecvMsgSelect {
        target: Target::Fixed(5),
        msg: pointer(0x1000),
        bgid: 9,
        flags: libc::MSG_PEEK,
        ioprio: RecvSendFlags::POLL_FIRST,
    };
    let golden = Sqe {
        opcode: Opcode(10),
        flags: SqeFlags(1 | 32),
        ioprio: 1,
        fd: 5,
        addr: 0x1000,
        len: 1,
        op_flags: 2,
        buf_index: 9,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn recvmsg_of_a_provided_buffer_says_which_it_was() {
    let flags = CqeFlags(3 << 16) | CqeFlags::BUFFER;
    let got = Received { bytes: 100, buffer: Some(3), buffer_more: false, nonempty: false };
    assert_eq!(decoded_with::<RecvMsgSelect>(100, flags), Ok(got));
    assert_eq!(decoded::<RecvMsgSelect>(-libc::ENOBUFS), Err(Errno(libc::ENOBUFS)));
}

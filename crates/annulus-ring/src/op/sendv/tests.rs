//! The entry of [`Sendv`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn sendv_has_its_pieces_and_their_number() {
    let op = Sendv {
        target: Target::Fixed(5),
        iovecs: pointer(0x1000),
        count: 3,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::POLL_FIRST,
    };
    let golden = Sqe {
        opcode: Opcode(26),
        flags: SqeFlags::FIXED_FILE,
        ioprio: 1 | 32,
        fd: 5,
        addr: 0x1000,
        len: 3,
        op_flags: 0x4000,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (6, 17));
}

#[test]
fn sendv_succeeds_or_fails() {
    assert_eq!(decoded::<Sendv>(64), Ok(64));
    assert_eq!(decoded::<Sendv>(-libc::EPIPE), Err(Errno(libc::EPIPE)));
}

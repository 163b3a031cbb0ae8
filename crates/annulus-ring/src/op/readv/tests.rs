//! The entry of [`Readv`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn readv_has_its_pieces_counted_and_its_flags() {
    let op = Readv {
        target: Target::Fd(3),
        iovecs: pointer(0x1000),
        count: 2,
        offset: 4096,
        flags: libc::RWF_NOWAIT,
    };
    let golden = Sqe {
        opcode: Opcode(1),
        fd: 3,
        off: 4096,
        addr: 0x1000,
        len: 2,
        op_flags: 8,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn readv_succeeds_or_fails() {
    assert_eq!(decoded::<Readv>(5), Ok(5));
    assert_eq!(decoded::<Readv>(-libc::EAGAIN), Err(Errno(libc::EAGAIN)));
}

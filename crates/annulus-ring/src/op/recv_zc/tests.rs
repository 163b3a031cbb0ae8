//! The entry of [`RecvZc`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn recv_zc_names_its_queue() {
    let op = RecvZc {
        target: Target::Fixed(5),
        queue: 3,
        cap_bytes: 4096,
        ioprio: RecvSendFlags::POLL_FIRST,
    };
    let golden = Sqe {
        opcode: Opcode(58),
        flags: SqeFlags::FIXED_FILE,
        ioprio: 1 | 2,
        fd: 5,
        len: 4096,
        file_index: 3,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (6, 15));
}

#[test]
fn recv_zc_succeeds_or_fails() {
    assert_eq!(decoded::<RecvZc>(64), Ok(64));
    assert_eq!(decoded::<RecvZc>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

//! The entry of [`Discard`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn uring_cmd_of_discard_has_offset_and_length() {
    let op = Discard { target: Target::Fixed(5), offset: 4096, len: 8192 };
    let golden = Sqe {
        opcode: Opcode(46),
        flags: SqeFlags::FIXED_FILE,
        fd: 5,
        off: 0x1200,
        addr: 4096,
        addr3: 8192,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (6, 12));
}

#[test]
fn uring_cmd_of_discard_succeeds_or_fails() {
    assert_eq!(decoded::<Discard>(0), Ok(()));
    assert_eq!(decoded::<Discard>(-libc::EOPNOTSUPP), Err(Errno(libc::EOPNOTSUPP)));
}

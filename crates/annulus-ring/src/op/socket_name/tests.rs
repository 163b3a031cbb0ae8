//! The entry of [`SocketName`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn uring_cmd_of_getsockname_has_room_for_address_and_length() {
    let op = SocketName {
        target: Target::Fixed(5),
        addr: pointer(0x1000),
        addr_len: pointer(0x2000),
        peer: true,
    };
    let golden = Sqe {
        opcode: Opcode(46),
        flags: SqeFlags::FIXED_FILE,
        fd: 5,
        off: 5,
        addr: 0x1000,
        file_index: 1,
        addr3: 0x2000,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (6, 19));
}

#[test]
fn uring_cmd_of_getsockname_succeeds_or_fails() {
    assert_eq!(decoded::<SocketName>(0), Ok(()));
    assert_eq!(decoded::<SocketName>(-libc::EOPNOTSUPP), Err(Errno(libc::EOPNOTSUPP)));
}

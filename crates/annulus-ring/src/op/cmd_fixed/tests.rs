//! The entry of [`CmdFixed`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn uring_cmd_with_a_registered_buffer_names_it() {
    let op = CmdFixed {
        target: Target::Fixed(5),
        command: 0x1234,
        addr: 0x1000,
        len: 64,
        buf_index: 2,
        data: [7, 8],
    };
    let golden = Sqe {
        opcode: Opcode(46),
        flags: SqeFlags::FIXED_FILE,
        fd: 5,
        off: 0x1234,
        addr: 0x1000,
        len: 64,
        op_flags: 1,
        buf_index: 2,
        addr3: 7,
        pad: 8,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn uring_cmd_with_a_registered_buffer_succeeds_or_fails() {
    assert_eq!(decoded::<CmdFixed>(3), Ok(3));
    assert_eq!(decoded::<CmdFixed>(-libc::EOPNOTSUPP), Err(Errno(libc::EOPNOTSUPP)));
}

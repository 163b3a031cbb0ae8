//! The entry of [`Cmd`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn cmd_has_its_command_as_offset_and_its_data_at_the_end() {
    let op =
        Cmd { target: Target::Fixed(3), command: 0x1234, addr: 5, len: 6, flags: 1, data: [7, 8] };
    let golden = Sqe {
        opcode: Opcode(46),
        flags: SqeFlags::FIXED_FILE,
        fd: 3,
        off: 0x1234,
        addr: 5,
        len: 6,
        op_flags: 1,
        addr3: 7,
        pad: 8,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn cmd_succeeds_or_fails() {
    assert_eq!(decoded::<Cmd>(5), Ok(5));
    assert_eq!(decoded::<Cmd>(-libc::EOPNOTSUPP), Err(Errno(libc::EOPNOTSUPP)));
}

//! The entry of [`CmdMulti`].

use annulus_abi::{CqeFlags, Errno};

use super::*;
use crate::op::tests::{decoded, decoded_with, encoded};

#[test]
fn uring_cmd_that_goes_on_names_its_group() {
    let op = CmdMulti {
        target: Target::Fixed(5),
        command: 0x1234,
        addr: 0x1000,
        len: 64,
        bgid: 9,
        data: [7, 8],
    };
    let golden = Sqe {
        opcode: Opcode(46),
        flags: SqeFlags(1 | 32),
        fd: 5,
        off: 0x1234,
        addr: 0x1000,
        len: 64,
        op_flags: 2,
        buf_index: 9,
        addr3: 7,
        pad: 8,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn uring_cmd_that_goes_on_says_which_buffer() {
    let flags = CqeFlags(3 << 16) | CqeFlags::BUFFER | CqeFlags::MORE;
    let got = Received { bytes: 100, buffer: Some(3), buffer_more: false, nonempty: false };
    assert_eq!(decoded_with::<CmdMulti>(100, flags), Ok(got));
    assert_eq!(decoded::<CmdMulti>(-libc::ENOBUFS), Err(Errno(libc::ENOBUFS)));
}

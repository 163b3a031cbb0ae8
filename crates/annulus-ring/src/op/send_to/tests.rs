//! The entry of [`SendTo`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn send_to_has_its_address_as_offset_and_its_length_in_the_low_half_of_the_file_index() {
    let op = SendTo {
        target: Target::Fd(5),
        addr: pointer(0x1000),
        len: 64,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::POLL_FIRST,
        dest: pointer(0x2000),
        dest_len: 16,
    };
    let golden = Sqe {
        opcode: Opcode(26),
        ioprio: 1,
        fd: 5,
        off: 0x2000,
        addr: 0x1000,
        len: 64,
        op_flags: 0x4000,
        file_index: 16,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn send_to_succeeds_or_fails() {
    assert_eq!(decoded::<SendTo>(5), Ok(5));
    assert_eq!(decoded::<SendTo>(-libc::EISCONN), Err(Errno(libc::EISCONN)));
}

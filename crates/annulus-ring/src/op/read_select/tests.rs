//! The entry of [`ReadSelect`].

use annulus_abi::{CqeFlags, Errno};

use super::*;
use crate::op::tests::{decoded, decoded_with, encoded};

#[test]
fn read_of_a_provided_buffer_names_its_group_and_no_address() {
    let op = ReadSelect { target: Target::Fixed(5), bgid: 9, len: 512, offset: 4096 };
    let golden = Sqe {
        opcode: Opcode(22),
        flags: SqeFlags(1 | 32),
        fd: 5,
        off: 4096,
        len: 512,
        buf_index: 9,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn read_of_a_provided_buffer_says_which_it_was() {
    let flags = CqeFlags(3 << 16) | CqeFlags::BUFFER;
    let read = Received { bytes: 100, buffer: Some(3), buffer_more: false, nonempty: false };
    assert_eq!(decoded_with::<ReadSelect>(100, flags), Ok(read));
    assert_eq!(decoded::<ReadSelect>(-libc::ENOBUFS), Err(Errno(libc::ENOBUFS)));
}

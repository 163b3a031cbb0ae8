//! The entry of [`ReadMulti`].

use annulus_abi::{CqeFlags, Errno};

use super::*;
use crate::op::tests::{decoded, decoded_with, encoded};

#[test]
fn read_multi_names_a_group_and_reads_at_the_current_position() {
    let op = ReadMulti { target: Target::Fd(3), bgid: 2 };
    let golden = Sqe {
        opcode: Opcode(49),
        flags: SqeFlags::BUFFER_SELECT,
        fd: 3,
        off: u64::MAX,
        buf_index: 2,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn read_multi_yields_bytes_and_the_buffer_that_holds_them() {
    let read = decoded_with::<ReadMulti>(3, CqeFlags::BUFFER | CqeFlags(5 << 16)).unwrap();
    assert_eq!((read.bytes, read.buffer), (3, Some(5)));
    assert_eq!(decoded::<ReadMulti>(-libc::EBADFD), Err(Errno(libc::EBADFD)));
}

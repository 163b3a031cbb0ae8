//! The entry of [`ProvideBuffers`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn provide_buffers_has_its_count_as_descriptor_and_its_first_id_as_offset() {
    let op = ProvideBuffers { addr: pointer(0x1000), len: 512, count: 8, bgid: 3, first_bid: 100 };
    let golden = Sqe {
        opcode: Opcode(31),
        fd: 8,
        off: 100,
        addr: 0x1000,
        len: 512,
        buf_index: 3,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn provide_buffers_succeeds_or_fails() {
    assert_eq!(decoded::<ProvideBuffers>(0), Ok(()));
    assert_eq!(decoded::<ProvideBuffers>(-libc::EEXIST), Err(Errno(libc::EEXIST)));
}

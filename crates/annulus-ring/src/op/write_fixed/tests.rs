//! The entry of [`WriteFixed`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn write_fixed_names_its_registered_buffer() {
    let op = WriteFixed {
        target: Target::Fixed(3),
        buf_index: 9,
        addr: pointer(0x1000),
        len: 512,
        offset: 4096,
    };
    let golden = Sqe {
        opcode: Opcode(5),
        flags: SqeFlags::FIXED_FILE,
        fd: 3,
        off: 4096,
        addr: 0x1000,
        len: 512,
        buf_index: 9,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn write_fixed_succeeds_or_fails() {
    assert_eq!(decoded::<WriteFixed>(5), Ok(5));
    assert_eq!(decoded::<WriteFixed>(-libc::EFAULT), Err(Errno(libc::EFAULT)));
}

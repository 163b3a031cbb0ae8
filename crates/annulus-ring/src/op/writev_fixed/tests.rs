//! The entry of [`WritevFixed`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn writev_fixed_names_its_registered_buffer_and_counts_its_pieces() {
    let op = WritevFixed {
        target: Target::Fd(3),
        buf_index: 9,
        iovecs: pointer(0x1000),
        count: 2,
        offset: 4096,
        flags: 0,
    };
    let golden = Sqe {
        opcode: Opcode(61),
        fd: 3,
        off: 4096,
        addr: 0x1000,
        len: 2,
        buf_index: 9,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn writev_fixed_succeeds_or_fails() {
    assert_eq!(decoded::<WritevFixed>(5), Ok(5));
    assert_eq!(decoded::<WritevFixed>(-libc::EFAULT), Err(Errno(libc::EFAULT)));
}

//! The entry of [`Connect`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn connect_has_the_length_of_the_address_as_its_offset() {
    let connect = Connect { target: Target::Fd(5), addr: pointer(0x6000), addr_len: 28 };
    assert_eq!(
        encoded(&connect),
        Sqe { opcode: Opcode(16), fd: 5, off: 28, addr: 0x6000, ..Sqe::default() }
    );
}

#[test]
fn connect_succeeds_or_fails() {
    assert_eq!(decoded::<Connect>(0), Ok(()));
    assert_eq!(decoded::<Connect>(-libc::ECONNREFUSED), Err(Errno(libc::ECONNREFUSED)));
}

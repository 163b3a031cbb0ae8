//! The entry of [`Accept`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn accept_has_address_length_flags_and_place() {
    let accept = Accept {
        target: Target::Fd(5),
        addr: pointer(0x6000),
        addr_len: pointer(0x7000),
        flags: libc::SOCK_CLOEXEC,
        ioprio: AcceptFlags::DONTWAIT,
        place: Place::Fixed(0),
    };
    assert_eq!(
        encoded(&accept),
        Sqe {
            opcode: Opcode(13),
            ioprio: 2,
            fd: 5,
            off: 0x7000,
            addr: 0x6000,
            op_flags: libc::SOCK_CLOEXEC as u32,
            file_index: 1,
            ..Sqe::default()
        }
    );
}

#[test]
fn accept_yields_the_descriptor() {
    assert_eq!(decoded::<Accept>(10), Ok(10));
    assert_eq!(decoded::<Accept>(-libc::EMFILE), Err(Errno(libc::EMFILE)));
}

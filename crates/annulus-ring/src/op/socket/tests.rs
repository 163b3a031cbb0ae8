//! The entry of [`Socket`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn socket_has_its_domain_as_descriptor_and_its_kind_as_offset() {
    let op = Socket {
        domain: libc::AF_INET6,
        kind: libc::SOCK_STREAM | libc::SOCK_NONBLOCK,
        protocol: libc::IPPROTO_TCP,
        place: Place::Fixed(1),
    };
    let golden =
        Sqe { opcode: Opcode(45), fd: 10, off: 0o4001, len: 6, file_index: 2, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn socket_succeeds_or_fails() {
    assert_eq!(decoded::<Socket>(5), Ok(5));
    assert_eq!(decoded::<Socket>(-libc::EAFNOSUPPORT), Err(Errno(libc::EAFNOSUPPORT)));
}

//! The entry of [`GetSocketOption`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn get_socket_option_has_level_and_name_in_one_word() {
    let op = GetSocketOption {
        target: Target::Fd(3),
        level: libc::SOL_SOCKET,
        name: libc::SO_RCVBUF,
        value: pointer(0x1000),
        len: 4,
    };
    let golden = Sqe {
        opcode: Opcode(46),
        fd: 3,
        off: 2,
        addr: 8 << 32 | 1,
        file_index: 4,
        addr3: 0x1000,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn get_socket_option_succeeds_or_fails() {
    assert_eq!(decoded::<GetSocketOption>(5), Ok(5));
    assert_eq!(decoded::<GetSocketOption>(-libc::ENOPROTOOPT), Err(Errno(libc::ENOPROTOOPT)));
}

//! The entry of [`Fallocate`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn fallocate_has_its_mode_as_length_and_its_length_as_address() {
    let op = Fallocate {
        target: Target::Fd(3),
        mode: libc::FALLOC_FL_KEEP_SIZE,
        offset: 4096,
        len: 1 << 33,
    };
    let golden =
        Sqe { opcode: Opcode(17), fd: 3, off: 4096, addr: 1 << 33, len: 1, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn fallocate_succeeds_or_fails() {
    assert_eq!(decoded::<Fallocate>(0), Ok(()));
    assert_eq!(decoded::<Fallocate>(-libc::ENOSPC), Err(Errno(libc::ENOSPC)));
}

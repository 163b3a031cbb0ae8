//! The entry of [`Mkdirat`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn mkdirat_has_its_mode_as_length() {
    let op = Mkdirat { dir: 4, path: pointer(0x1000), mode: 0o755 };
    let golden = Sqe { opcode: Opcode(37), fd: 4, addr: 0x1000, len: 0o755, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn mkdirat_succeeds_or_fails() {
    assert_eq!(decoded::<Mkdirat>(0), Ok(()));
    assert_eq!(decoded::<Mkdirat>(-libc::EEXIST), Err(Errno(libc::EEXIST)));
}

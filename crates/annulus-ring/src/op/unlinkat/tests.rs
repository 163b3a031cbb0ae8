//! The entry of [`Unlinkat`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn unlinkat_has_a_path_and_flags() {
    let op = Unlinkat { dir: 4, path: pointer(0x1000), flags: libc::AT_REMOVEDIR };
    let golden = Sqe { opcode: Opcode(36), fd: 4, addr: 0x1000, op_flags: 0x200, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn unlinkat_succeeds_or_fails() {
    assert_eq!(decoded::<Unlinkat>(0), Ok(()));
    assert_eq!(decoded::<Unlinkat>(-libc::ENOENT), Err(Errno(libc::ENOENT)));
}

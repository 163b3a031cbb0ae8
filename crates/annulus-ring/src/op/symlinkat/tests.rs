//! The entry of [`Symlinkat`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn symlinkat_has_its_text_as_address_and_its_path_as_offset() {
    let op = Symlinkat { text: pointer(0x1000), dir: 4, path: pointer(0x2000) };
    let golden = Sqe { opcode: Opcode(38), fd: 4, off: 0x2000, addr: 0x1000, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn symlinkat_succeeds_or_fails() {
    assert_eq!(decoded::<Symlinkat>(0), Ok(()));
    assert_eq!(decoded::<Symlinkat>(-libc::EEXIST), Err(Errno(libc::EEXIST)));
}

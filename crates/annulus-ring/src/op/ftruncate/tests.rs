//! The entry of [`Ftruncate`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn ftruncate_has_its_length_as_offset() {
    let op = Ftruncate { target: Target::Fixed(3), len: 1 << 40 };
    let golden = Sqe {
        opcode: Opcode(55),
        flags: SqeFlags::FIXED_FILE,
        fd: 3,
        off: 1 << 40,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn ftruncate_succeeds_or_fails() {
    assert_eq!(decoded::<Ftruncate>(0), Ok(()));
    assert_eq!(decoded::<Ftruncate>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

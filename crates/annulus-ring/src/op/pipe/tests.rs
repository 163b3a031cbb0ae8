//! The entry of [`Pipe`].

use annulus_abi::{Errno, FILE_INDEX_ALLOC};

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn pipe_has_an_array_flags_and_place() {
    let op = Pipe { ends: pointer(0x1000), flags: libc::O_CLOEXEC, place: Place::FixedAny };
    let golden = Sqe {
        opcode: Opcode(62),
        addr: 0x1000,
        op_flags: 0x80000,
        file_index: FILE_INDEX_ALLOC,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn pipe_succeeds_or_fails() {
    assert_eq!(decoded::<Pipe>(0), Ok(()));
    assert_eq!(decoded::<Pipe>(-libc::EMFILE), Err(Errno(libc::EMFILE)));
}

//! The entry of [`Openat2`].

use annulus_abi::{Errno, FILE_INDEX_ALLOC};

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn openat2_has_path_how_and_the_size_of_how() {
    let open =
        Openat2 { dir: 8, path: pointer(0x3000), how: pointer(0x4000), place: Place::FixedAny };
    assert_eq!(
        encoded(&open),
        Sqe {
            opcode: Opcode(28),
            fd: 8,
            off: 0x4000,
            addr: 0x3000,
            len: 24,
            file_index: FILE_INDEX_ALLOC,
            ..Sqe::default()
        }
    );
}

#[test]
fn openat2_yields_the_descriptor() {
    assert_eq!(decoded::<Openat2>(9), Ok(9));
    assert_eq!(decoded::<Openat2>(-libc::EXDEV), Err(Errno(libc::EXDEV)));
}

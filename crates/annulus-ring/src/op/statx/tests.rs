//! The entry of [`Statx`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn statx_has_path_mask_flags_and_buffer() {
    let statx = Statx {
        dir: 3,
        path: pointer(0x3000),
        flags: libc::AT_EMPTY_PATH,
        mask: libc::STATX_SIZE,
        buffer: pointer(0x5000),
    };
    assert_eq!(
        encoded(&statx),
        Sqe {
            opcode: Opcode(21),
            fd: 3,
            off: 0x5000,
            addr: 0x3000,
            len: 0x200,
            op_flags: 0x1000,
            ..Sqe::default()
        }
    );
}

#[test]
fn statx_succeeds_or_fails() {
    assert_eq!(decoded::<Statx>(0), Ok(()));
    assert_eq!(decoded::<Statx>(-libc::ENOENT), Err(Errno(libc::ENOENT)));
}

//! The entry of [`Openat`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn openat_has_path_mode_flags_and_place() {
    let open = Openat {
        dir: libc::AT_FDCWD,
        path: pointer(0x3000),
        flags: libc::O_RDWR | libc::O_CREAT,
        mode: 0o644,
        place: Place::Fixed(6),
    };
    assert_eq!(
        encoded(&open),
        Sqe {
            opcode: Opcode(18),
            fd: -100,
            addr: 0x3000,
            len: 0o644,
            op_flags: (libc::O_RDWR | libc::O_CREAT) as u32,
            file_index: 7,
            ..Sqe::default()
        }
    );
}

#[test]
fn openat_yields_the_descriptor() {
    assert_eq!(decoded::<Openat>(9), Ok(9));
    assert_eq!(decoded::<Openat>(-libc::ENOENT), Err(Errno(libc::ENOENT)));
}

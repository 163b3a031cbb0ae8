//! The entry of [`Write`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn write_has_offset_address_and_length() {
    let write =
        Write { target: Target::Fixed(4), addr: pointer(0x2000), len: 4096, offset: u64::MAX };
    assert_eq!(
        encoded(&write),
        Sqe {
            opcode: Opcode(23),
            flags: SqeFlags::FIXED_FILE,
            fd: 4,
            off: u64::MAX,
            addr: 0x2000,
            len: 4096,
            ..Sqe::default()
        }
    );
}

#[test]
fn write_yields_the_bytes_written() {
    assert_eq!(decoded::<Write>(4096), Ok(4096));
    assert_eq!(decoded::<Write>(-libc::ENOSPC), Err(Errno(libc::ENOSPC)));
}

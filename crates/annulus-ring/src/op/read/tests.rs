//! The entry of [`Read`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn read_has_offset_address_and_length() {
    let read = Read {
        target: Target::Fd(4),
        addr: pointer(0x1_2345_6789),
        len: 512,
        offset: 0x1_0000_0000,
    };
    let golden = Sqe {
        opcode: Opcode(22),
        fd: 4,
        off: 0x1_0000_0000,
        addr: 0x1_2345_6789,
        len: 512,
        ..Sqe::default()
    };
    assert_eq!(encoded(&read), golden);

    let fixed = Read { target: Target::Fixed(4), ..read };
    assert_eq!(encoded(&fixed), Sqe { flags: SqeFlags::FIXED_FILE, ..golden });
}

#[test]
fn read_yields_the_bytes_read() {
    assert_eq!(decoded::<Read>(17), Ok(17));
    assert_eq!(decoded::<Read>(-libc::EIO), Err(Errno(libc::EIO)));
}

//! The entry of [`Cmd128`].

use annulus_abi::{Errno, Sqe};

use super::*;
use crate::op::tests::{decoded_wide, encoded_wide};

#[test]
fn uring_cmd128_of_80_bytes_spreads_them_over_both_halves() {
    let mut data = [0; 80];
    for (byte, number) in data.iter_mut().zip(1..) {
        *byte = number;
    }
    let op = Cmd128 {
        target: Target::Fixed(5),
        command: 0x1234,
        addr: 0x1000,
        len: 64,
        flags: UringCmdFlags::FIXED,
        buf_index: 2,
        data,
    };
    let golden = Sqe {
        opcode: Opcode(64),
        flags: SqeFlags::FIXED_FILE,
        fd: 5,
        off: 0x1234,
        addr: 0x1000,
        len: 64,
        op_flags: 1,
        buf_index: 2,
        addr3: 0x0807_0605_0403_0201,
        pad: 0x100f_0e0d_0c0b_0a09,
        ..Sqe::default()
    };
    let entry = encoded_wide(&op);
    assert_eq!(entry.sqe, golden);
    assert_eq!((entry.cmd_rest[0], entry.cmd_rest[63]), (17, 80));
    let multi = Cmd128 { flags: UringCmdFlags::MULTISHOT, ..op };
    assert_eq!(encoded_wide(&multi).sqe.flags, SqeFlags(1 | 32));
}

#[test]
fn uring_cmd128_of_80_bytes_succeeds_or_fails() {
    assert_eq!(decoded_wide::<Cmd128>(3), Ok(3));
    assert_eq!(decoded_wide::<Cmd128>(-libc::EOPNOTSUPP), Err(Errno(libc::EOPNOTSUPP)));
}

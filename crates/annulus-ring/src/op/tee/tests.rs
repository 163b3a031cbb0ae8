//! The entry of [`Tee`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn tee_has_two_pipes_and_no_offsets() {
    let op = Tee {
        from: Target::Fixed(4),
        to: Target::Fd(5),
        len: 4096,
        flags: libc::SPLICE_F_NONBLOCK,
    };
    let golden = Sqe {
        opcode: Opcode(33),
        fd: 5,
        len: 4096,
        op_flags: 0x8000_0002,
        file_index: 4,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn tee_succeeds_or_fails() {
    assert_eq!(decoded::<Tee>(5), Ok(5));
    assert_eq!(decoded::<Tee>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

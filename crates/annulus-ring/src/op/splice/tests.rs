//! The entry of [`Splice`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn splice_has_its_output_as_file_and_its_input_beside_it() {
    let op = Splice {
        from: Target::Fd(4),
        from_offset: 512,
        to: Target::Fixed(5),
        to_offset: u64::MAX,
        len: 65536,
        flags: libc::SPLICE_F_MOVE,
    };
    let golden = Sqe {
        opcode: Opcode(30),
        flags: SqeFlags::FIXED_FILE,
        fd: 5,
        off: u64::MAX,
        addr: 512,
        len: 65536,
        op_flags: 1,
        file_index: 4,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn splice_succeeds_or_fails() {
    assert_eq!(decoded::<Splice>(5), Ok(5));
    assert_eq!(decoded::<Splice>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

#[test]
fn splice_marks_an_input_that_is_a_slot() {
    let op = Splice {
        from: Target::Fixed(4),
        from_offset: u64::MAX,
        to: Target::Fd(5),
        to_offset: 0,
        len: 1,
        flags: 0,
    };
    let sqe = encoded(&op);
    assert_eq!((sqe.file_index, sqe.op_flags), (4, 1 << 31));
    assert_eq!((sqe.fd, sqe.flags), (5, SqeFlags::EMPTY));
}

//! The entry of [`Madvise`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn madvise_has_a_short_length_where_every_kernel_reads_it() {
    let op = Madvise { addr: pointer(0x10000), len: 8192, advice: libc::MADV_DONTNEED };
    let golden =
        Sqe { opcode: Opcode(25), fd: -1, addr: 0x10000, len: 8192, op_flags: 4, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn madvise_succeeds_or_fails() {
    assert_eq!(decoded::<Madvise>(0), Ok(()));
    assert_eq!(decoded::<Madvise>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

#[test]
fn madvise_has_a_long_length_as_its_offset() {
    let op = Madvise { addr: pointer(0x10000), len: 1 << 32, advice: libc::MADV_NORMAL };
    let sqe = encoded(&op);
    assert_eq!((sqe.len, sqe.off), (0, 1 << 32));
}

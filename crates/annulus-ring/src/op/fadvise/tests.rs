//! The entry of [`Fadvise`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn fadvise_has_a_short_length_where_every_kernel_reads_it() {
    let op = Fadvise {
        target: Target::Fd(3),
        offset: 4096,
        len: 8192,
        advice: libc::POSIX_FADV_WILLNEED,
    };
    let golden =
        Sqe { opcode: Opcode(24), fd: 3, off: 4096, len: 8192, op_flags: 3, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn fadvise_succeeds_or_fails() {
    assert_eq!(decoded::<Fadvise>(0), Ok(()));
    assert_eq!(decoded::<Fadvise>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

#[test]
fn fadvise_has_a_long_length_as_its_address() {
    let op =
        Fadvise { target: Target::Fd(3), offset: 0, len: 1 << 32, advice: libc::POSIX_FADV_NORMAL };
    let sqe = encoded(&op);
    assert_eq!((sqe.len, sqe.addr), (0, 1 << 32));
}

//! The entry of [`Timeout`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn timeout_counts_one_timespec_and_so_many_completions() {
    let timeout = Timeout {
        spec: pointer(0xb000),
        count: 3,
        flags: TimeoutFlags::ABS | TimeoutFlags::BOOTTIME,
    };
    assert_eq!(
        encoded(&timeout),
        Sqe {
            opcode: Opcode(11),
            fd: -1,
            off: 3,
            addr: 0xb000,
            len: 1,
            op_flags: 5,
            ..Sqe::default()
        }
    );
}

#[test]
fn timeout_has_its_multishot_and_clock_bits_where_the_kernel_reads_them() {
    let flags = |flags| {
        let timeout = Timeout { spec: pointer(0xb000), count: 0, flags };
        encoded(&timeout).op_flags
    };
    assert_eq!(flags(TimeoutFlags::EMPTY), 0);
    assert_eq!(flags(TimeoutFlags::MULTISHOT), 1 << 6);
    assert_eq!(flags(TimeoutFlags::REALTIME | TimeoutFlags::ETIME_SUCCESS), 0b10_1000);
}

#[test]
fn timeout_that_expired_is_no_error() {
    assert_eq!(decoded::<Timeout>(-libc::ETIME), Ok(TimeoutEnd::Expired));
    assert_eq!(decoded::<Timeout>(0), Ok(TimeoutEnd::Counted));
    assert_eq!(decoded::<Timeout>(-libc::ECANCELED), Err(Errno(libc::ECANCELED)));
}

//! The entry of [`FutexWake`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn futex_wake_has_its_flags_as_descriptor_and_its_count_as_offset() {
    let op = FutexWake { futex: pointer(0x1000), count: 3, mask: u64::from(u32::MAX), flags: 130 };
    let golden = Sqe {
        opcode: Opcode(52),
        fd: 130,
        off: 3,
        addr: 0x1000,
        addr3: 0xffff_ffff,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn futex_wake_succeeds_or_fails() {
    assert_eq!(decoded::<FutexWake>(5), Ok(5));
    assert_eq!(decoded::<FutexWake>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

//! The entry of [`FutexWait`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn futex_wait_has_its_flags_as_descriptor_and_its_value_as_offset() {
    let op = FutexWait { futex: pointer(0x1000), value: 1, mask: u64::from(u32::MAX), flags: 130 };
    let golden = Sqe {
        opcode: Opcode(51),
        fd: 130,
        off: 1,
        addr: 0x1000,
        addr3: 0xffff_ffff,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn futex_wait_succeeds_or_fails() {
    assert_eq!(decoded::<FutexWait>(0), Ok(()));
    assert_eq!(decoded::<FutexWait>(-libc::EAGAIN), Err(Errno(libc::EAGAIN)));
}

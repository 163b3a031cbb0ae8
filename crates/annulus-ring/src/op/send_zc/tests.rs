//! The entry of [`SendZc`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, decoded_with, encoded, pointer};

#[test]
fn send_zc_has_a_registered_buffer_and_an_address() {
    let op = SendZc {
        target: Target::Fixed(5),
        addr: pointer(0x1000),
        len: 64,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::FIXED_BUF,
        buf_index: 2,
        dest: pointer(0x2000),
        dest_len: 28,
    };
    let golden = Sqe {
        opcode: Opcode(47),
        flags: SqeFlags::FIXED_FILE,
        ioprio: 4,
        fd: 5,
        off: 0x2000,
        addr: 0x1000,
        len: 64,
        op_flags: 0x4000,
        buf_index: 2,
        file_index: 28,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn send_zc_succeeds_or_fails() {
    assert_eq!(decoded::<SendZc>(64), Ok(ZeroCopy::Sent { bytes: 64 }));
    assert_eq!(decoded::<SendZc>(-libc::EOPNOTSUPP), Err(Errno(libc::EOPNOTSUPP)));
}

#[test]
fn send_zc_completes_and_then_releases_its_memory() {
    assert_eq!(decoded_with::<SendZc>(64, CqeFlags::MORE), Ok(ZeroCopy::Sent { bytes: 64 }));
    assert_eq!(
        decoded_with::<SendZc>(0, CqeFlags::NOTIF),
        Ok(ZeroCopy::Released { copied: false })
    );
    assert_eq!(decoded::<SendZc>(-libc::EBADF), Err(Errno(libc::EBADF)));
}

#[test]
fn send_zc_reports_a_copy_in_the_sign_bit_of_its_notification() {
    assert_eq!(
        decoded_with::<SendZc>(i32::MIN, CqeFlags::NOTIF),
        Ok(ZeroCopy::Released { copied: true })
    );
}

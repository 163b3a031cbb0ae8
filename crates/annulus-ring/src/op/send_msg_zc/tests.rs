//! The entry of [`SendMsgZc`].

use annulus_abi::{CqeFlags, Errno};

use super::*;
use crate::op::tests::{decoded, decoded_with, encoded, pointer};

#[test]
fn send_msg_zc_counts_one_message() {
    let op = SendMsgZc {
        target: Target::Fd(5),
        msg: pointer(0x1000),
        flags: 0,
        ioprio: RecvSendFlags::SEND_ZC_REPORT_USAGE,
        buf_index: 0,
    };
    let golden =
        Sqe { opcode: Opcode(48), ioprio: 8, fd: 5, addr: 0x1000, len: 1, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn send_msg_zc_succeeds_or_fails() {
    assert_eq!(decoded::<SendMsgZc>(64), Ok(ZeroCopy::Sent { bytes: 64 }));
    assert_eq!(decoded::<SendMsgZc>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

#[test]
fn send_msg_zc_completes_and_then_releases_its_memory() {
    assert_eq!(decoded_with::<SendMsgZc>(64, CqeFlags::MORE), Ok(ZeroCopy::Sent { bytes: 64 }));
    assert_eq!(
        decoded_with::<SendMsgZc>(0, CqeFlags::NOTIF),
        Ok(ZeroCopy::Released { copied: false })
    );
    assert_eq!(decoded::<SendMsgZc>(-libc::EBADF), Err(Errno(libc::EBADF)));
}

//! The entry of [`SendvZc`].

use annulus_abi::{CqeFlags, Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, decoded_with, encoded, pointer};

#[test]
fn sendv_zc_has_pieces_and_perhaps_a_registered_buffer() {
    let op = SendvZc {
        target: Target::Fixed(5),
        iovecs: pointer(0x1000),
        count: 3,
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::SEND_ZC_REPORT_USAGE,
        buf_index: Some(2),
    };
    let golden = Sqe {
        opcode: Opcode(47),
        flags: SqeFlags::FIXED_FILE,
        ioprio: 4 | 8 | 32,
        fd: 5,
        addr: 0x1000,
        len: 3,
        op_flags: 0x4000,
        buf_index: 2,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (7, 1));
    let plain = SendvZc { buf_index: None, ..op };
    assert_eq!((encoded(&plain).ioprio, encoded(&plain).buf_index), (8 | 32, 0));
    assert_eq!(plain.since(), (6, 17));
}

#[test]
fn sendv_zc_completes_and_then_releases_its_memory() {
    assert_eq!(decoded::<SendvZc>(64), Ok(ZeroCopy::Sent { bytes: 64 }));
    assert_eq!(decoded::<SendvZc>(-libc::EPIPE), Err(Errno(libc::EPIPE)));
    let released = ZeroCopy::Released { copied: false };
    assert_eq!(decoded_with::<SendvZc>(0, CqeFlags::NOTIF), Ok(released));
}

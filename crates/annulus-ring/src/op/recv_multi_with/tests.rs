//! The entry of [`RecvMultiWith`].

use annulus_abi::{CqeFlags, Errno};

use super::*;
use crate::op::tests::{decoded, decoded_with, encoded};

#[test]
fn recv_multi_with_options_has_flags_and_both_limits() {
    let op = RecvMultiWith {
        target: Target::Fixed(5),
        bgid: 9,
        flags: libc::MSG_TRUNC,
        ioprio: RecvSendFlags::BUNDLE,
        len_each: 100,
        cap_bytes: 5000,
    };
    let golden = Sqe {
        opcode: Opcode(27),
        flags: SqeFlags(1 | 32),
        ioprio: 2 | 16,
        fd: 5,
        len: 100,
        op_flags: libc::MSG_TRUNC as u32,
        buf_index: 9,
        file_index: 5000,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!((op.since(), op.features()), ((6, 17), Features::RECVSEND_BUNDLE));
    assert_eq!(op.check(), Ok(()));
    let all = RecvMultiWith { flags: libc::MSG_WAITALL, ..op };
    assert!(all.check().is_err());
}

#[test]
fn recv_multi_with_options_says_which_buffer() {
    let flags = CqeFlags(3 << 16) | CqeFlags::BUFFER | CqeFlags::MORE;
    let got = Received { bytes: 100, buffer: Some(3), buffer_more: false, nonempty: false };
    assert_eq!(decoded_with::<RecvMultiWith>(100, flags), Ok(got));
    assert_eq!(decoded::<RecvMultiWith>(-libc::ENOBUFS), Err(Errno(libc::ENOBUFS)));
}

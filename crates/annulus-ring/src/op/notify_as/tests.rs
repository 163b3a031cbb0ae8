//! The entry of [`NotifyAs`].

use annulus_abi::{CqeFlags, Errno, RecvSendFlags, SqeFlags};

use super::*;
use crate::op::Target;
use crate::op::tests::{decoded, decoded_with, encoded, pointer};

#[test]
fn sendmsg_zc_with_a_notification_of_its_own_names_it() {
    let send = SendMsgZc {
        target: Target::Fixed(5),
        msg: pointer(0x1000),
        flags: libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::EMPTY,
        buf_index: 0,
    };
    let op = NotifyAs { send, user_data: 77 };
    let golden = Sqe {
        opcode: Opcode(48),
        flags: SqeFlags::FIXED_FILE,
        fd: 5,
        addr: 0x1000,
        len: 1,
        op_flags: 0x4000,
        addr3: 77,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (7, 1));
    let own = NotifyAs { send, user_data: 0 };
    assert_eq!((encoded(&own), own.since()), (encoded(&send), (6, 1)));
}

#[test]
fn send_zc_with_a_notification_of_its_own_ends_as_the_send() {
    assert_eq!(decoded::<NotifyAs<SendZc>>(64), Ok(ZeroCopy::Sent { bytes: 64 }));
    assert_eq!(decoded::<NotifyAs<SendZc>>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
    let released = ZeroCopy::Released { copied: false };
    assert_eq!(decoded_with::<NotifyAs<SendZc>>(0, CqeFlags::NOTIF), Ok(released));
}

//! The entry of [`RecvMsgMulti`].

use annulus_abi::{CqeFlags, Errno};

use super::*;
use crate::op::tests::{decoded, decoded_with, encoded, pointer};

#[test]
fn recv_msg_multi_has_a_message_for_its_lengths_and_a_group_for_its_buffers() {
    let op = RecvMsgMulti {
        target: Target::Fd(5),
        msg: pointer(0x1000),
        flags: libc::MSG_TRUNC,
        bgid: 7,
        ioprio: RecvSendFlags::EMPTY,
    };
    let golden = Sqe {
        opcode: Opcode(10),
        flags: SqeFlags::BUFFER_SELECT,
        ioprio: 2,
        fd: 5,
        addr: 0x1000,
        len: 1,
        op_flags: 0x20,
        buf_index: 7,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

/// A buffer as the kernel fills it: lengths as they truly were, room as it was asked for.
fn filled(lengths: [u32; 3], room: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [lengths[0], lengths[1], lengths[2], 0x20] {
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    bytes.extend_from_slice(room);
    bytes
}

#[test]
fn recv_msg_multi_yields_bytes_and_the_buffer_that_holds_them() {
    let received = decoded_with::<RecvMsgMulti>(40, CqeFlags::BUFFER | CqeFlags(9 << 16)).unwrap();
    assert_eq!((received.bytes, received.buffer), (40, Some(9)));
    assert_eq!(decoded::<RecvMsgMulti>(-libc::EFAULT), Err(Errno(libc::EFAULT)));
}

#[test]
fn message_parts_are_name_control_and_payload_in_this_order() {
    let bytes = filled([3, 2, 5], b"nam_ct__hello");
    let parts = MessageParts::parse(&bytes, 4, 4).unwrap();
    assert_eq!(
        parts,
        MessageParts { name: b"nam", control: b"ct", payload: b"hello", flags: 0x20 }
    );
}

#[test]
fn message_parts_never_reach_behind_the_room_that_they_have() {
    let bytes = filled([100, 100, 100], b"namectrlhel");
    let parts = MessageParts::parse(&bytes, 4, 4).unwrap();
    assert_eq!((parts.name, parts.control), (&b"name"[..], &b"ctrl"[..]));
    assert_eq!(parts.payload, b"hel");
}

#[test]
fn message_parts_need_a_whole_header_and_all_the_room() {
    assert_eq!(MessageParts::parse(&[0; 15], 0, 0), None);
    assert_eq!(MessageParts::parse(&[0; 20], 5, 0), None);
    assert_eq!(MessageParts::parse(&[0; 20], 0, usize::MAX), None);
}

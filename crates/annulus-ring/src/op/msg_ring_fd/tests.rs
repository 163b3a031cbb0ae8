//! The entry of [`MsgRingFd`].

use annulus_abi::{Errno, FILE_INDEX_ALLOC};

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn msg_ring_fd_has_its_source_as_third_address_and_its_place_as_file_index() {
    let op = MsgRingFd {
        target: Target::Fd(3),
        user_data: 99,
        slot: 4,
        place: Place::FixedAny,
        flags: MsgRingFlags::CQE_SKIP,
    };
    let golden = Sqe {
        opcode: Opcode(40),
        fd: 3,
        off: 99,
        addr: 1,
        op_flags: 1,
        file_index: FILE_INDEX_ALLOC,
        addr3: 4,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn msg_ring_fd_succeeds_or_fails() {
    assert_eq!(decoded::<MsgRingFd>(5), Ok(5));
    assert_eq!(decoded::<MsgRingFd>(-libc::ENFILE), Err(Errno(libc::ENFILE)));
}

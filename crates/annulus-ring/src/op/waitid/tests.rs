//! The entry of [`Waitid`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn waitid_has_its_id_as_descriptor_and_its_options_as_file_index() {
    let op =
        Waitid { id_type: libc::P_PIDFD, id: 9, info: pointer(0x1000), options: libc::WEXITED };
    let golden =
        Sqe { opcode: Opcode(50), fd: 9, off: 0x1000, len: 3, file_index: 4, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn waitid_succeeds_or_fails() {
    assert_eq!(decoded::<Waitid>(0), Ok(()));
    assert_eq!(decoded::<Waitid>(-libc::ECHILD), Err(Errno(libc::ECHILD)));
}

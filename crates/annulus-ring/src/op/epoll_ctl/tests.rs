//! The entry of [`EpollCtl`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};

#[test]
fn epoll_ctl_has_its_command_as_length_and_its_descriptor_as_offset() {
    let op = EpollCtl { epoll: 3, command: libc::EPOLL_CTL_MOD, fd: 8, event: pointer(0x1000) };
    let golden = Sqe { opcode: Opcode(29), fd: 3, off: 8, addr: 0x1000, len: 3, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn epoll_ctl_succeeds_or_fails() {
    assert_eq!(decoded::<EpollCtl>(0), Ok(()));
    assert_eq!(decoded::<EpollCtl>(-libc::EEXIST), Err(Errno(libc::EEXIST)));
}

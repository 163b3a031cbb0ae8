//! The entry of [`CancelFd`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn cancel_fd_has_its_flags_in_its_own_word() {
    let op = CancelFd { target: Target::Fd(5), flags: CancelFlags::ALL };
    let golden = Sqe { opcode: Opcode(14), fd: 5, op_flags: 3, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn cancel_fd_succeeds_or_fails() {
    assert_eq!(decoded::<CancelFd>(2), Ok(CancelOutcome::Done(2)));
    assert_eq!(decoded::<CancelFd>(-libc::EBADF), Err(Errno(libc::EBADF)));
}

#[test]
fn cancel_fd_marks_a_slot_in_its_own_flags() {
    let op = CancelFd { target: Target::Fixed(5), flags: CancelFlags::EMPTY };
    let sqe = encoded(&op);
    assert_eq!((sqe.fd, sqe.op_flags, sqe.flags.bits()), (5, 0b1010, 0));
}

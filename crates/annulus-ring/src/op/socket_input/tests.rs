//! The entry of [`SocketInput`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn uring_cmd_of_siocinq_is_a_number_and_nothing_else() {
    let op = SocketInput { target: Target::Fixed(5) };
    let golden =
        Sqe { opcode: Opcode(46), flags: SqeFlags::FIXED_FILE, fd: 5, off: 0, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (6, 7));
}

#[test]
fn uring_cmd_of_siocinq_succeeds_or_fails() {
    assert_eq!(decoded::<SocketInput>(3), Ok(3));
    assert_eq!(decoded::<SocketInput>(-libc::EOPNOTSUPP), Err(Errno(libc::EOPNOTSUPP)));
}

//! The entry of [`FixedFdInstall`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn fixed_fd_install_names_its_slot_as_a_fixed_file() {
    let op = FixedFdInstall { slot: 6, inherit: true };
    let golden = Sqe {
        opcode: Opcode(54),
        flags: SqeFlags::FIXED_FILE,
        fd: 6,
        op_flags: 1,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn fixed_fd_install_succeeds_or_fails() {
    assert_eq!(decoded::<FixedFdInstall>(5), Ok(5));
    assert_eq!(decoded::<FixedFdInstall>(-libc::EBADF), Err(Errno(libc::EBADF)));
}

#[test]
fn fixed_fd_install_closes_on_exec_unless_told_otherwise() {
    let op = FixedFdInstall { slot: 6, inherit: false };
    assert_eq!(encoded(&op).op_flags, 0);
}

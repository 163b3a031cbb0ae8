//! The entry of [`Cancel`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn cancel_has_the_user_data_as_its_address() {
    let cancel = Cancel { user_data: u64::MAX - 1, flags: CancelFlags::ALL };
    assert_eq!(
        encoded(&cancel),
        Sqe { opcode: Opcode(14), fd: -1, addr: u64::MAX - 1, op_flags: 1, ..Sqe::default() }
    );
}

#[test]
fn cancel_that_missed_is_no_error() {
    assert_eq!(decoded::<Cancel>(0), Ok(CancelOutcome::Done(0)));
    assert_eq!(decoded::<Cancel>(5), Ok(CancelOutcome::Done(5)));
    assert_eq!(decoded::<Cancel>(-libc::ENOENT), Ok(CancelOutcome::NotFound));
    assert_eq!(decoded::<Cancel>(-libc::EALREADY), Ok(CancelOutcome::Running));
    assert_eq!(decoded::<Cancel>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

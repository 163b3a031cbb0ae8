//! The entry of [`ZoneResetAll`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn uring_cmd_of_zone_reset_all_is_a_number_and_nothing_else() {
    let op = ZoneResetAll { target: Target::Fixed(5) };
    let golden = Sqe {
        opcode: Opcode(46),
        flags: SqeFlags::FIXED_FILE,
        fd: 5,
        off: 0x1201,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn uring_cmd_of_zone_reset_all_succeeds_or_fails() {
    assert_eq!(decoded::<ZoneResetAll>(0), Ok(()));
    assert_eq!(decoded::<ZoneResetAll>(-libc::EOPNOTSUPP), Err(Errno(libc::EOPNOTSUPP)));
}

//! The entry of [`TxTimestamps`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::tests::{decoded, decoded_with, encoded};

#[test]
fn uring_cmd_of_tx_timestamp_is_a_number_and_nothing_else() {
    let op = TxTimestamps { target: Target::Fixed(5) };
    let golden =
        Sqe { opcode: Opcode(46), flags: SqeFlags::FIXED_FILE, fd: 5, off: 4, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
    assert_eq!(op.since(), (6, 17));
}

#[test]
fn uring_cmd_of_tx_timestamp_says_which_packet_and_whose_time() {
    let flags = CqeFlags(2 << 17) | CqeFlags::TSTAMP_HW | CqeFlags::MORE;
    let stamp = TxTimestamp { key: 7, kind: 2, by_hardware: true };
    assert_eq!(decoded_with::<TxTimestamps>(7, flags), Ok(stamp));
    assert_eq!(decoded::<TxTimestamps>(-libc::EINVAL), Err(Errno(libc::EINVAL)));
}

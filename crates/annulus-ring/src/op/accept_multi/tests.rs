//! The entry of [`AcceptMulti`].

use annulus_abi::{CqeFlags, FILE_INDEX_ALLOC, SqeFlags};

use super::*;
use crate::op::tests::{decoded_with, encoded};

#[test]
fn accept_multi_is_accept_with_the_multishot_flag_and_no_address() {
    let accept = AcceptMulti {
        target: Target::Fixed(5),
        flags: libc::SOCK_NONBLOCK,
        ioprio: AcceptFlags::POLL_FIRST,
        place: Place::FixedAny,
    };
    assert_eq!(
        encoded(&accept),
        Sqe {
            opcode: Opcode(13),
            flags: SqeFlags::FIXED_FILE,
            ioprio: 5,
            fd: 5,
            op_flags: libc::SOCK_NONBLOCK as u32,
            file_index: FILE_INDEX_ALLOC,
            ..Sqe::default()
        }
    );
}

#[test]
fn accept_multi_yields_a_descriptor_per_completion() {
    assert_eq!(decoded_with::<AcceptMulti>(10, CqeFlags::MORE), Ok(10));
}

//! The entry of [`Flagged`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded, pointer};
use crate::op::{Nop, Read, Target};

#[test]
fn a_flagged_operation_is_the_operation_its_flags_and_its_personality() {
    let read = Read { target: Target::Fixed(5), addr: pointer(0x1000), len: 512, offset: 0 };
    let op = read.flagged().linked().hard_linked().on_worker().acting_as(7);
    let golden = Sqe {
        opcode: Opcode(22),
        flags: SqeFlags(1 | 4 | 8 | 16),
        fd: 5,
        addr: 0x1000,
        len: 512,
        personality: 7,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!(encoded(&Nop.flagged().drained()).flags, SqeFlags(2));
    assert_eq!(encoded(&Nop.flagged().silent()).flags, SqeFlags(64));
}

#[test]
fn a_flagged_operation_succeeds_or_fails_as_the_operation() {
    assert_eq!(decoded::<Flagged<Read>>(64), Ok(64));
    assert_eq!(decoded::<Flagged<Read>>(-libc::ECANCELED), Err(Errno(libc::ECANCELED)));
}

#[test]
fn a_flagged_operation_needs_the_kernel_of_its_flags() {
    assert_eq!(Nop.flagged().since(), (5, 1));
    assert_eq!(Nop.flagged().linked().since(), (5, 3));
    assert_eq!(Nop.flagged().acting_as(1).since(), (5, 6));
    let silent = Nop.flagged().silent();
    assert_eq!((silent.since(), silent.features()), ((5, 17), Features::CQE_SKIP));
}

#[test]
fn flags_that_exclude_one_another_and_flags_of_the_operation_are_refused() {
    assert_eq!(Nop.flagged().linked().silent().check(), Ok(()));
    let both = Nop.flagged().drained().silent().check().unwrap_err();
    assert_eq!(both.to_string(), "NOP: a drain counts completions, so none may be skipped");
    for flags in [SqeFlags::FIXED_FILE, SqeFlags::BUFFER_SELECT] {
        assert!(Flagged { flags, ..Nop.flagged() }.check().is_err());
    }
}

//! What the golden tests of the operations share, and the tests of what the operations share.

use std::ptr;

use annulus_abi::{CqeFlags, Errno};

use super::*;

/// The entry that `op` is written as, with the promises of [`Op::encode`] checked on the way.
pub(super) fn encoded<O: Op>(op: &O) -> Sqe {
    const MARK: u64 = 0x5afe_0000_0000_0001;
    let mut sqe = Sqe { user_data: MARK, ..Sqe::default() };
    op.encode(&mut sqe);
    assert_eq!(sqe.user_data, MARK, "user_data belongs to the submitter");
    assert_eq!(sqe.opcode, O::OPCODE);

    let mut linked = Sqe { flags: SqeFlags::IO_LINK, ..Sqe::default() };
    op.encode(&mut linked);
    assert_eq!(linked.flags, sqe.flags | SqeFlags::IO_LINK);

    sqe.user_data = 0;
    sqe
}

/// What a completion with `res` and no flags means to `O`, errors as their number.
pub(super) fn decoded<O: Op>(res: i32) -> Result<O::Output, Errno> {
    decoded_with::<O>(res, CqeFlags::EMPTY)
}

/// What a completion with `res` and `flags` means to `O`, errors as their number.
pub(super) fn decoded_with<O: Op>(res: i32, flags: CqeFlags) -> Result<O::Output, Errno> {
    let cqe = Cqe { user_data: 7, res, flags };
    O::decode(&cqe).map_err(|error| Errno(error.raw_os_error().unwrap()))
}

/// The entry of 128 bytes that `op` is written as, with the promises of [`WideOp::encode`] checked.
pub(super) fn encoded_wide<O: WideOp>(op: &O) -> Sqe128 {
    const MARK: u64 = 0x5afe_0000_0000_0002;
    let marked = Sqe { user_data: MARK, flags: SqeFlags::IO_LINK, ..Sqe::default() };
    let mut sqe = Sqe128 { sqe: marked, cmd_rest: [0; 64] };
    op.encode(&mut sqe);
    assert_eq!(sqe.sqe.user_data, MARK, "user_data belongs to the submitter");
    assert_eq!(sqe.sqe.opcode, O::OPCODE);
    assert!(sqe.sqe.flags.contains(SqeFlags::IO_LINK), "flags of the submitter stay");
    sqe.sqe.user_data = 0;
    sqe.sqe.flags = sqe.sqe.flags.without(SqeFlags::IO_LINK);
    sqe
}

/// What a completion with `res` means to `O`, errors as their number.
pub(super) fn decoded_wide<O: WideOp>(res: i32) -> Result<O::Output, Errno> {
    let cqe = Cqe { user_data: 7, res, flags: CqeFlags::EMPTY };
    O::decode(&cqe).map_err(|error| Errno(error.raw_os_error().unwrap()))
}

/// A pointer that is only a number.
pub(super) fn pointer<T>(address: usize) -> *mut T {
    ptr::without_provenance_mut(address)
}

#[test]
fn a_descriptor_is_written_as_it_is() {
    let mut sqe = Sqe::default();
    Target::Fd(5).encode(&mut sqe);
    assert_eq!(sqe, Sqe { fd: 5, ..Sqe::default() });
}

#[test]
fn a_slot_sets_the_fixed_file_flag_and_keeps_the_others() {
    let mut sqe = Sqe { flags: SqeFlags::IO_LINK, ..Sqe::default() };
    Target::Fixed(5).encode(&mut sqe);
    assert_eq!(sqe.fd, 5);
    assert_eq!(sqe.flags, SqeFlags::IO_LINK | SqeFlags::FIXED_FILE);
}

#[test]
fn a_slot_for_a_new_file_is_counted_from_one() {
    let index = |place: Place| {
        let mut sqe = Sqe::default();
        place.encode(&mut sqe);
        sqe.file_index
    };
    assert_eq!(index(Place::Fd), 0);
    assert_eq!(index(Place::Fixed(0)), 1);
    assert_eq!(index(Place::Fixed(9)), 10);
    assert_eq!(index(Place::FixedAny), FILE_INDEX_ALLOC);
}

#[test]
fn an_address_is_the_whole_pointer() {
    assert_eq!(address(pointer::<u8>(usize::MAX)), u64::MAX);
    assert_eq!(address(ptr::null::<u8>()), 0);
}

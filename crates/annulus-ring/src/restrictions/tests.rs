//! The list that the kernel gets.

use super::*;

#[test]
fn each_choice_is_one_entry_and_a_repeated_one_is_not_two() {
    let list = Restrictions::none_allowed()
        .allow_op(Opcode::READ)
        .allow_op(Opcode::READ)
        .allow_registration(RegisterOp::PROBE)
        .allow_flags(SqeFlags::IO_LINK)
        .allow_flags(SqeFlags::ASYNC)
        .require_flags(SqeFlags::FIXED_FILE);
    assert!(list.allows_op(Opcode::READ) && !list.allows_op(Opcode::WRITE));
    assert!(list.allows_registration(RegisterOp::PROBE));
    assert!(!list.allows_registration(RegisterOp::FILES));
    assert_eq!(
        list.entries(),
        [
            Restriction::sqe_op(Opcode::READ),
            Restriction::register_op(RegisterOp::PROBE),
            Restriction::sqe_flags_allowed(SqeFlags::IO_LINK | SqeFlags::ASYNC),
            Restriction::sqe_flags_required(SqeFlags::FIXED_FILE),
        ]
    );
}

#[test]
fn the_empty_list_is_still_a_list() {
    let nothing = [Restriction::sqe_flags_allowed(SqeFlags::EMPTY)];
    assert_eq!(Restrictions::none_allowed().entries(), nothing);
}

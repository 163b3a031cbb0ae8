//! The union members lie where the C header has them.

use crate::{FILE_INDEX_ALLOC, Opcode, Sqe};

/// An entry of which every bit outside opcode and flags is set.
fn full() -> Sqe {
    Sqe { off: u64::MAX, addr: u64::MAX, file_index: u32::MAX, ..Sqe::new(Opcode::URING_CMD) }
}

#[test]
fn a_new_entry_has_only_its_opcode() {
    assert_eq!(Sqe::new(Opcode::NOP), Sqe::default());
    let sqe = Sqe::new(Opcode::RECV);
    assert_eq!(sqe, Sqe { opcode: Opcode::RECV, ..Sqe::default() });
}

#[test]
fn narrow_members_leave_the_rest_of_their_union_alone() {
    let mut sqe = full();
    sqe.set_cmd_op(0x1234);
    assert_eq!(sqe.off, 0xffff_ffff_0000_1234);
    sqe.set_level(1);
    assert_eq!(sqe.addr, 0xffff_ffff_0000_0001);
    sqe.set_optname(2);
    assert_eq!(sqe.addr, 0x0000_0002_0000_0001);
    sqe.set_addr_len(16);
    assert_eq!(sqe.file_index, 0xffff_0010);
    assert_eq!((sqe.cmd_op(), sqe.level(), sqe.optname(), sqe.addr_len()), (0x1234, 1, 2, 16));
}

#[test]
fn whole_members_are_their_field() {
    let mut sqe = Sqe::default();
    sqe.set_addr2(1);
    sqe.set_splice_off_in(2);
    sqe.set_buf_group(3);
    sqe.set_splice_fd_in(-1);
    assert_eq!((sqe.off, sqe.addr, sqe.buf_index), (1, 2, 3));
    assert_eq!(sqe.file_index, u32::MAX);
    assert_eq!((sqe.addr2(), sqe.splice_off_in(), sqe.buf_group()), (1, 2, 3));
    assert_eq!(sqe.splice_fd_in(), -1);
    sqe.set_optlen(4);
    assert_eq!((sqe.optlen(), sqe.zcrx_ifq_idx(), sqe.file_index), (4, 4, 4));
    sqe.set_zcrx_ifq_idx(5);
    assert_eq!(sqe.file_index, 5);
    sqe.set_attr_ptr(6);
    sqe.set_attr_type_mask(7);
    assert_eq!((sqe.addr3, sqe.pad), (6, 7));
    assert_eq!((sqe.attr_ptr(), sqe.optval(), sqe.attr_type_mask()), (6, 6, 7));
    sqe.set_optval(8);
    assert_eq!(sqe.addr3, 8);
    sqe.op_flags = 0x1_0004;
    assert_eq!(sqe.poll_events(), 4);
}

#[test]
fn command_bytes_fill_the_last_two_words_in_order() {
    let mut sqe = Sqe::default();
    let cmd = core::array::from_fn(|index| index as u8);
    sqe.set_cmd(cmd);
    assert_eq!(sqe.addr3, 0x0706_0504_0302_0100);
    assert_eq!(sqe.pad, 0x0f0e_0d0c_0b0a_0908);
    assert_eq!(sqe.cmd(), cmd);
}

#[test]
fn slots_count_from_one_because_zero_means_a_descriptor() {
    let mut sqe = Sqe::default();
    assert_eq!(sqe.fixed_slot(), None);
    sqe.set_fixed_slot(0);
    assert_eq!((sqe.file_index, sqe.fixed_slot()), (1, Some(0)));
    sqe.file_index = FILE_INDEX_ALLOC;
    assert_eq!(sqe.fixed_slot(), None);
}

#[test]
fn a_cancel_by_opcode_has_it_in_len() {
    let mut sqe = Sqe::new(Opcode::ASYNC_CANCEL);
    sqe.len = u32::from(Opcode::RECV.0);
    assert_eq!(sqe.cancel_opcode(), Opcode::RECV);
}

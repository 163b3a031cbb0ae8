//! The table of register operations is consistent, and arguments say what they are told.

use super::ops::ROWS;
use crate::{BufReg, Opcode, Probe, ProbeOp, RegisterOp, Restriction, RestrictionKind, SqeFlags};

#[test]
fn every_row_stands_at_its_own_number() {
    assert_eq!(ROWS.len(), RegisterOp::TABLE.len());
    for (index, (number, name)) in ROWS.iter().enumerate() {
        assert_eq!(*number as usize, index, "{name}");
        assert_eq!(RegisterOp(*number).name(), *name);
    }
}

#[test]
fn c_names_follow_from_names() {
    for (name, c_name, _) in RegisterOp::TABLE {
        let expected = if name.starts_with("UNREGISTER_") {
            format!("IORING_{name}")
        } else {
            format!("IORING_REGISTER_{name}")
        };
        assert_eq!(*c_name, expected);
    }
}

#[test]
fn debug_output_has_name_and_number() {
    assert_eq!(format!("{:?}", RegisterOp::PBUF_RING), "PBUF_RING(22)");
    assert_eq!(format!("{:?}", RegisterOp(38)), "?(38)");
    assert_eq!(RegisterOp(38).since(), None);
}

#[test]
fn a_probe_supports_only_what_it_listed() {
    let mut probe = Probe::default();
    probe.ops[usize::from(Opcode::RECV.0)].flags = ProbeOp::SUPPORTED;
    assert!(!probe.supports(Opcode::RECV), "nothing was filled yet");
    probe.ops_len = Opcode::RECV.0 + 1;
    assert!(probe.supports(Opcode::RECV));
    assert!(!probe.supports(Opcode::SEND));
    assert!(!probe.supports(Opcode::OPENAT2));
}

#[test]
fn min_left_is_the_lower_half_of_the_first_reserved_word() {
    let mut reg = BufReg { resv: [u64::MAX, 0, 0], ..BufReg::default() };
    reg.set_min_left(5);
    assert_eq!(reg.resv[0], 0xffff_ffff_0000_0005);
    assert_eq!(reg.min_left(), 5);
}

#[test]
fn restrictions_carry_their_value_in_the_one_byte() {
    let flags = Restriction::sqe_flags_required(SqeFlags::FIXED_FILE);
    assert_eq!(flags.kind, RestrictionKind::SQE_FLAGS_REQUIRED);
    assert_eq!(flags.value, 1);
    let op = Restriction::register_op(RegisterOp::ENABLE_RINGS);
    assert_eq!((op.kind, op.value), (RestrictionKind::REGISTER_OP, 12));
}

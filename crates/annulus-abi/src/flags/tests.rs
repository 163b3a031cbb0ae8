//! What every flag type promises, shown on two of them.

use crate::{CqeFlags, Features, SetupFlags, SqeFlags};

const BOTH: SqeFlags = SqeFlags::IO_LINK.union(SqeFlags::ASYNC);

#[test]
fn contains_needs_every_bit_and_intersects_needs_one() {
    assert!(BOTH.contains(SqeFlags::IO_LINK));
    assert!(BOTH.contains(BOTH));
    assert!(!SqeFlags::IO_LINK.contains(BOTH));
    assert!(SqeFlags::IO_LINK.intersects(BOTH));
    assert!(!SqeFlags::IO_DRAIN.intersects(BOTH));
}

#[test]
fn the_empty_set_is_contained_in_everything_and_intersects_nothing() {
    assert!(SqeFlags::EMPTY.is_empty());
    assert!(BOTH.contains(SqeFlags::EMPTY));
    assert!(!BOTH.intersects(SqeFlags::EMPTY));
    assert_eq!(SqeFlags::default(), SqeFlags::EMPTY);
}

#[test]
fn union_and_without_undo_each_other() {
    assert_eq!(BOTH.without(SqeFlags::ASYNC), SqeFlags::IO_LINK);
    assert_eq!(SqeFlags::IO_LINK | SqeFlags::ASYNC, BOTH);
    assert_eq!(BOTH.without(SqeFlags::IO_DRAIN), BOTH);
    let mut flags = SqeFlags::IO_LINK;
    flags |= SqeFlags::ASYNC;
    assert_eq!(flags, BOTH);
    assert_eq!(flags.bits(), 0b1_0100);
}

#[test]
fn debug_output_names_the_bits_in_header_order() {
    assert_eq!(format!("{BOTH:?}"), "SqeFlags(IO_LINK | ASYNC)");
    assert_eq!(format!("{:?}", SqeFlags::EMPTY), "SqeFlags()");
}

#[test]
fn debug_output_shows_bits_without_a_name_as_hex() {
    let flags = CqeFlags::BUFFER | CqeFlags(7 << CqeFlags::BUFFER_SHIFT);
    assert_eq!(format!("{flags:?}"), "CqeFlags(BUFFER | 0x70000)");
    assert_eq!(format!("{:?}", SqeFlags(1 << 7)), "SqeFlags(0x80)");
}

#[test]
fn a_set_is_as_old_as_its_newest_bit() {
    assert_eq!(SetupFlags::EMPTY.since(), Some((5, 1)));
    let ladder = SetupFlags::DEFER_TASKRUN | SetupFlags::SINGLE_ISSUER | SetupFlags::CLAMP;
    assert_eq!(ladder.since(), Some((6, 1)));
    assert_eq!((ladder | SetupFlags::NO_SQARRAY).since(), Some((6, 6)));
    assert_eq!(SetupFlags(1 << 31).since(), None);
}

#[test]
fn minor_versions_compare_as_numbers() {
    let flags = Features::RECVSEND_BUNDLE | Features::REG_REG_RING;
    assert_eq!(flags.since(), Some((6, 10)));
}

#[test]
fn both_tables_list_the_same_bits_once_each() {
    let mut seen = SetupFlags::EMPTY;
    assert_eq!(SetupFlags::NAMES.len(), SetupFlags::TABLE.len());
    for ((name, bit), (c_name, same_bit, _)) in SetupFlags::NAMES.iter().zip(SetupFlags::TABLE) {
        assert_eq!(bit, same_bit);
        assert_eq!(*c_name, format!("IORING_SETUP_{name}"));
        assert!(!seen.intersects(*bit), "{name} shares a bit");
        seen |= *bit;
    }
}

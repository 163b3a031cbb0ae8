//! The table of opcodes is consistent.

use super::numbers::ROWS;
use crate::{Issue, Opcode};

#[test]
fn every_row_stands_at_its_own_number() {
    assert_eq!(ROWS.len(), usize::from(Opcode::COUNT));
    for (index, (number, name)) in ROWS.iter().enumerate() {
        assert_eq!(usize::from(*number), index, "{name}");
        assert_eq!(Opcode(*number).name(), *name);
    }
}

#[test]
fn names_and_c_names_agree_and_none_occurs_twice() {
    let mut seen = std::collections::HashSet::new();
    for (number, c_name) in Opcode::C_NAMES.iter().enumerate() {
        let name = Opcode(number as u8).name();
        assert_eq!(*c_name, format!("IORING_OP_{name}"));
        assert!(seen.insert(name), "{name} occurs twice");
    }
}

#[test]
fn versions_never_go_back_as_numbers_go_up() {
    let mut last = (5, 1);
    for (name, since) in Opcode::TABLE {
        assert!(since >= last, "{name} is older than its predecessor");
        last = since;
    }
}

#[test]
fn every_opcode_names_a_manual_page() {
    for page in Opcode::MAN_PAGES {
        assert!(page.starts_with("io_uring") && page.contains('('), "{page}");
    }
}

#[test]
fn a_number_without_a_name_is_still_a_value() {
    let unknown = Opcode(Opcode::COUNT);
    assert_eq!(unknown.name(), "?");
    assert_eq!(unknown.since(), None);
    assert_eq!(unknown.issue(), None);
    assert_eq!(unknown.man_page(), None);
    assert_eq!(format!("{unknown:?}"), "?(65)");
}

#[test]
fn the_ways_of_issue_that_were_measured_are_recorded() {
    assert_eq!(Opcode::NOP.issue(), Some(Issue::Inline));
    assert_eq!(Opcode::RECV.issue(), Some(Issue::Polled));
    assert_eq!(Opcode::SHUTDOWN.issue(), Some(Issue::Punted));
    assert_eq!(Opcode::SPLICE.issue(), Some(Issue::Punted));
    assert_eq!(Opcode::TIMEOUT.issue(), Some(Issue::Armed));
}

#[test]
fn only_the_two_wide_opcodes_are_128_bytes() {
    let wide: Vec<_> = (0..=u8::MAX).map(Opcode).filter(|op| op.is_128()).collect();
    assert_eq!(wide, [Opcode::NOP128, Opcode::URING_CMD128]);
}

//! Ops on made-up files.

use super::{aliases_and_golden_tests, conformance};
use crate::tree::Tree;

const OP: &str =
    "//! Nop.\n#[doc(alias = \"IORING_OP_NOP\")]\npub struct Nop;\nimpl Op for Nop {}\n";
const PATH: &str = "crates/annulus-ring/src/op/nop.rs";
const GOLDEN: (&str, &str) = ("crates/annulus-ring/src/op/nop/tests.rs", "encode(&Nop);\n");
const CASE: (&str, &str) = ("crates/annulus-ring/tests/it/ops.rs", "push(&Nop);\n");

#[test]
fn a_complete_op_is_fine() {
    let tree = Tree::of(&[(PATH, OP), GOLDEN, CASE]);
    assert_eq!(aliases_and_golden_tests(&tree), []);
    assert_eq!(conformance(&tree, &[]), []);
}

#[test]
fn an_op_without_alias_or_golden_test_is_found() {
    let bare = OP.replace("#[doc(alias = \"IORING_OP_NOP\")]\n", "");
    let findings = aliases_and_golden_tests(&Tree::of(&[(PATH, &bare), CASE]));
    assert_eq!(findings.len(), 2);
}

#[test]
fn a_golden_test_may_stand_in_the_file() {
    let text = format!("{OP}#[cfg(test)]\nmod tests {{\n    fn f() {{ encode(&Nop); }}\n}}\n");
    assert_eq!(aliases_and_golden_tests(&Tree::of(&[(PATH, &text)])), []);
}

#[test]
fn an_op_without_a_conformance_test_is_found_unless_excepted() {
    let tree = Tree::of(&[(PATH, OP), GOLDEN]);
    assert_eq!(conformance(&tree, &[]).len(), 1);
    assert_eq!(conformance(&tree, &["Nop"]), []);
}

#[test]
fn an_exception_that_is_not_needed_is_found() {
    assert_eq!(conformance(&Tree::of(&[(PATH, OP), CASE]), &["Nop"]).len(), 1);
    assert_eq!(conformance(&Tree::of(&[(PATH, OP), CASE]), &["Gone"]).len(), 1);
}

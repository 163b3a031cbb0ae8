//! Orderings on made-up files.

use super::orderings;
use crate::tree::Tree;

fn count(text: &str) -> usize {
    orderings(&Tree::of(&[("src/a.rs", text)])).len()
}

#[test]
fn an_access_needs_a_word_about_its_partner() {
    assert_eq!(count("x.load(Ordering::Acquire);\n"), 1);
    assert_eq!(
        count("// ORDERING: pairs with the store in `push`.\nx.load(Ordering::Acquire);\n"),
        0
    );
    assert_eq!(count("x.load(Ordering::Acquire); // ORDERING: pairs with `push`.\n"), 0);
}

#[test]
fn a_call_over_several_lines_is_within_reach() {
    let text = "// ORDERING: pairs with `pop`.\nx.compare_exchange(\n    a,\n    b,\n    \
                Ordering::AcqRel,\n    Ordering::Relaxed,\n);\n";
    assert_eq!(count(text), 0);
    assert_eq!(count(&text.replace("ORDERING:", "Note:")), 2);
}

#[test]
fn the_comment_of_an_access_far_above_does_not_serve() {
    let text = format!("// ORDERING: a.\n{}x.load(Ordering::Acquire);\n", "a();\n".repeat(6));
    assert_eq!(count(&text), 1);
}

#[test]
fn comparisons_are_no_orderings_of_memory() {
    assert_eq!(count("match a.cmp(b) { Ordering::Less => {} _ => {} }\n"), 0);
}

#[test]
fn an_ordering_is_not_imported_by_its_bare_name() {
    assert_eq!(count("use std::sync::atomic::Ordering::{Acquire, Release};\n"), 1);
    assert_eq!(count("use std::sync::atomic::Ordering::*;\n"), 1);
    assert_eq!(count("use std::sync::atomic::{AtomicU32, Ordering};\n"), 0);
}

#[test]
fn test_code_is_left_out() {
    let text = "x.fetch_add(1, Ordering::Relaxed);\n";
    assert_eq!(orderings(&Tree::of(&[("src/a/tests.rs", text)])), []);
    assert_eq!(count(text), 1);
}

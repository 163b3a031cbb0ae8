//! Ceilings and ratchets on made-up files.

use super::{columns, examples, files, functions};
use crate::tree::Tree;

fn lines(count: usize) -> String {
    "//! A.\n".repeat(count)
}

#[test]
fn a_file_past_the_ceiling_is_found_and_one_at_it_is_fine() {
    assert_eq!(files(&Tree::of(&[("a.rs", &lines(600))]), &[]), []);
    assert_eq!(files(&Tree::of(&[("a.rs", &lines(601))]), &[]).len(), 1);
}

#[test]
fn a_ratchet_allows_what_it_says_and_must_be_lowered_when_the_file_shrinks() {
    let tree = Tree::of(&[("a.rs", &lines(700))]);
    assert_eq!(files(&tree, &[("a.rs", 700)]), []);
    assert_eq!(files(&tree, &[("a.rs", 699)]).len(), 1);
    assert!(files(&tree, &[("a.rs", 701)])[0].remedy.contains("lower `a.rs` to 700"));
    let small = Tree::of(&[("a.rs", &lines(10))]);
    assert!(files(&small, &[("a.rs", 700)])[0].remedy.contains("remove"));
    assert!(files(&small, &[("gone.rs", 700)])[0].remedy.contains("remove"));
}

#[test]
fn a_function_past_the_ceiling_is_found_by_name() {
    let long = format!("fn short() {{}}\nfn long() {{\n{}}}\n", "    a();\n".repeat(69));
    let tree = Tree::of(&[("a.rs", &long)]);
    let findings = functions(&tree, &[]);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].line, 2);
    assert_eq!(functions(&tree, &[("a.rs::long", 71)]), []);
    let fits = format!("fn long() {{\n{}}}\n", "    a();\n".repeat(68));
    assert_eq!(functions(&Tree::of(&[("a.rs", &fits)]), &[]), []);
}

#[test]
fn an_example_has_eighty_lines() {
    let path = "examples/examples/a.rs";
    assert_eq!(examples(&Tree::of(&[(path, &lines(80))]), &[]), []);
    assert_eq!(examples(&Tree::of(&[(path, &lines(81))]), &[]).len(), 1);
    assert_eq!(examples(&Tree::of(&[("src/a.rs", &lines(81))]), &[]), []);
}

#[test]
fn a_wide_line_is_found_unless_it_is_one_text_an_address_or_a_row() {
    let wide = "a".repeat(101);
    assert_eq!(columns(&Tree::of(&[("a.rs", &format!("// {wide}\n"))])).len(), 1);
    assert_eq!(columns(&Tree::of(&[("a.rs", &format!("    \"{wide}\",\n"))])), []);
    assert_eq!(columns(&Tree::of(&[("a.rs", &format!("//! <https://{wide}>\n"))])), []);
    assert_eq!(columns(&Tree::of(&[("a.rs", &format!("{}\n", "é".repeat(100)))])), []);
}

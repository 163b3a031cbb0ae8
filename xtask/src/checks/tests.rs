//! The rules on the real tree.

use crate::tree::{Tree, workspace_root};

/// Rust that a rule should find, written with `@` inside the words that search tools look for.
pub fn rust(text: &str) -> String {
    text.replace('@', "")
}

#[test]
fn the_tree_is_tidy() {
    let tree = Tree::load(&workspace_root()).unwrap();
    let findings: Vec<String> = super::all(&tree).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} to mend:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn findings_come_in_order_of_place_with_a_remedy() {
    let tree = Tree::of(&[("b.rs", "fn b() {}\n"), ("a.rs", "fn a() {}\n")]);
    let findings = super::all(&tree);
    let paths: Vec<&str> = findings.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["a.rs", "b.rs"]);
    assert!(findings[0].to_string().contains("a.rs:1: [header]"));
    assert!(findings.iter().all(|finding| !finding.remedy.is_empty()));
}

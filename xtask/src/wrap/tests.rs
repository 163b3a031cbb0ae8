//! Wrapping on made-up comments.

use super::wrapped;
use crate::source::Source;

fn wrap(text: &str) -> String {
    wrapped(&Source::new("a.rs", text))
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap()
}

#[test]
fn a_wide_paragraph_is_wrapped_with_the_lines_that_follow_it() {
    let text =
        format!("    /// {}end\n    /// of it.\n    ///\n    /// Next.\n", "word ".repeat(20));
    let wrapped = wrap(&text);
    assert!(widest(&wrapped) <= 100);
    assert!(wrapped.ends_with("end of it.\n    ///\n    /// Next.\n"), "{wrapped}");
    let words = |text: &str| text.replace("///", "").split_whitespace().map(String::from).collect();
    let (before, after): (Vec<String>, Vec<String>) = (words(&text), words(&wrapped));
    assert_eq!(before, after);
}

#[test]
fn a_list_item_hangs() {
    let text = format!("//! * {}\n//!   more\n//! * b\n", "word ".repeat(22).trim());
    let wrapped = wrap(&text);
    let lines: Vec<&str> = wrapped.lines().collect();
    assert!(lines[1].starts_with("//!   word") && lines[1].ends_with("more"), "{wrapped}");
    assert_eq!(lines[2], "//! * b");
}

#[test]
fn what_fits_is_not_touched() {
    let text = "//! a\n//! b\nfn f() {} // c\n";
    assert_eq!(wrap(text), text);
}

#[test]
fn tables_fences_and_code_are_left_to_a_person() {
    let wide = "word ".repeat(30);
    for text in [
        format!("//! | {wide}|\n"),
        format!("//! ```text\n//! {wide}\n//! ```\n"),
        format!("let a = \"\n// {wide}\n\";\n"),
        format!("f(); // {wide}\n"),
    ] {
        assert_eq!(wrap(&text), text);
    }
}

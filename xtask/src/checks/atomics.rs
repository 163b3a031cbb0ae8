//! `// ORDERING:` beside each atomic access names the access it pairs with.
//!
//! Test code is left out: its atomics count, and the thread's join orders them.

use crate::finding::Finding;
use crate::source::words;
use crate::tree::Tree;

#[cfg(test)]
mod tests;

/// The comment that stands beside an access.
const MARK: &str = "ORDERING:";
/// Lines of code that may stand between the comment and the access: a call with its arguments.
const REACH: usize = 5;
const ORDERINGS: &[&str] = &["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// Atomic accesses without a word about their partner.
pub fn orderings(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources() {
        for (at, line) in source.lines.iter().enumerate() {
            if source.in_tests(at) {
                continue;
            }
            if imports_an_ordering(&line.code) {
                findings.push(Finding::new(
                    "ordering",
                    &source.path,
                    at + 1,
                    "an ordering is imported by its bare name",
                    "import `Ordering` and write `Ordering::…` at the access",
                ));
            } else if names_an_ordering(&line.code) && !source.comment_near(at, MARK, REACH) {
                findings.push(Finding::new(
                    "ordering",
                    &source.path,
                    at + 1,
                    "an atomic access without `// ORDERING:`",
                    "say above it which access it pairs with, and what that makes visible",
                ));
            }
        }
    }
    findings
}

fn names_an_ordering(code: &str) -> bool {
    ORDERINGS.iter().any(|name| {
        code.match_indices("Ordering::").any(|(at, path)| {
            words(&code[at + path.len()..]).next().is_some_and(|(word, _)| word == *name)
        })
    })
}

fn imports_an_ordering(code: &str) -> bool {
    code.trim_start().starts_with("use ")
        && code.contains("Ordering::")
        && (code.contains("Ordering::*") || words(code).any(|(word, _)| ORDERINGS.contains(&word)))
}

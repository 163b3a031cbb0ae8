//! Unsafe code: a reason beside each, and only where it may stand.
//!
//! clippy demands the same comments of code that it compiles; this rule sees the code of other
//! targets and `cfg`s too.

use crate::finding::Finding;
use crate::source::Source;
use crate::tables::{DENYING_CRATES, RING_IN_EXAMPLES, UNSAFE_CRATES, UNSAFE_PLACES};
use crate::tree::Tree;

use super::examples::is_example;

#[cfg(test)]
mod tests;

/// The comment that stands above a block or an implementation.
const MARK: &str = "SAFETY:";
/// Lines of code that may stand between the comment and `unsafe`: the head of a long statement.
const REACH: usize = 4;

/// A place where the word `unsafe` makes code unsafe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Index of the line.
    pub at: usize,
    /// A block or an implementation, which owes a reason; else a declaration, which states a
    /// contract.
    pub owes: bool,
}

/// The unsafe sites of `source`, in order.
pub fn sites(source: &Source) -> Vec<Site> {
    let unsafes = source.words().filter(|word| word.text == "unsafe");
    unsafes
        .filter_map(|word| {
            let next = source.after(word, 2);
            let owes = next.starts_with('{') || next.starts_with("impl");
            let declares = ["fn", "trait", "extern"].iter().any(|item| next.starts_with(item));
            (owes || declares).then_some(Site { at: word.at, owes })
        })
        .collect()
}

/// Does `site` owe no reason, or has it one?
pub fn is_covered(source: &Source, site: Site) -> bool {
    !site.owes || source.comment_near(site.at, MARK, REACH)
}

/// Sites without a reason.
pub fn comments(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources() {
        for site in sites(source).into_iter().filter(|&site| !is_covered(source, site)) {
            findings.push(Finding::new(
                "safety",
                &source.path,
                site.at + 1,
                "unsafe code without `// SAFETY:`",
                "answer above it each bullet of the contract it relies on",
            ));
        }
    }
    findings
}

/// Sites where none may be.
pub fn places(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources().iter().filter(|source| !may_be_unsafe(source)) {
        for site in sites(source) {
            findings.push(Finding::new(
                "unsafe-place",
                &source.path,
                site.at + 1,
                "unsafe code outside the places that may have it",
                "move it behind a safe function of `abi`, `ring`, `task`, `annulus::core` or \
                 `annulus::buf`",
            ));
        }
    }
    findings
}

fn may_be_unsafe(source: &Source) -> bool {
    let ring_example =
        is_example(&source.path) && source.words().any(|word| word.text == RING_IN_EXAMPLES);
    ring_example || UNSAFE_PLACES.iter().any(|place| source.path.starts_with(place))
}

/// Roots of crates that do not forbid (or, where some modules need it, deny) unsafe code.
pub fn roots(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources() {
        let Some(name) = crate_of_root(&source.path) else {
            continue;
        };
        let attribute = if UNSAFE_CRATES.contains(&name) {
            continue;
        } else if DENYING_CRATES.contains(&name) {
            "#![deny(unsafe_code)]"
        } else {
            "#![forbid(unsafe_code)]"
        };
        // A root of one line has nothing to forbid.
        let is_empty = source.lines.iter().filter(|line| !line.is_bare()).count() < 2;
        if !is_empty && !source.lines.iter().any(|line| line.code.trim() == attribute) {
            findings.push(Finding::new(
                "forbid-unsafe",
                &source.path,
                1,
                format!("the root of `{name}` has no `{attribute}`"),
                "put it below the header",
            ));
        }
    }
    findings
}

/// The crate whose root is at `path`, as its directory is named.
fn crate_of_root(path: &str) -> Option<&str> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["crates", name, "src", "lib.rs" | "main.rs"] | ["crates", name, "src", "bin", _] => {
            Some(name)
        }
        [name @ ("examples" | "xtask"), "src", "lib.rs" | "main.rs"] => Some(name),
        _ => None,
    }
}

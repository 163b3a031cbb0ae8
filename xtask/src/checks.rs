//! The rules. Each is a pure function from the tree to findings.
//!
//! | module | rules |
//! |---|---|
//! | `layers` | arrows between crates, absences, features that only add |
//! | `size` | lines of files, functions and examples; columns |
//! | `words` | headers, names, holes, left work, private words, let chains |
//! | `atomics` | `// ORDERING:` beside each atomic access |
//! | `unsafe_code` | `// SAFETY:`, where unsafe code may stand, `forbid` in the other roots |
//! | `ops` | every op has its alias, its golden test and its conformance test |
//! | `futures` | what public futures say of errors, of being dropped, and of the kernel |
//! | `examples` | headers of examples, a test for each; how tests are laid out and wait |

mod atomics;
mod examples;
mod futures;
mod layers;
mod ops;
mod size;
#[cfg(test)]
mod tests;
mod unsafe_code;
mod words;

#[cfg(test)]
pub use tests::rust;
pub use unsafe_code::{is_covered, sites};

use crate::finding::Finding;
use crate::tables;
use crate::tree::Tree;

/// Every finding in `tree`, in order of place.
pub fn all(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(layers::arrows(tree));
    findings.extend(layers::absences(tree));
    findings.extend(layers::features(tree));
    findings.extend(size::files(tree, tables::LONG_FILES));
    findings.extend(size::functions(tree, tables::LONG_FUNCTIONS));
    findings.extend(size::examples(tree, tables::LONG_EXAMPLES));
    findings.extend(size::columns(tree));
    findings.extend(words::headers(tree));
    findings.extend(words::names(tree, tables::KEPT_NAMES));
    findings.extend(words::holes(tree));
    findings.extend(words::left_work(tree));
    findings.extend(words::private(tree));
    findings.extend(words::let_chains(tree));
    findings.extend(atomics::orderings(tree));
    findings.extend(unsafe_code::comments(tree));
    findings.extend(unsafe_code::places(tree));
    findings.extend(unsafe_code::roots(tree));
    findings.extend(ops::aliases_and_golden_tests(tree));
    findings.extend(ops::conformance(tree, tables::NOT_YET_CONFORMANT));
    findings.extend(futures::sections(tree));
    findings.extend(examples::headers(tree));
    findings.extend(examples::tested(tree));
    findings.extend(examples::test_binaries(tree));
    findings.extend(examples::sleeps(tree));
    findings.sort();
    findings.dedup();
    findings
}

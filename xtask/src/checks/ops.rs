//! Every op has its alias, its golden test and its conformance test.

use crate::finding::Finding;
use crate::source::Source;
use crate::tree::Tree;

#[cfg(test)]
mod tests;

const OPS: &str = "crates/annulus-ring/src/op/";
const CONFORMANCE: &str = "crates/annulus-ring/tests/it/ops";

/// An op: a type that implements `Op`.
struct Implementation<'a> {
    source: &'a Source,
    name: &'a str,
    line: usize,
}

/// The ops of the ring.
fn implementations(tree: &Tree) -> Vec<Implementation<'_>> {
    let mut found = Vec::new();
    for source in tree.sources_in(OPS).filter(|source| !source.is_test()) {
        let words: Vec<_> = source.words().collect();
        for triple in words.windows(3) {
            let [first, second, name] = triple else {
                continue;
            };
            if first.text == "Op" && second.text == "for" && !source.in_tests(name.at) {
                found.push(Implementation { source, name: name.text, line: name.at + 1 });
            }
        }
    }
    found
}

/// Ops that cannot be found by the kernel's name, or whose entry no test spells out.
pub fn aliases_and_golden_tests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for op in implementations(tree) {
        if !op.source.text.contains("doc(alias = \"IORING_OP_") {
            findings.push(Finding::new(
                "ops",
                &op.source.path,
                op.line,
                format!("`{}` has no alias", op.name),
                "add #[doc(alias = \"IORING_OP_…\")] with the kernel's name",
            ));
        }
        if !has_golden_test(tree, op.name) {
            findings.push(Finding::new(
                "ops",
                &op.source.path,
                op.line,
                format!("`{}` has no golden test", op.name),
                "compare its whole `Sqe` in the `tests.rs` beside its file",
            ));
        }
    }
    findings
}

fn has_golden_test(tree: &Tree, name: &str) -> bool {
    tree.sources_in(OPS.trim_end_matches('/'))
        .any(|source| source.words().any(|word| word.text == name && source.in_tests(word.at)))
}

/// Ops that no test runs against the real kernel.
pub fn conformance(tree: &Tree, not_yet: &[&str]) -> Vec<Finding> {
    let named = |name: &str| {
        tree.sources_in(CONFORMANCE).any(|source| source.words().any(|word| word.text == name))
    };
    let ops = implementations(tree);
    let mut findings = Vec::new();
    for op in ops.iter().filter(|op| !named(op.name) && !not_yet.contains(&op.name)) {
        findings.push(Finding::new(
            "ops",
            &op.source.path,
            op.line,
            format!("`{}` has no conformance test", op.name),
            format!("run it against the real kernel in {CONFORMANCE}.rs"),
        ));
    }
    for name in not_yet {
        if named(name) || !ops.iter().any(|op| op.name == *name) {
            findings.push(Finding::new(
                "ops",
                "xtask/src/tables.rs",
                1,
                format!("`{name}` needs no exception any more"),
                format!("remove `{name}` from `NOT_YET_CONFORMANT`"),
            ));
        }
    }
    findings
}

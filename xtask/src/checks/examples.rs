//! Examples say what they show and are run by a test; how tests are laid out, and that none sleeps.

use crate::finding::Finding;
use crate::source::{Source, words};
use crate::tables::TEST_BINARIES;
use crate::tree::Tree;

#[cfg(test)]
mod tests;

const EXAMPLES: &str = "examples/examples/";
const EXAMPLE_TESTS: &str = "examples/tests/";

/// Is the file at `path` an example, or its main file?
pub fn is_example(path: &str) -> bool {
    example_name(path).is_some()
}

/// The name of the example at `path`: `NAME.rs` or `NAME/main.rs`.
fn example_name(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(EXAMPLES)?.strip_suffix(".rs")?;
    let name = rest.strip_suffix("/main").unwrap_or(rest);
    (!name.contains('/')).then_some(name)
}

/// Each example with its name.
fn examples(tree: &Tree) -> impl Iterator<Item = (&Source, &str)> {
    tree.sources().iter().filter_map(|source| Some((source, example_name(&source.path)?)))
}

/// Headers without the command or what it prints.
pub fn headers(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (source, name) in examples(tree) {
        let header: Vec<&str> =
            source.text.lines().take_while(|line| line.starts_with("//!")).collect();
        let header = header.join("\n");
        let has_command = header.lines().any(|line| {
            line.split_once("cargo run").is_some_and(|(_, rest)| names_example(rest, name))
        });
        if !has_command {
            findings.push(Finding::new(
                "examples",
                &source.path,
                1,
                "the header does not say how to run the example",
                format!("add `cargo run --example {name}` to it"),
            ));
        }
        let header = header.to_lowercase();
        if !["```text", "output", "prints"].iter().any(|word| header.contains(word)) {
            findings.push(Finding::new(
                "examples",
                &source.path,
                1,
                "the header does not say what the example prints",
                "add the expected output, as a ```text block",
            ));
        }
    }
    findings
}

fn names_example(command: &str, name: &str) -> bool {
    let mut parts = command.split_whitespace().map(|part| part.trim_matches('`'));
    parts.by_ref().any(|part| part == "--example") && parts.next() == Some(name)
}

/// Examples that no test runs.
pub fn tested(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (source, name) in examples(tree) {
        let quoted = format!("\"{name}\"");
        let is_named = |test: &Source| {
            test.text.contains(&quoted) || test.words().any(|word| word.text == name)
        };
        if !tree.sources_in(EXAMPLE_TESTS).any(is_named) {
            findings.push(Finding::new(
                "examples",
                &source.path,
                1,
                format!("no test names the example `{name}`"),
                format!("run it and compare its output below {EXAMPLE_TESTS}"),
            ));
        }
    }
    findings
}

/// Integration tests that are a binary of their own.
pub fn test_binaries(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources() {
        let parts: Vec<&str> = source.path.split('/').collect();
        let name = match parts[..] {
            ["crates", _, "tests", name] | ["crates", _, "tests", name, "main.rs"] => name,
            _ => continue,
        };
        if !TEST_BINARIES.contains(&name.trim_end_matches(".rs")) {
            findings.push(Finding::new(
                "test-binaries",
                &source.path,
                1,
                "one integration binary per crate: each more is linked and started anew",
                "make it a module of tests/it/main.rs",
            ));
        }
    }
    findings
}

/// Tests that wait for something by sleeping.
pub fn sleeps(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources() {
        for (at, line) in source.lines.iter().enumerate() {
            let code = line.code.trim_start();
            let imports = code.starts_with("use std::thread::")
                && words(code).any(|(word, _)| word == "sleep");
            let calls = code.contains(concat!("thread::", "sleep"));
            if source.in_tests(at) && (imports || calls) {
                findings.push(Finding::new(
                    "sleep",
                    &source.path,
                    at + 1,
                    "a test that sleeps",
                    "wait for the event itself: a channel, a barrier, a completion, a join",
                ));
            }
        }
    }
    findings
}

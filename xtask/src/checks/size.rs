//! Lines of files, functions and examples, with ratchets; columns.

use crate::finding::Finding;
use crate::tables::{COLUMNS, EXAMPLE_LINES, FILE_LINES, FUNCTION_LINES};
use crate::tree::Tree;

use super::examples::is_example;

#[cfg(test)]
mod tests;

/// Something measured in lines.
struct Measured {
    key: String,
    path: String,
    line: usize,
    lines: usize,
}

/// A ceiling and the exceptions from it.
struct Ceiling<'a> {
    rule: &'static str,
    most: usize,
    ratchet: &'a [(&'a str, usize)],
    remedy: &'static str,
}

/// Files.
pub fn files(tree: &Tree, ratchet: &[(&str, usize)]) -> Vec<Finding> {
    let measured = tree.sources().iter().map(|source| whole(&source.path, source.lines.len()));
    Ceiling {
        rule: "file-length",
        most: FILE_LINES,
        ratchet,
        remedy: "split it: one concern, one file; aim for 100 to 400 lines",
    }
    .check(measured.collect())
}

/// Functions.
pub fn functions(tree: &Tree, ratchet: &[(&str, usize)]) -> Vec<Finding> {
    let mut measured = Vec::new();
    for source in tree.sources() {
        measured.extend(source.functions().into_iter().map(|function| Measured {
            key: format!("{}::{}", source.path, function.name),
            path: source.path.clone(),
            line: function.at + 1,
            lines: function.lines,
        }));
    }
    Ceiling {
        rule: "function-length",
        most: FUNCTION_LINES,
        ratchet,
        remedy: "name a part of it and move that below",
    }
    .check(measured)
}

/// Examples.
pub fn examples(tree: &Tree, ratchet: &[(&str, usize)]) -> Vec<Finding> {
    let examples = tree.sources().iter().filter(|source| is_example(&source.path));
    let measured = examples.map(|source| whole(&source.path, source.lines.len()));
    Ceiling {
        rule: "example-length",
        most: EXAMPLE_LINES,
        ratchet,
        remedy: "show one idea; a second one is a second example",
    }
    .check(measured.collect())
}

fn whole(path: &str, lines: usize) -> Measured {
    Measured { key: path.to_owned(), path: path.to_owned(), line: 1, lines }
}

impl Ceiling<'_> {
    fn check(&self, measured: Vec<Measured>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for item in &measured {
            let entry = self.ratchet.iter().find(|(key, _)| *key == item.key);
            let limit = entry.map_or(self.most, |&(_, limit)| limit);
            if item.lines > limit {
                let what = format!("{} lines, at most {limit}", item.lines);
                findings.push(Finding::new(self.rule, &item.path, item.line, what, self.remedy));
            }
        }
        findings.extend(self.slack(&measured));
        findings
    }

    /// Entries of the ratchet that allow more than is needed.
    fn slack(&self, measured: &[Measured]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for &(key, limit) in self.ratchet {
            let lines = measured.iter().filter(|item| item.key == key).map(|item| item.lines).max();
            let lines = lines.unwrap_or(0);
            let remedy = if lines <= self.most {
                format!("remove `{key}` from the ratchet")
            } else if lines < limit {
                format!("lower `{key}` to {lines}")
            } else {
                continue;
            };
            let what = format!("the ratchet allows `{key}` {limit} lines, it has {lines}");
            findings.push(Finding::new(self.rule, "xtask/src/tables.rs", 1, what, remedy));
        }
        findings
    }
}

/// Lines that are too wide. An address and a row of a table cannot be broken, and a long text not
/// without hurting whoever searches for it, so a line that is nothing else is fine.
pub fn columns(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources() {
        for (at, text) in source.text.lines().enumerate() {
            let width = text.chars().count();
            let code = source.lines.get(at).map_or("", |line| line.code.trim());
            if width <= COLUMNS || text.contains("://") || is_row(text) || is_text_only(code) {
                continue;
            }
            findings.push(Finding::new(
                "columns",
                &source.path,
                at + 1,
                format!("{width} columns, at most {COLUMNS}"),
                "break the line; `cargo xtask wrap` wraps comments",
            ));
        }
    }
    findings
}

/// Is `code` (its strings blanked) one string and punctuation?
fn is_text_only(code: &str) -> bool {
    code.starts_with('"') && code.chars().all(|c| "\" ,;)".contains(c))
}

/// Is `text` a row of a table in a comment?
fn is_row(text: &str) -> bool {
    let text = text.trim_start();
    ["//! |", "/// |", "// |"].iter().any(|row| text.starts_with(row))
}

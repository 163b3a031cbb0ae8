//! Headers, names, holes, left work, private words, let chains.

use crate::finding::Finding;
use crate::source::{Source, is_word, word_at};
use crate::tables::{EMPTY_MODULE_NAMES, EMPTY_PREFIXES, HOLES, LEFT_WORK, PRIVATE_WORDS};
use crate::tree::Tree;

#[cfg(test)]
mod tests;

/// Every file opens with what it is.
pub fn headers(tree: &Tree) -> Vec<Finding> {
    let bare = tree.sources().iter().filter(|source| !source.text.starts_with("//! "));
    bare.map(|source| {
        Finding::new(
            "header",
            &source.path,
            1,
            "the file does not open with `//!`",
            "say what it owns, what it does not own, its invariants, the manual page it mirrors",
        )
    })
    .collect()
}

/// Modules and functions whose names say nothing. Names of tests are sentences, and begin as they
/// like.
pub fn names(tree: &Tree, kept: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources() {
        let parts = source.path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
        for part in parts.filter(|part| EMPTY_MODULE_NAMES.contains(part)) {
            findings.push(empty_module(source, 1, part));
        }
        let mut before = "";
        for word in source.words() {
            if before == "mod" && EMPTY_MODULE_NAMES.contains(&word.text) {
                findings.push(empty_module(source, word.at + 1, word.text));
            }
            let empty = EMPTY_PREFIXES.iter().find(|prefix| word.text.starts_with(**prefix));
            if let Some(prefix) = empty.filter(|_| {
                before == "fn" && !source.in_tests(word.at) && !kept.contains(&word.text)
            }) {
                findings.push(Finding::new(
                    "names",
                    &source.path,
                    word.at + 1,
                    format!("`{}` begins with `{prefix}`", word.text),
                    "name what it gives or does; one that says enough goes to `KEPT_NAMES`",
                ));
            }
            before = word.text;
        }
    }
    findings
}

fn empty_module(source: &Source, line: usize, name: &str) -> Finding {
    Finding::new(
        "names",
        &source.path,
        line,
        format!("a module named `{name}` says nothing about what is in it"),
        "name it after the concern it owns",
    )
}

/// Macros that stand for code which is not there.
pub fn holes(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources() {
        for word in source.words().filter(|word| HOLES.contains(&word.text)) {
            if source.lines[word.at].code[word.end..].starts_with('!') {
                findings.push(Finding::new(
                    "holes",
                    &source.path,
                    word.at + 1,
                    format!("`{}!`", word.text),
                    "write it, or leave out what needs it",
                ));
            }
        }
    }
    findings
}

/// Marks of work that was left, in any file of text.
pub fn left_work(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        for (at, text) in file.text.lines().enumerate() {
            let mut words = text.split(|c| !is_word(c));
            if let Some(mark) = words.find(|word| LEFT_WORK.contains(word)) {
                findings.push(Finding::new(
                    "left-work",
                    &file.path,
                    at + 1,
                    format!("`{mark}`"),
                    "do it, or write down as a limit what will not be done",
                ));
            }
        }
    }
    findings
}

/// Words of the place where a text was written, in any file of text and in its path.
pub fn private(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        let path = file.path.to_lowercase();
        let lines = file.text.lines().map(str::to_lowercase);
        for (line, text) in std::iter::once(path).chain(lines).enumerate() {
            if let Some(word) = PRIVATE_WORDS.iter().find(|word| text.contains(**word)) {
                findings.push(Finding::new(
                    "private",
                    &file.path,
                    line.max(1),
                    format!("`{word}` belongs to the place where this was written"),
                    "say it in the terms of the project, or not at all",
                ));
            }
        }
    }
    findings
}

/// `if let … && …`: newer than the oldest compiler that the workspace promises (let chains are
/// 1.88).
pub fn let_chains(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources() {
        let stream = source.stream();
        for start in 0..stream.len() {
            let length = if word_at(&stream, start, "if") {
                2
            } else if word_at(&stream, start, "while") {
                5
            } else {
                continue;
            };
            if is_let_chain(&stream[start + length..]) {
                findings.push(Finding::new(
                    "let-chain",
                    &source.path,
                    stream[start].1 + 1,
                    "a let chain needs Rust 1.88, the workspace promises 1.85",
                    "nest the conditions, or use `let … else`, `filter` or a guard of `match`",
                ));
            }
        }
    }
    findings
}

/// Does the condition that begins at `stream[0]` hold both a `let` and an `&&`, outside of
/// brackets?
fn is_let_chain(stream: &[(char, usize)]) -> bool {
    let (mut has_let, mut has_and, mut in_pattern) = (false, false, false);
    let mut depth = 0_usize;
    let mut before = ' ';
    let at = |index: usize| stream.get(index).map_or(' ', |&(c, _)| c);
    for index in 0..stream.len() {
        let c = at(index);
        match c {
            '(' | '[' => depth += 1,
            '{' if in_pattern || depth > 0 => depth += 1,
            ')' | ']' | '}' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            '{' | ';' if depth == 0 => break,
            '=' if depth == 0 && at(index + 1) == '>' => break,
            '=' if depth == 0 && before != '.' => in_pattern = false,
            '&' if depth == 0 && at(index + 1) == '&' && !in_pattern => {
                let joins = is_word(before) || ")]}\"'?".contains(before);
                has_and |= joins;
            }
            _ if depth == 0 && word_at(stream, index, "let") => {
                has_let = true;
                in_pattern = true;
            }
            _ => {}
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    has_let && has_and
}

//! Public functions that give a future say what it fails with, what is lost if it is dropped, and
//! what the kernel does for it.
//!
//! Owns: which functions these are, read off their declarations. A future is an `async fn`, an
//! `impl` of `Future`, of `Stream` or of a trait above these, and any type of the crates that
//! implements one. Does not own: whether the sections are true; who writes one has read the code.

use std::collections::HashSet;

use crate::finding::Finding;
use crate::source::{Source, is_word, word_at, words};
use crate::tables::{FUTURES_BELOW, KERNEL_BELOW, KERNEL_NOT_BELOW};
use crate::tree::Tree;

#[cfg(test)]
mod tests;

/// A function as it is declared.
#[derive(Debug)]
struct Declaration<'a> {
    source: &'a Source,
    name: String,
    /// Index of the line of its `fn`.
    at: usize,
    /// What stands before its `fn`: `pub async`.
    head: String,
    /// What stands before the braces around it: `impl Future for Recv`.
    around: String,
    /// What it returns, without its `where`.
    returns: String,
}

/// The traits and types of the crates that are futures, and whether each can fail.
struct Futures {
    traits: HashSet<String>,
    types: Vec<Type>,
}

/// A type that is a future.
struct Type {
    path: String,
    name: String,
    can_fail: bool,
}

/// Public functions that give a future and lack a section about it.
pub fn sections(tree: &Tree) -> Vec<Finding> {
    let declared: Vec<Declaration<'_>> = sources(tree).flat_map(declarations).collect();
    let futures = Futures::of(tree);
    let mut findings = Vec::new();
    for function in declared.iter().filter(|function| function.is_public()) {
        let Some(can_fail) = futures.output_can_fail(function) else {
            continue;
        };
        let docs = function.docs();
        for (section, needed, remedy) in [
            ("Cancel safety", true, "say what is lost and what stays if the future is dropped"),
            ("Errors", can_fail, "say which errors there are, and what comes back with them"),
            ("Kernel", function.asks_kernel(), "name the operation or call and its first kernel"),
        ] {
            if needed && !has_section(&docs, section) {
                findings.push(Finding::new(
                    "futures",
                    &function.source.path,
                    function.at + 1,
                    format!("`{}` has no `# {section}`", function.name),
                    remedy,
                ));
            }
        }
        if !docs.iter().any(|line| line.trim_start().starts_with("```")) {
            findings.push(Finding::new(
                "futures",
                &function.source.path,
                function.at + 1,
                format!("`{}` has no example", function.name),
                "show it in three to eight lines, with what they need hidden",
            ));
        }
    }
    findings
}

/// The files of the crates that others use.
fn sources(tree: &Tree) -> impl Iterator<Item = &Source> {
    let sources = tree.sources().iter().filter(|source| !source.is_test());
    sources.filter(|source| is_below(&source.path, FUTURES_BELOW))
}

fn is_below(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

/// The heading stands there, and below it something else than the next one.
fn has_section(docs: &[String], section: &str) -> bool {
    let heading = docs.iter().position(|line| line.trim().strip_prefix("# ") == Some(section));
    heading.and_then(|at| docs.get(at + 1)).is_some_and(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#') && !line.starts_with("```")
    })
}

impl Declaration<'_> {
    /// Is it seen from outside, as far as its own file can tell?
    fn is_public(&self) -> bool {
        let is_pub =
            |text: &str| words(text).any(|(word, _)| word == "pub") && !text.contains("pub(");
        let in_trait = words(&self.around).any(|(word, _)| word == "trait");
        is_pub(if in_trait { &self.around } else { &self.head })
    }

    fn asks_kernel(&self) -> bool {
        let path = &self.source.path;
        is_below(path, KERNEL_BELOW) && !is_below(path, KERNEL_NOT_BELOW)
    }

    /// The lines of its documentation, without their slashes.
    fn docs(&self) -> Vec<String> {
        let mut docs = Vec::new();
        for line in self.source.lines[..self.at].iter().rev() {
            let code = line.code.trim();
            if let Some(text) = line.comment.trim().strip_prefix("///") {
                docs.push(text.to_owned());
            } else if line.is_bare() && line.comment.is_empty() || ends_item(code) {
                break;
            }
        }
        docs.reverse();
        docs
    }
}

/// Does a line of code end what stands above it (and is no attribute)?
fn ends_item(code: &str) -> bool {
    code.ends_with([';', '{', '}', ','])
}

impl Futures {
    fn of(tree: &Tree) -> Self {
        let roots = ["Future", "IntoFuture", "Stream"];
        let mut futures = Self { traits: roots.map(String::from).into(), types: Vec::new() };
        let codes: Vec<String> = sources(tree).map(code_of).collect();
        for (source, code) in sources(tree).zip(&codes) {
            futures.note_types(&source.path, code);
        }
        // A trait may be above one of another file, so until no more are found.
        loop {
            let known = futures.traits.len();
            for code in &codes {
                let found = subtraits(code, &futures.traits);
                futures.traits.extend(found);
            }
            if futures.traits.len() == known {
                return futures;
            }
        }
    }

    /// Types that implement one of the traits: `impl<T> Future for Recv<T> {`.
    fn note_types(&mut self, path: &str, code: &str) {
        for (at, _) in code.match_indices(" for ") {
            let implemented = code[..at].rsplit([' ', ':']).next().unwrap_or_default();
            let name = last_name(&code[at + 5..]);
            if !self.traits.contains(implemented.split('<').next().unwrap_or_default())
                || name.len() < 2
            {
                continue;
            }
            let block = &code[at..];
            let output = ["type Output =", "type Item ="]
                .iter()
                .filter_map(|mark| block.find(mark).map(|at| &block[at + mark.len()..]))
                .min_by_key(|rest| block.len() - rest.len())
                .and_then(|rest| rest.split(';').next())
                .unwrap_or_default();
            let can_fail = output.contains("Result") || output.contains("::Output");
            self.types.push(Type { path: path.to_owned(), name: name.to_owned(), can_fail });
        }
    }

    /// Whether what `function` gives can fail; none if it gives no future.
    fn output_can_fail(&self, function: &Declaration<'_>) -> Option<bool> {
        let says_so = function.returns.contains("Result");
        if words(&function.head).any(|(word, _)| word == "async") {
            return Some(says_so);
        }
        let returns = function.returns.trim();
        if let Some(bounds) = returns.strip_prefix("impl ") {
            let is_future = bounds.split('+').any(|bound| self.traits.contains(last_name(bound)));
            return is_future.then_some(says_so);
        }
        let name = last_name(returns);
        // A type of the same file is meant, if it has one of this name.
        let is_here = declares(function.source, name);
        let found = self
            .types
            .iter()
            .find(|found| found.name == name && (!is_here || found.path == function.source.path));
        found.map(|found| found.can_fail || says_so)
    }
}

/// Does a file declare a type of this name?
fn declares(source: &Source, name: &str) -> bool {
    let mut before = "";
    source.words().any(|word| {
        let declares = word.text == name && matches!(before, "struct" | "enum" | "type");
        before = word.text;
        declares
    })
}

/// Traits that are declared as futures: `pub trait OpExt: Future`.
fn subtraits(code: &str, futures: &HashSet<String>) -> Vec<String> {
    let traits = code.match_indices("trait ").filter_map(|(at, mark)| {
        let (head, _) = code[at + mark.len()..].split_once('{')?;
        let (name, above) = head.split_once(':')?;
        let above = above.split("where").next()?;
        let is_future = above.split('+').any(|bound| futures.contains(last_name(bound)));
        (is_future && name.chars().all(is_word)).then(|| name.to_owned())
    });
    traits.collect()
}

/// What follows the `>` that closes the angle that is open where `text` begins.
fn after_angles(text: &str) -> &str {
    let mut depth = 1_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[at + 1..];
        }
        before = c;
    }
    ""
}

/// The last name of the path that `text` begins with: `Recv` of `super::Recv<'_>`.
fn last_name(text: &str) -> &str {
    let path = text.trim_start();
    let end = path.find(|c| !is_word(c) && c != ':').unwrap_or(path.len());
    path[..end].rsplit("::").next().unwrap_or_default()
}

/// The code of a file without its tests, its white space squeezed.
fn code_of(source: &Source) -> String {
    let lines = source.lines.iter().enumerate().filter(|&(at, _)| !source.in_tests(at));
    let text: Vec<&str> = lines.flat_map(|(_, line)| line.code.split_whitespace()).collect();
    text.join(" ")
}

/// The functions of a file, outside of its tests.
fn declarations(source: &Source) -> Vec<Declaration<'_>> {
    let stream = source.stream();
    let mut found = Vec::new();
    let mut around: Vec<String> = Vec::new();
    let mut head = String::new();
    for start in 0..stream.len() {
        let (c, at) = stream[start];
        if word_at(&stream, start, "fn") && !source.in_tests(at) {
            let rest: String = stream[start + 2..].iter().map(|&(c, _)| c).take(2000).collect();
            if let Some((name, returns)) = name_and_output(&rest) {
                let around = around.last().cloned().unwrap_or_default();
                found.push(Declaration { source, name, at, head: head.clone(), around, returns });
            }
        }
        match c {
            '{' => around.push(std::mem::take(&mut head)),
            '}' => {
                around.pop();
                head.clear();
            }
            ';' | ']' => head.clear(),
            _ => head.push(c),
        }
    }
    found
}

/// The name of the function whose `fn` has just been read, and what it returns.
fn name_and_output(rest: &str) -> Option<(String, String)> {
    let rest = rest.trim_start();
    let end = rest.find(|c| !is_word(c))?;
    let (name, rest) = rest.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('<').map_or(rest, after_angles).trim_start();
    if name.is_empty() || !rest.starts_with('(') {
        return None;
    }
    let mut depth = 0_usize;
    let closed = rest.char_indices().find(|&(_, c)| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0
    })?;
    let rest = &rest[closed.0 + 1..];
    let end = rest.find(['{', ';'])?;
    let returned = rest[..end].trim_start().strip_prefix("->").unwrap_or("");
    let squeezed: Vec<&str> =
        returned.split_whitespace().take_while(|&word| word != "where").collect();
    Some((name.to_owned(), squeezed.join(" ")))
}

//! Wraps comments at the width of the house: `cargo xtask wrap`. rustfmt leaves comments alone.
//!
//! Owns: paragraphs and list items of line comments that have a line too wide. Does not own:
//! tables, headings, code in fences, comments behind code; those are for a person. Invariant: words
//! stay in their order, and a text that fits is not touched.

use std::fs;
use std::io;
use std::path::Path;

use crate::source::Source;
use crate::tables::COLUMNS;
use crate::tree::Tree;

#[cfg(test)]
mod tests;

/// Wraps every Rust file below `root` and returns the paths of those that changed.
///
/// # Errors
/// A file cannot be written.
pub fn write_all(root: &Path, tree: &Tree) -> io::Result<Vec<String>> {
    let mut changed = Vec::new();
    for source in tree.sources() {
        let text = wrapped(source);
        if text != source.text {
            fs::write(root.join(&source.path), text)?;
            changed.push(source.path.clone());
        }
    }
    Ok(changed)
}

/// The text of `source` with its comments wrapped.
fn wrapped(source: &Source) -> String {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut out = String::with_capacity(source.text.len());
    let mut fenced = false;
    let mut at = 0;
    while at < lines.len() {
        let line = &source.lines[at];
        let is_comment = line.is_bare() && line.comment.starts_with("//");
        let comment = is_comment.then(|| Comment::parse(lines[at])).flatten();
        fenced ^= comment.as_ref().is_some_and(|comment| comment.text.starts_with("```"));
        let count = match &comment {
            Some(first) if !fenced && first.flows() => first.paragraph(&lines[at..]),
            _ => 1,
        };
        let paragraph = &lines[at..at + count];
        match comment {
            Some(first) if !fenced && first.flows() && paragraph.iter().any(|l| is_wide(l)) => {
                first.fill(paragraph, &mut out);
            }
            _ => {
                for line in paragraph {
                    out.push_str(line);
                    out.push('\n');
                }
            }
        }
        at += count;
    }
    out
}

fn is_wide(line: &str) -> bool {
    line.chars().count() > COLUMNS
}

/// A line that is nothing but a comment.
struct Comment<'a> {
    /// Indentation and slashes.
    slashes: &'a str,
    /// Spaces between the slashes and the text.
    indent: usize,
    /// The text.
    text: &'a str,
}

impl<'a> Comment<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let start = line.len() - line.trim_start().len();
        let rest = &line[start..];
        let slashes = ["//!", "///", "//"].into_iter().find(|s| rest.starts_with(*s))?;
        let after = &rest[slashes.len()..];
        let text = after.trim();
        let indent = after.len() - after.trim_start().len();
        Some(Self { slashes: &line[..start + slashes.len()], indent, text })
    }

    /// May this text be wrapped?
    fn flows(&self) -> bool {
        !self.text.is_empty() && !self.text.starts_with(['|', '#', '`', '>']) || self.is_code_word()
    }

    /// A line that begins with a word in code, not with a fence.
    fn is_code_word(&self) -> bool {
        self.text.starts_with('`') && !self.text.starts_with("```")
    }

    /// Width of the mark of a list item.
    fn mark(&self) -> usize {
        let marked = ["* ", "- "].iter().any(|mark| self.text.starts_with(mark));
        if marked { 2 } else { 0 }
    }

    /// How many of `lines`, of which this is the first, are one paragraph.
    fn paragraph(&self, lines: &[&str]) -> usize {
        let column = self.indent + self.mark();
        let belongs = |line: &&&str| {
            Comment::parse(line).is_some_and(|next| {
                next.slashes == self.slashes
                    && next.indent == column
                    && next.mark() == 0
                    && next.flows()
            })
        };
        1 + lines[1..].iter().take_while(belongs).count()
    }

    /// Writes `paragraph` anew.
    fn fill(&self, paragraph: &[&str], out: &mut String) {
        let mut line = format!("{}{}", self.slashes, " ".repeat(self.indent));
        let hanging = format!("{}{}", self.slashes, " ".repeat(self.indent + self.mark()));
        let mut is_first = true;
        let texts = paragraph.iter().filter_map(|line| Comment::parse(line));
        for word in texts.flat_map(|comment| comment.text.split_whitespace()) {
            let width = line.chars().count() + word.chars().count() + usize::from(!is_first);
            if width > COLUMNS && !is_first {
                out.push_str(&line);
                out.push('\n');
                line.clone_from(&hanging);
                is_first = true;
            }
            if !is_first {
                line.push(' ');
            }
            line.push_str(word);
            is_first = false;
        }
        out.push_str(&line);
        out.push('\n');
    }
}

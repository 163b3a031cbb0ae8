//! A Rust file, split into code and comments, line by line.
//!
//! Owns: a small lexer that knows comments, strings, characters and lifetimes, and what can be read
//! off it: words, functions, lines of tests. Does not own: a parser. Invariant: `lines[i].code` has
//! the contents of strings and comments blanked, so that no rule ever trips over a text about code.

#[cfg(test)]
mod tests;

/// One line of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The code; the contents of strings are spaces, comments are absent.
    pub code: String,
    /// The text of comments on this line, with their slashes.
    pub comment: String,
}

impl Line {
    /// There is no code here (there may be a comment).
    pub fn is_bare(&self) -> bool {
        self.code.trim().is_empty()
    }
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Index of the line of its `fn`.
    pub at: usize,
    /// Lines from its `fn` to its closing brace.
    pub lines: usize,
}

/// A word of the code: an identifier or a keyword.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a> {
    /// The word.
    pub text: &'a str,
    /// Index of its line.
    pub at: usize,
    /// Byte offset of its end in the line's code.
    pub end: usize,
}

/// A Rust file.
#[derive(Debug)]
pub struct Source {
    /// Path from the root of the workspace.
    pub path: String,
    /// Its text as it stands.
    pub text: String,
    /// Its lines.
    pub lines: Vec<Line>,
    in_tests: Vec<bool>,
}

impl Source {
    /// Splits `text`.
    pub fn new(path: &str, text: &str) -> Self {
        let lines = Lexer::split(text);
        let in_tests =
            if is_test_path(path) { vec![true; lines.len()] } else { test_modules(&lines) };
        Self { path: path.to_owned(), text: text.to_owned(), lines, in_tests }
    }

    /// The whole file is a test.
    pub fn is_test(&self) -> bool {
        is_test_path(&self.path)
    }

    /// Line `at` belongs to a test file or a `cfg(test)` item.
    pub fn in_tests(&self, at: usize) -> bool {
        self.in_tests.get(at).copied().unwrap_or(false)
    }

    /// The words of the code in order.
    pub fn words(&self) -> impl Iterator<Item = Word<'_>> {
        self.lines
            .iter()
            .enumerate()
            .flat_map(|(at, line)| words(&line.code).map(move |(text, end)| Word { text, at, end }))
    }

    /// The code after `word`, up to `limit` lines of it, white space squeezed at its start.
    pub fn after(&self, word: Word<'_>, limit: usize) -> String {
        let mut rest = self.lines[word.at].code[word.end..].to_owned();
        for line in self.lines.iter().skip(word.at + 1).take(limit) {
            rest.push('\n');
            rest.push_str(&line.code);
        }
        rest.trim_start().to_owned()
    }

    /// A comment that contains `mark` stands on line `at`, or above it with at most `reach` lines
    /// of code between.
    pub fn comment_near(&self, at: usize, mark: &str, reach: usize) -> bool {
        let mut passed = 0;
        for line in self.lines[..=at].iter().rev() {
            if line.comment.contains(mark) {
                return true;
            }
            if !line.is_bare() {
                passed += 1;
            }
            if passed > reach + 1 {
                return false;
            }
        }
        false
    }

    /// Every character of the code with the index of its line.
    pub fn stream(&self) -> Vec<(char, usize)> {
        let mut stream = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            stream.extend(line.code.chars().map(|c| (c, at)));
            stream.push(('\n', at));
        }
        stream
    }

    /// The functions that have a body, in order of their `fn`; nested ones count in their parents
    /// too.
    pub fn functions(&self) -> Vec<Function> {
        let stream = self.stream();
        let mut functions = Vec::new();
        for start in 0..stream.len() {
            if !word_at(&stream, start, "fn") {
                continue;
            }
            let name: String = stream[start + 2..]
                .iter()
                .map(|&(c, _)| c)
                .skip_while(|c| c.is_whitespace())
                .take_while(|&c| is_word(c))
                .collect();
            if name.is_empty() {
                continue;
            }
            if let Some(end) = body_end(&stream, start) {
                let at = stream[start].1;
                functions.push(Function { name, at, lines: stream[end].1 - at + 1 });
            }
        }
        functions
    }
}

/// The identifiers and keywords of `code`, each with the byte offset of its end.
pub fn words(code: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + code[from..].find(is_word)?;
        let end = code[start..].find(|c| !is_word(c)).map_or(code.len(), |length| start + length);
        from = end;
        Some((&code[start..end], end))
    })
}

/// Does `word` begin at `stream[at]`, as a whole word?
pub fn word_at(stream: &[(char, usize)], at: usize, word: &str) -> bool {
    let boundary = at == 0 || !is_word(stream[at - 1].0);
    let mut rest = stream[at..].iter().map(|&(c, _)| c);
    boundary && word.chars().all(|c| rest.next() == Some(c)) && !rest.next().is_some_and(is_word)
}

/// May `c` stand in an identifier?
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Index of the brace that closes the body of the item at `start`; none if the item has no body.
fn body_end(stream: &[(char, usize)], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut braces = 0_usize;
    for (index, &(c, _)) in stream.iter().enumerate().skip(start) {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.checked_sub(1)?,
            ';' if depth == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces = braces.checked_sub(1)?;
                if braces == 0 && depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

/// Is the whole file at `path` a test?
fn is_test_path(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.split('/').any(|part| part == "tests" || part == "benches" || part == "fuzz")
}

/// The lines that belong to items under `cfg(test)`.
fn test_modules(lines: &[Line]) -> Vec<bool> {
    let mut marked = vec![false; lines.len()];
    let mut stream = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        stream.extend(line.code.chars().map(|c| (c, at)));
        stream.push(('\n', at));
    }
    for (at, line) in lines.iter().enumerate() {
        if !line.code.contains("cfg(test)") && !line.code.contains("cfg(all(test") {
            continue;
        }
        let attribute = stream.iter().position(|&(c, row)| row == at && c == ']');
        let Some(start) = attribute else { continue };
        if let Some(end) = body_end(&stream, start + 1) {
            marked[at..=stream[end].1].fill(true);
        }
    }
    marked
}

/// Where the lexer stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text,
    RawText { hashes: usize },
}

/// Splits a text into lines of code and comments.
struct Lexer<'a> {
    rest: &'a [char],
    previous: char,
    state: State,
    line: Line,
    lines: Vec<Line>,
}

impl Lexer<'_> {
    fn split(text: &str) -> Vec<Line> {
        let chars: Vec<char> = text.chars().collect();
        let mut lexer = Lexer {
            rest: &chars,
            previous: '\n',
            state: State::Code,
            line: Line::default(),
            lines: Vec::new(),
        };
        while !lexer.rest.is_empty() {
            lexer.step();
        }
        if lexer.line != Line::default() {
            lexer.lines.push(lexer.line);
        }
        lexer.lines
    }

    fn step(&mut self) {
        if self.rest[0] == '\n' {
            self.end_line();
            return;
        }
        match self.state {
            State::Code => self.code(),
            State::LineComment => self.comment(1),
            State::BlockComment { depth } => self.block_comment(depth),
            State::Text => self.text(),
            State::RawText { hashes } => self.raw_text(hashes),
        }
    }

    fn code(&mut self) {
        if self.starts("//") {
            self.state = State::LineComment;
            self.comment(2);
        } else if self.starts("/*") {
            self.state = State::BlockComment { depth: 1 };
            self.comment(2);
        } else if self.rest[0] == '"' {
            self.state = State::Text;
            self.keep(1);
        } else if let Some((length, hashes)) = self.raw_start() {
            self.state = State::RawText { hashes };
            self.keep(length);
        } else if self.rest[0] == '\'' {
            let length = self.char_length();
            self.blank(length);
        } else {
            self.keep(1);
        }
    }

    fn block_comment(&mut self, depth: usize) {
        if self.starts("/*") {
            self.state = State::BlockComment { depth: depth + 1 };
            self.comment(2);
        } else if self.starts("*/") {
            self.state = match depth {
                1 => State::Code,
                _ => State::BlockComment { depth: depth - 1 },
            };
            self.comment(2);
        } else {
            self.comment(1);
        }
    }

    fn text(&mut self) {
        match self.rest {
            ['\\', '\n', ..] => self.blank(1),
            ['\\', ..] => self.blank(2),
            ['"', ..] => {
                self.state = State::Code;
                self.keep(1);
            }
            _ => self.blank(1),
        }
    }

    fn raw_text(&mut self, hashes: usize) {
        let closes = self.rest[0] == '"'
            && self.rest[1..].iter().take_while(|&&c| c == '#').count() >= hashes;
        if closes {
            self.state = State::Code;
            self.keep(1 + hashes);
        } else {
            self.blank(1);
        }
    }

    /// Length of `r##"` and number of its hashes, if a raw string begins here.
    fn raw_start(&self) -> Option<(usize, usize)> {
        let prefix = if self.starts("br") || self.starts("cr") { 2 } else { 1 };
        if self.rest[prefix - 1] != 'r' || is_word(self.previous) {
            return None;
        }
        let hashes = self.rest[prefix..].iter().take_while(|&&c| c == '#').count();
        let quote = self.rest.get(prefix + hashes)?;
        (*quote == '"').then_some((prefix + hashes + 1, hashes))
    }

    /// Length of a character literal, or 1 for the quote of a lifetime.
    fn char_length(&self) -> usize {
        match self.rest {
            ['\'', '\\', _, tail @ ..] => {
                3 + tail.iter().position(|&c| c == '\'').map_or(0, |length| length + 1)
            }
            ['\'', _, '\'', ..] => 3,
            _ => 1,
        }
    }

    fn starts(&self, what: &str) -> bool {
        let mut rest = self.rest.iter();
        what.chars().all(|c| rest.next() == Some(&c))
    }

    fn keep(&mut self, count: usize) {
        let taken = self.take(count);
        self.line.code.extend(taken);
    }

    fn blank(&mut self, count: usize) {
        let length = self.take(count).len();
        self.line.code.extend(std::iter::repeat_n(' ', length));
    }

    fn comment(&mut self, count: usize) {
        let taken = self.take(count);
        self.line.comment.extend(taken);
    }

    fn take(&mut self, count: usize) -> Vec<char> {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        self.previous = taken.last().copied().unwrap_or(self.previous);
        taken.to_vec()
    }

    fn end_line(&mut self) {
        self.take(1);
        if self.state == State::LineComment {
            self.state = State::Code;
        }
        self.lines.push(std::mem::take(&mut self.line));
    }
}

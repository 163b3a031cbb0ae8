//! Where an item is found in the sources.

use std::collections::{HashMap, HashSet};

use super::items::{Item, aliases};
use crate::source::{Source, Word};
use crate::tree::Tree;

const ABI: &str = "crates/annulus-abi/";
const RING: &str = "crates/annulus-ring/src/";
const CONFORMANCE: &str = "crates/annulus-ring/tests/it/";
const COMPARED: &str = "crates/annulus-abi/tests/it/compare/constants.rs";
const RUNTIME: &str = "crates/annulus/src/";

/// Functions whose name says nothing of what they do with a constant.
const GENERIC: &[&str] =
    &["new", "build", "default", "fmt", "encode", "decode", "submit", "from", "drop", "of"];

/// What was found of an item; empty where nothing was.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub constant: String,
    pub method: String,
    pub golden: String,
    pub conformance: String,
    pub runtime: String,
}

/// A constant as it is named in code: its type and its name.
type Path<'a> = (&'a str, &'a str);

/// What the sources name, gathered once.
pub struct Evidence<'a> {
    /// The ops of each opcode.
    ops: HashMap<&'a str, Vec<&'a str>>,
    /// The public functions of the ring whose body names a constant.
    methods: HashMap<Path<'a>, Vec<String>>,
    /// The constants that code of the ring names anywhere, with the file.
    named: HashMap<Path<'a>, &'a str>,
    /// The words of code of the ring, for constants without a type.
    words: HashMap<&'a str, &'a str>,
    /// The public functions and types that carry a C name.
    aliased: HashMap<&'a str, Vec<String>>,
    /// Fields and parameters of the ring, by type.
    taken: HashMap<&'a str, String>,
    golden_words: HashSet<&'a str>,
    golden_paths: HashSet<Path<'a>>,
    compared: Option<&'a Source>,
    tests: Vec<&'a Source>,
    test_words: HashMap<&'a str, &'a str>,
    test_paths: HashMap<Path<'a>, &'a str>,
    runtime_words: HashMap<&'a str, &'a str>,
    runtime_paths: HashMap<Path<'a>, &'a str>,
}

impl<'a> Evidence<'a> {
    /// Reads the tree.
    pub fn of(tree: &'a Tree) -> Self {
        let mut evidence = Self {
            ops: HashMap::new(),
            methods: HashMap::new(),
            named: HashMap::new(),
            words: HashMap::new(),
            aliased: HashMap::new(),
            taken: HashMap::new(),
            golden_words: HashSet::new(),
            golden_paths: HashSet::new(),
            compared: tree.sources().iter().find(|source| source.path == COMPARED),
            tests: tree.sources_in(CONFORMANCE).collect(),
            test_words: HashMap::new(),
            test_paths: HashMap::new(),
            runtime_words: HashMap::new(),
            runtime_paths: HashMap::new(),
        };
        tree.sources_in(RING).for_each(|source| evidence.read_ring(source));
        for source in tree.sources_in(ABI).chain(tree.sources_in(RING)) {
            evidence.read_golden(source);
        }
        for source in tree.sources_in(CONFORMANCE) {
            let words: Vec<_> = source.words().collect();
            let file = short(&source.path, CONFORMANCE);
            for word in &words {
                evidence.test_words.entry(word.text).or_insert(file);
            }
            for (path, _) in paths(source, &words) {
                evidence.test_paths.entry(path).or_insert(file);
            }
        }
        for source in tree.sources_in(RUNTIME).filter(|source| !source.is_test()) {
            let words: Vec<_> = source.words().collect();
            let file = short(&source.path, RUNTIME);
            for word in words.iter().filter(|word| !source.in_tests(word.at)) {
                evidence.runtime_words.entry(word.text).or_insert(file);
            }
            for (path, _) in paths(source, &words) {
                evidence.runtime_paths.entry(path).or_insert(file);
            }
        }
        evidence
    }

    fn read_ring(&mut self, source: &'a Source) {
        if source.is_test() {
            return;
        }
        let words: Vec<_> = source.words().collect();
        let functions = public_functions(source);
        for word in words.iter().filter(|word| !source.in_tests(word.at)) {
            self.words.entry(word.text).or_insert(short(&source.path, RING));
        }
        let mut op = None;
        for three in words.windows(3) {
            let is_op = three[0].text.ends_with("Op") && three[1].text == "for";
            if is_op && !source.in_tests(three[2].at) {
                op = Some(three[2].text);
            }
        }
        for (path, at) in paths(source, &words).filter(|&(_, at)| !source.in_tests(at)) {
            self.named.entry(path).or_insert(short(&source.path, RING));
            if let (("Opcode", name), Some(op)) = (path, op) {
                self.ops.entry(name).or_default().push(op);
            }
            let around = functions.iter().find(|(_, lines)| lines.contains(&at));
            if let Some((name, _)) = around {
                self.methods.entry(path).or_default().push(name.clone());
            }
        }
        for (at, line) in source.lines.iter().enumerate().filter(|&(at, _)| !source.in_tests(at)) {
            let Some((left, right)) = line.code.split_once(": ") else { continue };
            let field = left.trim().trim_start_matches("pub ").trim();
            if field.chars().all(|c| c.is_lowercase() || c == '_' || c.is_ascii_digit()) {
                for (kind, _) in crate::source::words(right) {
                    let place = format!("{field} of {}:{}", short(&source.path, RING), at + 1);
                    self.taken.entry(kind).or_insert(place);
                }
            }
        }
        for (c_name, after) in aliases(&source.text) {
            let declared = after.lines().map(str::trim).find(|line| !line.starts_with(['#', '/']));
            let public = declared.filter(|line| line.starts_with("pub ")).unwrap_or_default();
            let name = ["fn ", "struct ", "enum "].iter().find_map(|kind| public.split_once(kind));
            if let Some((_, rest)) = name {
                let name = rest.chars().take_while(|&c| crate::source::is_word(c)).collect();
                self.aliased.entry(c_name).or_default().push(name);
            }
        }
    }

    fn read_golden(&mut self, source: &'a Source) {
        let words: Vec<_> = source.words().collect();
        let tested = words.iter().filter(|word| source.in_tests(word.at));
        self.golden_words.extend(tested.map(|word| word.text));
        let tested = paths(source, &words).filter(|&(_, at)| source.in_tests(at));
        self.golden_paths.extend(tested.map(|(path, _)| path));
    }

    /// What there is of `item`.
    pub fn of_item(&self, item: &Item) -> Found {
        let path = (item.owner.as_str(), item.name.as_str());
        let constant = match path {
            (_, "") => String::new(),
            ("", name) => name.to_owned(),
            (owner, name) => format!("{owner}::{name}"),
        };
        let ops = self.ops.get(item.name.as_str()).filter(|_| item.owner == "Opcode");
        let ops: Vec<&str> = ops.into_iter().flatten().copied().collect();
        let methods = self.methods_of(item);
        Found {
            constant,
            method: if ops.is_empty() { self.method(item, &methods) } else { ops.join(", ") },
            golden: self.golden(item, &ops),
            conformance: self.conformance(item, &ops, &methods),
            runtime: self.runtime(item, &ops),
        }
    }

    /// The public functions and types that are about `item`.
    fn methods_of(&self, item: &Item) -> Vec<String> {
        let path = (item.owner.as_str(), item.name.as_str());
        let inside = self.methods.get(&path).into_iter().flatten();
        let aliased = self.aliased.get(item.c_name.as_str()).into_iter().flatten();
        let named = aliased.chain(inside).filter(|name| !GENERIC.contains(&name.as_str()));
        named.cloned().collect()
    }

    fn method(&self, item: &Item, methods: &[String]) -> String {
        let path = (item.owner.as_str(), item.name.as_str());
        if let Some(name) = methods.first() {
            let is_type = name.starts_with(char::is_uppercase);
            return if is_type { name.clone() } else { format!("{name}()") };
        }
        // An opcode and a register operation want a thing of their own.
        if item.owner == "Opcode" {
            return String::new();
        }
        let named = match path {
            ("", name) => self.words.get(name),
            _ => self.named.get(&path),
        };
        match (named, self.taken.get(path.0)) {
            (Some(file), _) => (*file).to_owned(),
            (None, Some(place)) if item.owner != "RegisterOp" => place.clone(),
            _ => String::new(),
        }
    }

    fn golden(&self, item: &Item, ops: &[&str]) -> String {
        let path = (item.owner.as_str(), item.name.as_str());
        if item.owner == "Opcode" {
            let tested = ops.iter().find(|op| self.golden_words.contains(*op));
            return tested.map(|op| format!("entry of {op}")).unwrap_or_default();
        }
        if self.golden_paths.contains(&path) {
            return "named".to_owned();
        }
        let compared = self.compared.is_some_and(|source| {
            let quoted = format!("\"{}\"", item.c_name);
            let listed = source.words().any(|word| word.text == item.owner);
            !item.name.is_empty() && (source.text.contains(&quoted) || listed)
        });
        if compared { "header".to_owned() } else { String::new() }
    }

    fn conformance(&self, item: &Item, ops: &[&str], methods: &[String]) -> String {
        let path = (item.owner.as_str(), item.name.as_str());
        let by_path = match path {
            (_, "") => None,
            ("", name) => self.test_words.get(name),
            _ => self.test_paths.get(&path),
        };
        let methods = methods.iter().map(String::as_str);
        let by_word =
            || ops.iter().copied().chain(methods).find_map(|word| self.test_words.get(word));
        if let Some(file) = by_path.or_else(by_word) {
            return (*file).to_owned();
        }
        let comment = |source: &&&Source| {
            source.lines.iter().any(|line| {
                crate::source::words(&line.comment).any(|(word, _)| word == item.c_name)
            })
        };
        let file = self.tests.iter().find(comment).map(|source| short(&source.path, CONFORMANCE));
        file.unwrap_or_default().to_owned()
    }

    fn runtime(&self, item: &Item, ops: &[&str]) -> String {
        let path = (item.owner.as_str(), item.name.as_str());
        let by_op = || ops.iter().find_map(|op| self.runtime_words.get(op));
        self.runtime_paths
            .get(&path)
            .or_else(by_op)
            .map(|file| (*file).to_owned())
            .unwrap_or_default()
    }
}

/// Each `Type::NAME` of the code, with the index of its line.
fn paths<'a>(source: &'a Source, words: &[Word<'a>]) -> impl Iterator<Item = (Path<'a>, usize)> {
    words.windows(2).filter_map(|pair| {
        let [owner, name] = pair else { return None };
        let start = name.end - name.text.len();
        let joined = owner.at == name.at && &source.lines[owner.at].code[owner.end..start] == "::";
        joined.then_some(((owner.text, name.text), name.at))
    })
}

/// The public functions of a file, with their lines.
fn public_functions(source: &Source) -> Vec<(String, std::ops::Range<usize>)> {
    let functions = source.functions().into_iter();
    let public = functions.filter(|function| {
        let code = source.lines[function.at].code.trim_start();
        code.starts_with("pub fn")
            || code.starts_with("pub unsafe fn")
            || code.starts_with("pub const fn")
    });
    public.map(|function| (function.name, function.at..function.at + function.lines)).collect()
}

/// A path without its beginning and its `.rs`.
fn short<'a>(path: &'a str, below: &str) -> &'a str {
    path.strip_prefix(below).unwrap_or(path).trim_end_matches(".rs")
}

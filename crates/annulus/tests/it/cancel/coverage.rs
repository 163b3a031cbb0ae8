//! Every public future has a scenario, and every scenario a future that exists.
//!
//! The sources are read as text: a public `async fn`, a public function that gives `impl Future`,
//! either of them in a public trait, a public type that implements `Future`, `IntoFuture` or
//! `Stream`, and an exported macro are futures. Their names are those of their file and their own,
//! `net::recv::Recv`. What implements a trait has the trait's names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use crate::harness::share_process;

/// Where the futures are, and what the names of each begin with.
const SOURCES: [(&str, &str); 3] =
    [("src", ""), ("../annulus-task/src", "task::"), ("../annulus-sync/src", "sync::")];

/// Found by the rules above, but no future of its own; and why.
const NONE: &[(&str, &str)] = &[
    ("runtime::local::core_local!", "declares a value"),
    ("task::task_local::task_local!", "declares a value"),
    ("serve::handler::on_accept", "the user's future"),
    ("serve::handler::on_start", "the user's future"),
    ("serve::handler::on_datagram", "the user's future"),
];

/// All that the rules find.
static FOUND: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut found = BTreeSet::new();
    for (directory, prefix) in SOURCES {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        for_each_source(&directory, &mut |path, text| {
            let inside = path.strip_prefix(&directory).expect("it was found there");
            let module = inside.with_extension("").to_string_lossy().replace('/', "::");
            if !module.ends_with("::tests") {
                found.extend(futures_of(text).map(|name| format!("{prefix}{module}::{name}")));
            }
        });
    }
    found
});

/// What needs a scenario.
static FUTURES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let counts = |name: &&String| NONE.iter().all(|(none, _why)| none != *name);
    FOUND.iter().filter(counts).cloned().collect()
});

/// Reads all sources below a directory.
fn for_each_source(directory: &Path, see: &mut impl FnMut(&Path, &str)) {
    let _shared = share_process();
    walk(directory, see);
}

fn walk(directory: &Path, see: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(directory).expect("the sources are there") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            walk(&path, see);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            see(&path, &fs::read_to_string(&path).expect("the sources can be read"));
        }
    }
}

/// The names of the public futures of one file.
fn futures_of(text: &str) -> impl Iterator<Item = String> {
    let indented: Vec<&str> =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let lines: Vec<&str> = indented.iter().map(|line| line.trim()).collect();
    let in_trait = in_public_traits(&indented);
    let mut names = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let exported = number > 0 && lines[number - 1].starts_with("#[macro_export");
        if let Some(rest) = line.strip_prefix("macro_rules! ").filter(|_| exported) {
            names.push(format!("{}!", ident(rest)));
        } else if let Some(name) = function(&lines[number..], in_trait[number]) {
            names.push(name);
        } else if let Some(name) = implementor(line) {
            let declared = |kind: &str| {
                lines.iter().any(|line| {
                    let rest = line.strip_prefix(&format!("pub {kind} ")).unwrap_or_default();
                    ident(rest) == name
                })
            };
            if declared("struct") || declared("enum") {
                names.push(name.to_owned());
            }
        }
    }
    names.into_iter()
}

/// Which of the lines are in a public trait, whose functions are public without saying so: up to
/// the brace that is as far from the margin as the trait.
fn in_public_traits(lines: &[&str]) -> Vec<bool> {
    let mut margin = None;
    let is_inside = |line: &&str| {
        let (code, was_inside) = (line.trim_start(), margin.is_some());
        let before = line.len() - code.len();
        let begins = code.starts_with("pub trait ") || code.starts_with("pub unsafe trait ");
        if begins && !code.ends_with('}') {
            margin = Some(before);
        } else if code.starts_with('}') && margin == Some(before) {
            margin = None;
        }
        was_inside
    };
    lines.iter().map(is_inside).collect()
}

/// The name of a public function that gives a future, if one begins on the first of these lines.
fn function(lines: &[&str], in_trait: bool) -> Option<String> {
    let head = if in_trait { lines[0] } else { lines[0].strip_prefix("pub ")? };
    let (is_async, rest) = match head.strip_prefix("async ") {
        Some(rest) => (true, rest),
        None => (false, head),
    };
    let rest = rest.strip_prefix("unsafe ").unwrap_or(rest).strip_prefix("fn ")?;
    let mut signature = String::new();
    for line in lines {
        let end = line.find(['{', ';']);
        signature.push_str(&line[..end.unwrap_or(line.len())]);
        if end.is_some() {
            break;
        }
    }
    let gives = |future: &&str| signature.contains(&format!("-> impl {future}"));
    let is_future = is_async || ["Future", "OpExt", "Linkable"].iter().any(gives);
    is_future.then(|| ident(rest).to_owned())
}

/// The type that a line implements a future for.
fn implementor(line: &str) -> Option<&str> {
    if !line.starts_with("impl") {
        return None;
    }
    let of = [" Future for ", " IntoFuture for ", " Stream for "];
    let (_, name) = of.iter().find_map(|of| line.split_once(of))?;
    // A macro's implementor has no name here; what the macro makes is named where it is called.
    Some(ident(name)).filter(|name| !name.is_empty())
}

fn ident(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    &text[..end.unwrap_or(text.len())]
}

/// Whether the sources have a future of this name.
pub fn is_future(name: &str) -> bool {
    FUTURES.contains(name)
}

/// What the scenarios name: the strings in the brackets of each `Points::of`.
fn named_by_scenarios() -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cancel");
    for_each_source(&directory, &mut |_, text| {
        for call in text.split(concat!("Points", "::of(&[")).skip(1) {
            let list = call.split(']').next().unwrap_or_default();
            named.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
        }
    });
    named
}

#[test]
fn every_public_future_is_ended_at_every_point_by_some_scenario() {
    let named = named_by_scenarios();
    let without: Vec<_> = FUTURES.difference(&named).collect();
    assert!(without.is_empty(), "no scenario ends these futures: {without:#?}");
    let gone: Vec<_> = named.difference(&FUTURES).collect();
    assert!(gone.is_empty(), "scenarios name what is no future: {gone:#?}");
    let stale = |(name, _why): &&(&str, &str)| !FOUND.contains(*name);
    assert_eq!(NONE.iter().filter(stale).count(), 0, "an exception excepts nothing");
}

#[test]
fn the_rules_find_what_they_are_to_find() {
    let text = "
        pub async fn open(path: &Path) -> File {
        pub fn read<B>(
            buf: B,
        ) -> impl Future<Output = B> + use<B> {
        pub(crate) async fn hidden() {
        /// pub async fn only_text() {
        pub struct Sleep;
        impl Future for Sleep {
        struct Inner;
        impl<T> Future for Inner<T> {
        #[macro_export]
        macro_rules! select {
        macro_rules! own {
        pub fn name() -> &'static str {
        pub trait Reads: Sized {
            fn name(&self) -> &str;
            fn fill(&mut self) -> impl Future<Output = u8>;
            fn skip(
                &mut self,
            ) -> impl Future<Output = ()> {
                async move {
                }
            }
            async fn end(&mut self) {
            }
        }
        fn own() -> impl Future<Output = ()> {
        pub trait Marks: Reads {}
        async fn also_own() {
        pub(crate) trait Inside {
            fn settled(&self) -> impl Future<Output = ()>;
        }
    ";
    let names: Vec<_> = futures_of(text).collect();
    assert_eq!(names, ["open", "read", "Sleep", "select!", "fill", "skip", "end"]);
}

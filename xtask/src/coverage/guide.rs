//! `docs/coming-from.md`: that it tells every name, and that what it names here exists.

use std::collections::HashSet;

use crate::source::words;
use crate::tree::Tree;

const GUIDE: &str = "docs/coming-from.md";
const CRATES: &[&str] = &[
    "crates/annulus-abi/src/",
    "crates/annulus-ring/src/",
    "crates/annulus-task/src/",
    "crates/annulus-sync/src/",
    "crates/annulus/src/",
    "crates/annulus-compat/src/",
    "crates/annulus-tls/src/",
    "crates/annulus-http/src/",
];

/// Names that the guide should tell and does not, and names of ours in it that are nowhere.
pub fn missing(tree: &Tree, names: &[&str]) -> Vec<String> {
    let guide = tree.files().iter().find(|file| file.path == GUIDE);
    let text = guide.map_or("", |guide| &guide.text);
    let told: HashSet<&str> = words(text).map(|(word, _)| word).collect();
    let untold = names.iter().filter(|name| !told.contains(*name));
    let mut missing: Vec<String> = untold.map(|name| format!("{name}: not in {GUIDE}")).collect();
    let sources = CRATES.iter().flat_map(|prefix| tree.sources_in(prefix));
    let crates: Vec<String> = CRATES
        .iter()
        .filter_map(|path| path.split('/').nth(1))
        .map(|it| it.replace('-', "_"))
        .collect();
    let known: HashSet<&str> = sources
        .flat_map(|source| source.words())
        .map(|word| word.text)
        .chain(crates.iter().map(String::as_str))
        .collect();
    for (at, line) in text.lines().enumerate() {
        for name in ours(line).filter(|name| !known.contains(name)) {
            missing.push(format!("{GUIDE}:{}: nothing here is called `{name}`", at + 1));
        }
    }
    missing
}

/// The identifiers in the columns of a table that are about this project: all but the first.
fn ours(line: &str) -> impl Iterator<Item = &str> {
    let row = line.strip_prefix("| ").unwrap_or_default();
    let cells = row.split(" | ").skip(1);
    let code = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let code = code.filter(|code| !code.starts_with("cargo "));
    code.flat_map(words).map(|(word, _)| word).filter(|word| !word.starts_with(char::is_numeric))
}

//! Every constant with a C name, read from the sources of `annulus-abi`.

use crate::source::{Source, is_word};
use crate::tree::Tree;

const ABI: &str = "crates/annulus-abi/src/";
const RING: &str = "crates/annulus-ring/src/";

/// A constant of the kernel's header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The type that it belongs to, empty for a free one or if `annulus-abi` lacks it.
    pub owner: String,
    /// Its name here, empty if `annulus-abi` lacks it.
    pub name: String,
    /// Its name in the header.
    pub c_name: String,
}

impl Item {
    /// The table that it stands in.
    pub fn section(&self) -> &str {
        if self.owner.is_empty() { "Others" } else { &self.owner }
    }
}

/// All items, by type in the order of their files, and of the header within a type.
pub fn of(tree: &Tree) -> Vec<Item> {
    let mut items = Vec::new();
    for source in tree.sources_in(ABI).filter(|source| !source.is_test()) {
        items.extend(rows(source));
        items.extend(aliased(source));
    }
    let mut seen = std::collections::HashSet::new();
    items.retain(|item: &Item| seen.insert(item.c_name.clone()));
    let mut lacking: Vec<Item> = tree
        .sources_in(RING)
        .flat_map(|source| aliases(&source.text))
        .filter(|(c_name, _)| is_constant(c_name) && !seen.contains(*c_name))
        .map(|(c_name, _)| Item {
            c_name: c_name.into(),
            owner: String::new(),
            name: String::new(),
        })
        .collect();
    lacking.sort();
    lacking.dedup();
    items.extend(lacking);
    items.sort_by(|a, b| a.owner.cmp(&b.owner));
    items
}

/// Rows of the macros: `const NAME = … => "C_NAME", …;` and `NAME = 7 => "C_NAME", …;`.
fn rows(source: &Source) -> Vec<Item> {
    let text = &source.text;
    let mut items = Vec::new();
    for (at, _) in text.match_indices("=> \"") {
        let c_name = text[at + 4..].split('"').next().unwrap_or_default();
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let left = text[line..at].trim_start();
        let is_flag = left.starts_with("const ");
        let name: String =
            left.trim_start_matches("const ").chars().take_while(|&c| is_word(c)).collect();
        if !is_constant(c_name) || !is_upper(&name) {
            continue;
        }
        let owner = if is_flag {
            let head = text[..line].rfind("pub struct ").map_or("", |at| &text[at + 11..]);
            head.chars().take_while(|&c| is_word(c)).collect()
        } else if c_name.starts_with("IORING_OP_") {
            "Opcode".to_owned()
        } else {
            "RegisterOp".to_owned()
        };
        items.push(Item { owner, name, c_name: c_name.to_owned() });
    }
    items
}

/// Constants that carry their C name as an alias.
fn aliased(source: &Source) -> Vec<Item> {
    let mut items = Vec::new();
    for (c_name, after) in aliases(&source.text) {
        let declared = after.lines().map(str::trim).find(|line| !line.starts_with('#'));
        let Some(rest) = declared.and_then(|line| line.strip_prefix("pub const ")) else {
            continue;
        };
        let name: String = rest.chars().take_while(|&c| is_word(c)).collect();
        if !is_constant(c_name) || !is_upper(&name) {
            continue;
        }
        let offset = source.text.len() - after.len();
        let indented = source.text[..offset]
            .rfind('\n')
            .is_some_and(|end| source.text[end + 1..offset].starts_with(' '));
        let head = source.text[..offset].rfind("\nimpl ").map_or("", |at| &source.text[at + 6..]);
        let owner = head.chars().take_while(|&c| is_word(c)).collect();
        let owner = if indented { owner } else { String::new() };
        items.push(Item { owner, name, c_name: c_name.to_owned() });
    }
    items
}

/// Every `doc(alias = "…")`, with the text after its line.
pub fn aliases(text: &str) -> impl Iterator<Item = (&str, &str)> {
    const MARK: &str = "doc(alias = \"";
    text.match_indices(MARK).map(|(at, _)| {
        let rest = &text[at + MARK.len()..];
        let name = rest.split('"').next().unwrap_or_default();
        (name, rest.split_once('\n').map_or("", |(_, after)| after))
    })
}

/// Is it a constant of the header, and none that only counts or masks?
fn is_constant(c_name: &str) -> bool {
    const PREFIXES: &[&str] =
        &["IORING_", "IOSQE_", "IO_URING_", "IO_WQ_", "SOCKET_URING_OP_", "ZCRX_", "SPLICE_F_FD"];
    is_upper(c_name)
        && PREFIXES.iter().any(|prefix| c_name.starts_with(prefix))
        && !c_name.ends_with("_LAST")
}

fn is_upper(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

//! The arrows between crates, the absences that must stay true, features that only add.

use crate::finding::Finding;
use crate::manifest::{Kind, Manifest};
use crate::source::Source;
use crate::tables::{ABSENCES, Absence, LAYERS, Layer};
use crate::tree::{File, Tree};

#[cfg(test)]
mod tests;

/// Dependencies of each crate against the table of layers.
pub fn arrows(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().iter().filter(|file| is_member(&file.path)) {
        let manifest = Manifest::parse(&file.text);
        match LAYERS.iter().find(|layer| layer.name == manifest.name) {
            Some(layer) => findings.extend(arrows_of(file, &manifest, layer)),
            None => findings.push(Finding::new(
                "layers",
                &file.path,
                1,
                format!("crate `{}` has no layer", manifest.name),
                "give it a row in `LAYERS` of xtask/src/tables.rs, and a reason to exist",
            )),
        }
    }
    findings
}

fn is_member(path: &str) -> bool {
    let in_crates = path.starts_with("crates/") && path.matches('/').count() == 2;
    path.ends_with("/Cargo.toml")
        && (in_crates || path == "examples/Cargo.toml" || path == "xtask/Cargo.toml")
}

fn arrows_of(file: &File, manifest: &Manifest, layer: &Layer) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dependency in &manifest.dependencies {
        let name = dependency.name.as_str();
        let in_tests = dependency.kind == Kind::Dev;
        let ours = LAYERS.iter().any(|other| other.name == name);
        let allowed = if ours {
            layer.uses.contains(&name) || (in_tests && layer.tests_use.contains(&name))
        } else {
            in_tests || layer.others.is_none_or(|others| others.contains(&name))
        };
        if !allowed {
            findings.push(Finding::new(
                "layers",
                &file.path,
                dependency.line,
                format!("`{}` must not depend on `{name}`: arrows only point down", layer.name),
                "move the code to a layer that may, or pass what it needs from above",
            ));
        }
    }
    findings
}

/// Words that must not stand below a path.
pub fn absences(tree: &Tree) -> Vec<Finding> {
    ABSENCES.iter().flat_map(|absence| absence_of(tree, absence)).collect()
}

fn absence_of(tree: &Tree, absence: &Absence) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources_in(absence.below) {
        if absence.except.iter().any(|except| source.path.starts_with(except)) {
            continue;
        }
        for word in source.words().filter(|word| absence.words.contains(&word.text)) {
            findings.push(Finding::new(
                "absence",
                &source.path,
                word.at + 1,
                format!("`{}` here: {}", word.text, absence.promise),
                "keep the promise: move this to the layer that owns it",
            ));
        }
    }
    findings
}

/// Features that select behaviour instead of adding a crate or an API.
pub fn features(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources() {
        for (at, line) in source.lines.iter().enumerate() {
            let squeezed: String = line.code.split_whitespace().collect();
            let what = if squeezed.contains("cfg!(feature") {
                "a feature decides what this code does"
            } else if squeezed.contains("not(feature") {
                "code that exists only without a feature"
            } else if squeezed.contains("cfg(feature") && !gates_an_item(source, at) {
                "a feature gates something that is not an item"
            } else {
                continue;
            };
            findings.push(Finding::new(
                "features",
                &source.path,
                at + 1,
                what,
                "features only add crates or API; choose behaviour at run time",
            ));
        }
    }
    findings
}

/// Does the attribute on line `at` stand before an item?
fn gates_an_item(source: &Source, at: usize) -> bool {
    const ITEMS: &[&str] = &[
        "pub", "mod", "use", "impl", "fn", "struct", "enum", "trait", "type", "const", "static",
        "extern", "unsafe", "async",
    ];
    if source.lines[at].code.contains("#![") {
        return true;
    }
    let mut rest = source.lines[at..].iter().map(|line| line.code.trim());
    let first = rest.next().and_then(|code| code.rsplit_once(']')).map(|(_, rest)| rest.trim());
    let next = match first {
        Some(rest) if !rest.is_empty() => Some(rest),
        _ => rest.find(|code| !code.is_empty() && !code.starts_with("#[")),
    };
    let word = next.and_then(|code| code.split(|c: char| !c.is_alphanumeric()).next());
    word.is_some_and(|word| ITEMS.contains(&word))
}

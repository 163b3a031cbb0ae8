//! `cargo xtask abi`: the constants and layouts of `annulus-abi` against everyone else's.
//!
//! Owns: whom to compare with (the machine's C header, a header given by path, the crates
//! `linux-raw-sys` and `io-uring`) and the report. Does not own: how a header is read, which
//! `annulus-abi`'s tests share (`crates/annulus-abi/tests/it/compare/`).
//!
//! A name that only one side has is reported, because either may be the older one; a name with two
//! values fails.

mod bindings;
#[path = "../../crates/annulus-abi/tests/it/compare/comparison.rs"]
mod comparison;
#[path = "../../crates/annulus-abi/tests/it/compare/constants.rs"]
mod constants;
#[path = "../../crates/annulus-abi/tests/it/compare/header.rs"]
mod header;
#[path = "../../crates/annulus-abi/tests/it/compare/layouts.rs"]
mod layouts;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use comparison::Comparison;
use header::Header;

/// One comparison and whom it was with.
struct Row {
    with: String,
    outcome: Result<Comparison, String>,
    /// Where the other side may be absent.
    optional: bool,
}

/// What `cargo xtask abi` says, and whether all agree.
pub fn report(arguments: &[String]) -> (String, bool) {
    let mut headers = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (argument.as_str(), rest.next()) {
            ("--header", Some(path)) => headers.push(PathBuf::from(path)),
            _ => return ("usage: cargo xtask abi [--header PATH]…\n".to_owned(), false),
        }
    }
    let mut rows = with_header("<linux/io_uring.h>", None);
    for path in &headers {
        rows.extend(with_header(&path.display().to_string(), Some(path)));
    }
    for package in ["linux-raw-sys", "io-uring"] {
        let outcome = bindings::of(package).map(|text| bindings::compare(&text));
        rows.push(Row { with: format!("constants of {package}"), outcome, optional: false });
    }
    table(&rows)
}

fn with_header(name: &str, path: Option<&Path>) -> Vec<Row> {
    // The machine may have no compiler; a header that was asked for must be there.
    let optional = path.is_none();
    let row = |with: String, outcome| Row { with, outcome, optional };
    match Header::read(path) {
        Ok(header) => vec![
            row(format!("constants of {name}"), comparison::constants_with(&header)),
            row(format!("layouts of {name}"), comparison::layouts_with(&header)),
        ],
        Err(why) => vec![row(name.to_owned(), Err(why))],
    }
}

fn table(rows: &[Row]) -> (String, bool) {
    let mut text = String::from(
        "| compared with | agree | differ | only here | only there |\n|---|---|---|---|---|\n",
    );
    let mut details = String::new();
    let mut passed = true;
    for Row { with, outcome, optional } in rows {
        match outcome {
            Ok(comparison) => {
                let Comparison { agreed, ours_alone, theirs_alone, disagreements } = comparison;
                let counts = [disagreements.len(), ours_alone.len(), theirs_alone.len()];
                let [differ, ours, theirs] = counts;
                let _ = writeln!(text, "| {with} | {agreed} | {differ} | {ours} | {theirs} |");
                details.push_str(&names(&format!("only here, not in {with}"), ours_alone));
                details.push_str(&names(&format!("only in {with}"), theirs_alone));
                for found in disagreements {
                    let (name, ours, theirs) = (&found.name, found.ours, found.theirs);
                    let _ = writeln!(details, "\n{name}: {ours} here, {theirs} in {with}");
                }
                passed &= disagreements.is_empty() && *agreed > 0;
            }
            Err(why) => {
                let _ = writeln!(text, "| {with} | – | – | – | – |");
                let _ = writeln!(details, "\n{with}: not compared: {}", why.trim());
                passed &= *optional;
            }
        }
    }
    (text + &details, passed)
}

/// A heading and names in lines; nothing if there are none.
fn names(heading: &str, names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{heading}:\n");
    let mut width = crate::tables::COLUMNS;
    for name in names {
        if width + name.len() + 1 > crate::tables::COLUMNS {
            text.push_str("\n   ");
            width = 3;
        }
        text.push(' ');
        text.push_str(name);
        width += name.len() + 1;
    }
    text.push('\n');
    text
}

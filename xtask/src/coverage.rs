//! `cargo xtask coverage`: for every opcode, register operation and flag, where it is in this
//! project.
//!
//! Owns: the table and what is missing in it. Does not own: what a name is (`items`), where it is
//! found (`evidence`), why something may be missing (`reasons`), the names of liburing
//! (`liburing`), and the guide for those who come from elsewhere (`guide`).
//!
//! All of it is read from the sources, so nothing has to be kept in step by hand:
//!
//! | column | is there if |
//! |---|---|
//! | constant | `annulus-abi` has it |
//! | op or method | a type implements `Op` with the opcode; or code of `annulus-ring` names the constant, or a public function or type carries the C name as its `doc(alias)`, or a function or op takes its type |
//! | golden test | a unit test spells out the op's entry; the constant is compared with the C header or named by a unit test |
//! | conformance | a test below `crates/annulus-ring/tests/it/` names the op, the constant or that function in its code, or the C name in a comment |
//! | runtime | the crate `annulus` uses it; nobody minds if not |

mod evidence;
mod guide;
mod items;
mod liburing;
mod reasons;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use crate::tree::Tree;
use evidence::{Evidence, Found};
use reasons::Reason;

/// A column that must not be empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Column {
    /// The constant in `annulus-abi`.
    Constant,
    /// A typed op or a method.
    Method,
    /// A test of what is written or of the value.
    Golden,
    /// A test against the kernel.
    Conformance,
}

impl Column {
    const ALL: [Self; 4] = [Self::Constant, Self::Method, Self::Golden, Self::Conformance];

    fn of(self, found: &Found) -> &str {
        match self {
            Self::Constant => &found.constant,
            Self::Method => &found.method,
            Self::Golden => &found.golden,
            Self::Conformance => &found.conformance,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Method => "op or method",
            Self::Golden => "golden test",
            Self::Conformance => "conformance test",
        }
    }
}

/// The report, and whether nothing is missing without a reason. `--quiet` leaves the tables out.
pub fn report(tree: &Tree, arguments: &[String]) -> (String, bool) {
    let is_quiet = match arguments {
        [] => false,
        [only] if only == "--quiet" => true,
        _ => return ("usage: cargo xtask coverage [--quiet]\n".to_owned(), false),
    };
    let mut text = String::new();
    let missing = table(tree, reasons::REASONS, &mut text);
    let unnamed = liburing::missing(tree, liburing::NAMES, liburing::ELSEWHERE);
    let untold = guide::missing(tree, liburing::NAMES);
    let findings: Vec<String> = missing.into_iter().chain(unnamed).chain(untold).collect();
    if is_quiet {
        let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| C name |");
        text = format!("{} names of the kernel\n", text.lines().filter(is_row).count());
    }
    if findings.is_empty() {
        text.push_str("\nnothing is missing without a reason\n");
    } else {
        let _ = writeln!(text, "\n{} missing without a reason:", findings.len());
        findings.iter().for_each(|finding| text.push_str(&format!("  {finding}\n")));
    }
    (text, findings.is_empty())
}

/// Writes the table, and gives what is missing in it.
fn table(tree: &Tree, reasons: &[Reason], text: &mut String) -> Vec<String> {
    let items = items::of(tree);
    let evidence = Evidence::of(tree);
    let mut missing = Vec::new();
    let mut used = vec![false; reasons.len()];
    let mut section = "";
    for item in &items {
        if item.section() != section {
            section = item.section();
            let _ = writeln!(text, "\n## {section}\n");
            text.push_str(
                "| C name | constant | op or method | golden test | conformance | runtime |\n",
            );
            text.push_str("|---|---|---|---|---|---|\n");
        }
        let found = evidence.of_item(item);
        let mut cells = Vec::new();
        for column in Column::ALL {
            let cell = column.of(&found);
            if !cell.is_empty() {
                cells.push(cell.to_owned());
                continue;
            }
            let reason = reasons.iter().position(|reason| reason.covers(&item.c_name, column));
            if let Some(index) = reason {
                used[index] = true;
                cells.push(format!("({})", reasons[index].why));
            } else {
                cells.push("MISSING".to_owned());
                missing.push(format!("{}: {}", item.c_name, column.name()));
            }
        }
        let runtime = if found.runtime.is_empty() { "–" } else { &found.runtime };
        let _ = writeln!(text, "| {} | {} | {runtime} |", item.c_name, cells.join(" | "));
    }
    for (reason, used) in reasons.iter().zip(used) {
        if !used {
            missing.push(format!("reasons.rs: `{}` needs no reason any more", reason.names[0]));
        }
    }
    missing
}

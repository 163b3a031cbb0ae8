//! The project's own checks and reports, as ordinary Rust: `cargo xtask tidy`, `cargo xtask
//! coverage`, `cargo xtask abi`, `cargo xtask asan`, `cargo xtask soak`, `cargo xtask unsafe`.
//!
//! Owns: the rules of the house that a compiler cannot check, each with its remedy. Does not own:
//! what rustc, clippy, rustfmt and rustdoc check already. `cargo test` runs every rule on the real
//! tree.
//!
//! Invariant: a rule is a pure function of a [`tree::Tree`], so each one is tested on made-up
//! files.

#![forbid(unsafe_code)]

mod abi;
mod asan;
mod checks;
mod coverage;
mod finding;
mod inventory;
mod manifest;
mod soak;
mod source;
mod tables;
mod toolchain;
mod tree;
mod wrap;

use std::process::ExitCode;

use tree::Tree;

const HELP: &str = "\
cargo xtask tidy      check the rules of the house; every finding has a place and a remedy
cargo xtask abi       compare every constant and layout with C headers and other crates;
                      --header PATH adds a header
cargo xtask asan      run the suites that AddressSanitizer can say something about under it
cargo xtask coverage  where each opcode, register operation and flag is; what is missing fails;
                      --quiet prints that alone
cargo xtask soak      run the whole suite a hundred times, several at once, and keep what fails;
                      RUNS and AT_ONCE choose other numbers
cargo xtask unsafe    print the inventory of unsafe code
cargo xtask wrap      wrap comments that are too wide";

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let run: fn(&Tree) -> ExitCode = match command.as_str() {
        "tidy" => tidy,
        "unsafe" => inventory,
        "wrap" => wrap,
        "coverage" => coverage,
        "abi" => return abi(),
        "asan" => return asan::run(),
        "soak" => return soak::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        "" | "help" | "--help" | "-h" => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("unknown command `{other}`\n\n{HELP}");
            return ExitCode::FAILURE;
        }
    };
    match Tree::load(&tree::workspace_root()) {
        Ok(tree) => run(&tree),
        Err(error) => {
            eprintln!("the tree cannot be read: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tidy(tree: &Tree) -> ExitCode {
    let findings = checks::all(tree);
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: {} files, nothing to mend", tree.files().len());
        ExitCode::SUCCESS
    } else {
        println!("tidy: {} files, {} to mend", tree.files().len(), findings.len());
        ExitCode::FAILURE
    }
}

fn abi() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    let (text, passed) = abi::report(&arguments);
    print!("{text}");
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn coverage(tree: &Tree) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    let (text, passed) = coverage::report(tree, &arguments);
    print!("{text}");
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn inventory(tree: &Tree) -> ExitCode {
    print!("{}", inventory::Inventory::of(tree));
    ExitCode::SUCCESS
}

fn wrap(tree: &Tree) -> ExitCode {
    match wrap::write_all(&tree::workspace_root(), tree) {
        Ok(changed) => {
            changed.iter().for_each(|path| println!("{path}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("a comment could not be wrapped: {error}");
            ExitCode::FAILURE
        }
    }
}

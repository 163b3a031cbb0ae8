//! Compares every constant and every structure with the C header of this machine.
//!
//! `cargo xtask abi` includes the same files, for other headers and for a report. Names that the
//! header lacks, because it is older, are said on standard error.

mod comparison;
mod constants;
mod header;
mod layouts;

use std::collections::HashSet;
use std::io::Write as _;

use comparison::Comparison;
use header::Header;

/// Writes to standard error directly, where the harness does not swallow it.
pub fn say(text: &str) {
    let line = format!("annulus-abi: {text}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
}

fn agrees(compared: fn(&Header) -> Result<Comparison, String>, at_least: usize) {
    let header = match Header::read(None) {
        Ok(header) => header,
        Err(why) => return say(&format!("skipped, no C compiler or header: {why}")),
    };
    let comparison = compared(&header).expect("the program of known names compiles");
    if let Some(first) = comparison.ours_alone.first() {
        let count = comparison.ours_alone.len();
        say(&format!("skipped {count} names that this machine's header lacks, as {first}"));
    }
    assert_eq!(comparison.disagreements, []);
    assert!(comparison.agreed > at_least, "even the oldest header has these");
}

#[test]
fn every_constant_has_the_value_of_the_c_header() {
    agrees(comparison::constants_with, 100);
}

#[test]
fn every_structure_has_the_layout_of_the_c_header() {
    agrees(comparison::layouts_with, 60);
}

#[test]
fn no_constant_is_listed_twice() {
    let mut seen = HashSet::new();
    for (name, _) in constants::all() {
        assert!(seen.insert(name), "{name}");
    }
}

//! What holds for the tests themselves: each ends with the leak check, and none sleeps to wait.
//!
//! The sources are read as text, item by item. A test gets its runtime from the harness, which
//! checks what is left at its end; one that makes a runtime by hand looks for itself, at the last
//! metrics or at the descriptors of the process.

use std::fs;
use std::path::{Path, PathBuf};

use super::share_process;

/// Items that make a runtime and check nothing, and why.
const UNCHECKED: &[(&str, &str)] = &[
    ("kill_one", "the child that has it is killed"),
    ("keep_in", "its caller compares the descriptors, when all destructors have run"),
    ("refusal", "the runtime is refused"),
    ("sleepy", "only finds out whether the kernel gives a submission thread"),
    ("a_lock_of_a_process_that_ended_amid_its_requests_comes_free", "the child ends at once"),
];

/// Files whose runtimes live in child processes that may do next to nothing.
const CHILDREN: &[&str] = &["refused.rs"];

fn sources() -> Vec<(PathBuf, String)> {
    let _shared = share_process();
    let mut found = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("the tests are there") {
            let path = entry.expect("the tests can be listed").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let text = fs::read_to_string(&path).expect("the tests can be read");
                found.push((path, text));
            }
        }
    }
    found
}

/// The functions of a file: their names and their text.
fn functions(text: &str) -> Vec<(&str, &str)> {
    let starts: Vec<usize> = text
        .match_indices("fn ")
        .map(|(at, _)| at)
        .filter(|&at| {
            let line = &text[text[..at].rfind('\n').map_or(0, |end| end + 1)..at];
            matches!(line, "" | "pub " | "async " | "pub async ")
        })
        .collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| {
            let body = &text[start..end];
            let name = body["fn ".len()..].split(['(', '<']).next().unwrap_or_default();
            (name, body)
        })
        .collect()
}

#[test]
fn every_runtime_of_a_test_ends_with_the_leak_check() {
    let by_hand = [concat!("Runtime::", "new()"), concat!(".bui", "ld()")];
    let looks = [".shutdown()", "runtime.shutdown_timeout(", "descriptors()"];
    let mut excused = Vec::new();
    for (path, text) in sources() {
        if CHILDREN.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        for (name, body) in functions(&text) {
            let makes = by_hand.iter().any(|word| body.contains(word));
            if !makes || looks.iter().any(|word| body.contains(word)) {
                continue;
            }
            let is_excused = UNCHECKED.iter().any(|(excused, _why)| *excused == name)
                || path.ends_with("harness.rs") && name == "made";
            assert!(is_excused, "{name} in {} checks nothing at its end", path.display());
            excused.push(name.to_owned());
        }
    }
    for (name, _why) in UNCHECKED {
        assert!(excused.iter().any(|excused| excused == name), "{name} needs no excuse any more");
    }
}

#[test]
fn no_test_sleeps_to_wait() {
    let sleep = concat!("thread::", "sleep");
    for (path, text) in sources() {
        let lines: Vec<_> = text.lines().filter(|line| line.contains(sleep)).collect();
        assert!(lines.is_empty(), "{}: {lines:#?}", path.display());
    }
}

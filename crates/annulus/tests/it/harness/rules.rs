//! What holds for the tests themselves: each ends with the leak check, and none sleeps to wait.
//!
//! The sources are read as text, item by item. A test gets its runtime from the harness, which
//! checks what is left at its end; one that makes a runtime by hand looks for itself, at the last
//! metrics or at the descriptors of the process.

use std::fs;
use std::path::{Path, PathBuf};

use annulus::runtime::Metrics;

use super::{assert_nothing_left, share_process};

/// Items that make a runtime by hand, or leave something in one, without the leak check; and why.
const UNCHECKED: &[(&str, &str)] = &[
    ("kill_one", "the child that has it is killed"),
    ("keep_in", "its caller compares the descriptors, when all destructors have run"),
    ("a_lock_of_a_process_that_ended_amid_its_requests_comes_free", "the child ends at once"),
    ("server", "its process is ended by a signal, or its caller joins the workers"),
    ("serve_until_signal", "a process of its own, which is ended by a signal"),
    // None was made.
    ("refusal", "the runtime is refused"),
    ("refused", "the server is refused"),
    (
        "a_kernel_that_cannot_says_so_and_what_to_do",
        "the runtime is refused; it looks at the world",
    ),
    ("a_launch_that_is_refused_says_what_and_where", "each server is refused"),
    ("two_servers_of_one_user_do_not_share_an_address_by_mistake", "the second is refused"),
    ("a_successor_that_fails_to_launch_leaves_the_file_and_its_predecessor_alone", "it fails"),
    ("a_successor_that_is_late_hears_so_and_does_not_run", "the server is refused"),
    ("a_handler_that_cannot_start_ends_the_server_with_its_error", "it does not start"),
    // Something is left on purpose, and they say what.
    ("a_lease_may_outlive_its_runtime", "one lease is left"),
    ("a_lease_from_a_dead_runtime_keeps_its_memory", "one lease is left"),
    ("a_runtime_that_ends_with_a_notification_missing_leaks_the_buffer", "one request is left"),
    ("past_the_deadline_memory_is_leaked_and_not_freed", "the deadline leaves requests"),
    ("past_the_deadline_a_registered_buffer_is_leaked_and_not_freed", "as above"),
    ("a_shutdown_with_a_nearer_deadline_than_the_builders_leaks_at_that_one", "as above"),
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

/// What makes a runtime, or a launch of them, or a server, that nobody checks; or leaves something
/// in one that somebody would.
const BY_HAND: [&str; 5] = [
    concat!("Runtime::", "new()"),
    concat!(".bui", "ld()"),
    concat!("lau", "nch("),
    concat!("lau", "nch::<"),
    concat!(".lea", "ve()"),
];

/// The checks: of the last metrics or the boards of the cores, of the descriptors of the process,
/// and that of a test's server, which looks at the boards of its cores.
const LOOKS: [&str; 3] = ["assert_nothing_left(", "assert_eq!(opened_since(", "Run::of("];

#[test]
fn every_runtime_of_a_test_ends_with_the_leak_check() {
    let mut excused = Vec::new();
    for (path, text) in sources() {
        if CHILDREN.iter().any(|name| path.ends_with(name)) || path.ends_with("harness.rs") {
            continue;
        }
        for (name, body) in functions(&text) {
            let has = |words: &[&str]| words.iter().any(|word| body.contains(word));
            if !has(&BY_HAND) || has(&LOOKS) {
                continue;
            }
            let is_excused = UNCHECKED.iter().any(|(excused, _why)| *excused == name);
            assert!(is_excused, "{name} in {} checks nothing at its end", path.display());
            excused.push(name.to_owned());
        }
    }
    for (name, _why) in UNCHECKED {
        assert!(excused.iter().any(|excused| excused == name), "{name} needs no excuse any more");
    }
}

#[test]
fn the_leak_check_finds_what_is_left() {
    let is_found = |leak: fn(&mut Metrics)| {
        let mut last = Metrics::default();
        assert_nothing_left(&last);
        leak(&mut last);
        std::panic::catch_unwind(|| assert_nothing_left(&last)).is_err()
    };
    assert!(is_found(|last| last.tasks = 1));
    assert!(is_found(|last| last.ops_in_flight = 1));
    assert!(is_found(|last| last.descriptors = 1));
    assert!(is_found(|last| last.leases_out = 1));
    assert!(is_found(|last| last.stale_cqes = 1));
}

#[test]
fn no_test_sleeps_to_wait() {
    let sleep = concat!("thread::", "sleep");
    for (path, text) in sources() {
        let lines: Vec<_> = text.lines().filter(|line| line.contains(sleep)).collect();
        assert!(lines.is_empty(), "{}: {lines:#?}", path.display());
    }
}

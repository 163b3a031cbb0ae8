//! What is read off the toolchain, and what is run.

use super::{SUITES, has_runtime, host, lists_any};

#[test]
fn the_host_is_read_from_the_version() {
    let version = "rustc 1.95.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n";
    assert_eq!(host(version), Some("x86_64-unknown-linux-gnu"));
    assert_eq!(host("rustc 1.95.0\n"), None);
}

#[test]
fn a_toolchain_without_the_runtime_is_seen() {
    let directory = std::env::temp_dir().join(format!("annulus-asan-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    assert!(!has_runtime(&directory));
    std::fs::write(directory.join("librustc-nightly_rt.asan.a"), "").unwrap();
    assert!(has_runtime(&directory));
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(!has_runtime(&directory));
}

#[test]
fn a_name_that_no_test_has_any_more_is_seen() {
    assert!(lists_any("sim::short: test\n\n1 test, 0 benchmarks\n"));
    assert!(!lists_any("0 tests, 0 benchmarks\n"));
}

#[test]
fn hazards_and_cancellations_are_among_the_suites() {
    let tests: Vec<&str> = SUITES.iter().flat_map(|suite| suite.tests).copied().collect();
    for asked in ["hazards::", "cancel::", "sim::"] {
        assert!(tests.contains(&asked), "{asked} is not run under the sanitizer");
    }
}

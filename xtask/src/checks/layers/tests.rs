//! Arrows, absences and features on made-up crates.

use super::{absences, arrows, features};
use crate::tree::Tree;

fn manifest(name: &str, rest: &str) -> String {
    format!("[package]\nname = \"{name}\"\n{rest}")
}

#[test]
fn an_arrow_that_points_up_is_found() {
    let text =
        manifest("annulus-ring", "[dependencies]\nannulus-abi = \"1\"\nannulus-task = \"1\"\n");
    let findings = arrows(&Tree::of(&[("crates/annulus-ring/Cargo.toml", &text)]));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].line, 5);
}

#[test]
fn a_foreign_crate_in_a_closed_layer_is_found_but_not_in_its_tests() {
    let text = manifest(
        "annulus-task",
        "[dependencies]\nlibc = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n",
    );
    let findings = arrows(&Tree::of(&[("crates/annulus-task/Cargo.toml", &text)]));
    assert_eq!(findings.len(), 1);
    assert!(findings[0].what.contains("libc"));
}

#[test]
fn tests_of_the_runtime_may_use_the_simulator_and_the_runtime_may_not() {
    let good = manifest("annulus", "[dev-dependencies]\nannulus-sim = \"1\"\n");
    assert_eq!(arrows(&Tree::of(&[("crates/annulus/Cargo.toml", &good)])), []);
    let bad = manifest("annulus", "[dependencies]\nannulus-sim = \"1\"\n");
    assert_eq!(arrows(&Tree::of(&[("crates/annulus/Cargo.toml", &bad)])).len(), 1);
}

#[test]
fn a_crate_without_a_layer_is_found() {
    let text = manifest("annulus-new", "");
    assert_eq!(arrows(&Tree::of(&[("crates/annulus-new/Cargo.toml", &text)])).len(), 1);
}

#[test]
fn a_word_that_breaks_an_absence_is_found_in_code_only() {
    let text = "//! Never sees a RawFd.\nuse std::os::fd::RawFd;\n";
    let findings = absences(&Tree::of(&[("crates/annulus-task/src/lib.rs", text)]));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].line, 2);
    assert_eq!(absences(&Tree::of(&[("crates/annulus/src/lib.rs", text)])), []);
}

#[test]
fn entries_are_filled_in_the_core_and_nowhere_above() {
    let text = "//! A.\nuse annulus_ring::Sqe;\n";
    assert_eq!(absences(&Tree::of(&[("crates/annulus/src/core/driver.rs", text)])), []);
    assert_eq!(absences(&Tree::of(&[("crates/annulus/src/net.rs", text)])).len(), 1);
}

#[test]
fn a_feature_that_adds_an_item_is_fine_and_one_that_selects_is_found() {
    let good = "#[cfg(feature = \"bytes\")]\n/// Doc.\n#[inline]\npub mod bytes;\n";
    assert_eq!(features(&Tree::of(&[("a.rs", good)])), []);
    for bad in [
        "fn f() { if cfg!(feature = \"x\") { a() } }\n",
        "#[cfg(not(feature = \"x\"))]\nfn f() {}\n",
        "fn f() {\n    #[cfg(feature = \"x\")]\n    call();\n}\n",
        "struct S {\n    #[cfg(feature = \"x\")] field: u8,\n}\n",
    ] {
        assert_eq!(features(&Tree::of(&[("a.rs", bad)])).len(), 1, "{bad}");
    }
}

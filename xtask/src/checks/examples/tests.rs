//! Examples and tests on made-up files.

use super::{headers, sleeps, test_binaries, tested};
use crate::checks::tests::rust;
use crate::tree::Tree;

const GOOD: &str = "//! One nop.\n//!\n//! ```sh\n//! cargo run --release --example nop\n//! ```\n\
                    //! ```text\n//! done\n//! ```\n";
const PATH: &str = "examples/examples/nop.rs";

#[test]
fn a_header_has_the_command_and_the_output() {
    assert_eq!(headers(&Tree::of(&[(PATH, GOOD)])), []);
    assert_eq!(headers(&Tree::of(&[(PATH, "//! One nop.\n")])).len(), 2);
    let other = GOOD.replace("--example nop", "--example nopes");
    assert_eq!(headers(&Tree::of(&[(PATH, &other)])).len(), 1);
    assert_eq!(headers(&Tree::of(&[("src/nop.rs", "//! No example.\n")])), []);
}

#[test]
fn an_example_in_a_directory_is_named_after_it() {
    assert_eq!(headers(&Tree::of(&[("examples/examples/nop/main.rs", GOOD)])), []);
    assert_eq!(headers(&Tree::of(&[("examples/examples/nop/part.rs", "//! A part.\n")])), []);
}

#[test]
fn every_example_is_named_in_a_test() {
    let test = ("examples/tests/it/main.rs", "run(\"nop\");\n");
    assert_eq!(tested(&Tree::of(&[(PATH, GOOD), test])), []);
    let other = ("examples/tests/it/main.rs", "run(\"nopes\");\n");
    assert_eq!(tested(&Tree::of(&[(PATH, GOOD), other])).len(), 1);
}

#[test]
fn a_second_integration_binary_is_found() {
    let paths = |path| test_binaries(&Tree::of(&[(path, "")])).len();
    assert_eq!(paths("crates/annulus/tests/it/main.rs"), 0);
    assert_eq!(paths("crates/annulus/tests/it/net.rs"), 0);
    assert_eq!(paths("crates/annulus-task/tests/loom.rs"), 0);
    assert_eq!(paths("crates/annulus/tests/net.rs"), 1);
    assert_eq!(paths("crates/annulus/tests/net/main.rs"), 1);
}

#[test]
fn a_sleep_is_found_in_tests_only() {
    let call = rust("std::thread::sl@eep(TICK);\n");
    assert_eq!(sleeps(&Tree::of(&[("crates/a/tests/it/x.rs", &call)])).len(), 1);
    assert_eq!(sleeps(&Tree::of(&[("crates/a/src/x.rs", &call)])), []);
    let import = rust("use std::thread::{self, sl@eep};\n");
    assert_eq!(sleeps(&Tree::of(&[("crates/a/src/x/tests.rs", &import)])).len(), 1);
    let timer = "annulus::time::sleep(TICK).await;\n";
    assert_eq!(sleeps(&Tree::of(&[("crates/a/tests/it/x.rs", timer)])), []);
}

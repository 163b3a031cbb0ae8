//! Unsafe code on made-up files.

use super::{comments, places, roots, sites};
use crate::checks::tests::rust;
use crate::source::Source;
use crate::tree::Tree;

#[test]
fn a_block_without_a_reason_is_found() {
    let bad = rust("fn f() {\n    un@safe { g() }\n}\n");
    assert_eq!(comments(&Tree::of(&[("a.rs", &bad)])).len(), 1);
    let good = rust("fn f() {\n    // SAFE@TY: g has no contract.\n    un@safe { g() }\n}\n");
    assert_eq!(comments(&Tree::of(&[("a.rs", &good)])), []);
}

#[test]
fn an_implementation_owes_a_reason_and_a_declaration_does_not() {
    let text = rust("un@safe impl Send for A {}\nun@safe trait T {}\nun@safe fn f() {}\n");
    let lines: Vec<usize> =
        comments(&Tree::of(&[("a.rs", &text)])).iter().map(|f| f.line).collect();
    assert_eq!(lines, [1]);
    assert_eq!(sites(&Source::new("a.rs", &text)).len(), 3);
}

#[test]
fn a_reason_reaches_over_the_head_of_its_statement_and_its_attributes() {
    let text =
        rust("// SAFE@TY: a.\nlet x =\n    f(\n        1,\n        un@safe { g() },\n    );\n");
    assert_eq!(comments(&Tree::of(&[("a.rs", &text)])), []);
}

#[test]
fn words_about_unsafe_code_are_no_unsafe_code() {
    let text = rust("#![forbid(unsafe_code)]\n// un@safe { }\nlet a = \"un@safe { }\";\n");
    assert_eq!(sites(&Source::new("a.rs", &text)), []);
}

#[test]
fn unsafe_code_stands_only_in_its_places() {
    let text = rust("un@safe fn f() {}\n");
    assert_eq!(places(&Tree::of(&[("crates/annulus-ring/src/sq.rs", &text)])), []);
    assert_eq!(places(&Tree::of(&[("crates/annulus/src/core/slot.rs", &text)])), []);
    assert_eq!(places(&Tree::of(&[("crates/annulus/src/net.rs", &text)])).len(), 1);
    assert_eq!(places(&Tree::of(&[("crates/annulus-cli/src/main.rs", &text)])).len(), 1);
}

#[test]
fn an_example_is_unsafe_only_with_the_bare_ring() {
    let ring = rust("use annulus_ring::Ring;\nfn f() { un@safe { g() } }\n");
    let runtime = rust("use annulus::net;\nfn f() { un@safe { g() } }\n");
    assert_eq!(places(&Tree::of(&[("examples/examples/nop.rs", &ring)])), []);
    assert_eq!(places(&Tree::of(&[("examples/examples/echo.rs", &runtime)])).len(), 1);
}

#[test]
fn the_other_roots_forbid_unsafe_code() {
    let bare = "//! A.\nmod a;\nmod b;\n";
    for path in ["crates/annulus-tls/src/lib.rs", "crates/annulus-http/src/lib.rs"] {
        assert_eq!(roots(&Tree::of(&[(path, bare)])).len(), 1);
        let good = "//! A.\n#![forbid(unsafe_code)]\nmod a;\n";
        assert_eq!(roots(&Tree::of(&[(path, good)])), []);
    }
    assert_eq!(roots(&Tree::of(&[("crates/annulus/src/lib.rs", bare)])).len(), 1);
    assert_eq!(roots(&Tree::of(&[("crates/annulus-cli/src/main.rs", bare)])).len(), 1);
    assert_eq!(roots(&Tree::of(&[("crates/annulus-ring/src/lib.rs", bare)])), []);
    assert_eq!(roots(&Tree::of(&[("crates/annulus-cli/src/serve.rs", bare)])), []);
}

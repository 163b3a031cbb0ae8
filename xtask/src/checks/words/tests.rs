//! Words on made-up files.

use super::{headers, holes, left_work, let_chains, names, private};
use crate::checks::tests::rust;
use crate::tables::{LEFT_WORK, PRIVATE_WORDS};
use crate::tree::Tree;

#[test]
fn a_file_without_a_header_is_found() {
    assert_eq!(headers(&Tree::of(&[("a.rs", "//! What it owns.\n")])), []);
    assert_eq!(headers(&Tree::of(&[("a.rs", "fn f() {}\n")])).len(), 1);
    assert_eq!(headers(&Tree::of(&[("a.rs", "// Not this.\n")])).len(), 1);
}

#[test]
fn modules_without_meaning_are_found_by_file_and_by_declaration() {
    assert_eq!(names(&Tree::of(&[("src/util.rs", "")]), &[]).len(), 1);
    assert_eq!(names(&Tree::of(&[("src/helpers/mod.rs", "")]), &[]).len(), 1);
    assert_eq!(names(&Tree::of(&[("src/lib.rs", "mod v2 { }\n")]), &[]).len(), 1);
    assert_eq!(names(&Tree::of(&[("src/lib.rs", "mod utility_bill;\n")]), &[]), []);
}

#[test]
fn functions_without_meaning_are_found_unless_their_name_is_kept() {
    let tree = Tree::of(&[("a.rs", "fn get_len() {}\nfn forget_all() {}\nlet x = get_len();\n")]);
    assert_eq!(names(&tree, &[]).len(), 1);
    assert_eq!(names(&tree, &["get_len"]), []);
    assert_eq!(names(&Tree::of(&[("src/a/tests.rs", "fn get_x_gives_x() {}\n")]), &[]), []);
}

#[test]
fn holes_are_found_in_code_only() {
    let text = rust(
        "fn f() { to@do!() }\n// to@do!()\nfn g() { unimple@mented!(\"x\") }\nlet todo = 1;\n",
    );
    let lines: Vec<usize> = holes(&Tree::of(&[("a.rs", &text)])).iter().map(|f| f.line).collect();
    assert_eq!(lines, [1, 3]);
}

#[test]
fn left_work_is_found_in_any_text() {
    for mark in LEFT_WORK {
        let tree = Tree::of(&[("a.md", &format!("fine\nbut {mark}: later\n"))]);
        assert_eq!(left_work(&tree).len(), 1, "{mark}");
    }
    assert_eq!(left_work(&Tree::of(&[("a.md", &format!("a{}b", LEFT_WORK[0]))])), []);
}

#[test]
fn private_words_are_found_in_texts_and_paths() {
    for word in PRIVATE_WORDS {
        let text = format!("fine\nsee {} here\n", word.to_uppercase());
        let findings = private(&Tree::of(&[("a.md", &text)]));
        assert_eq!(findings.len(), 1, "{word}");
        assert_eq!(findings[0].line, 2);
        assert_eq!(private(&Tree::of(&[(&format!("docs/{word}x"), "")])).len(), 1);
    }
    assert_eq!(private(&Tree::of(&[("a.md", "the network/card, platform\n")])), []);
}

#[test]
fn let_chains_are_found_wherever_the_let_stands() {
    for bad in [
        "if let Some(x) = y && x > 1 { }",
        "if a && let Some(x) = y { }",
        "while let Some(x) = y.next()\n    && ok(x)\n{ }",
        "if let Point { x, .. } = p && x { }",
        "} else if let Ok(x) = y && z { }",
    ] {
        assert_eq!(let_chains(&Tree::of(&[("a.rs", bad)])).len(), 1, "{bad}");
    }
}

#[test]
fn conditions_that_are_no_let_chains_are_fine() {
    for good in [
        "if let Some(x) = (a && b).then(f) { c && d; }",
        "if a && b { let c = d; }",
        "if let Some(&&x) = y { a && b; }",
        "match x { y if a && b => 1, _ => { let z = 1; } }",
        "if let Some(x) = y.filter(|z| *z && w) { }",
        "while let Some(x) = y { if a && b { } }",
        "if let Point { x, y } = p { a && b; }",
    ] {
        assert_eq!(let_chains(&Tree::of(&[("a.rs", good)])), [], "{good}");
    }
}

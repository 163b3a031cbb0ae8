//! The inventory of made-up files.

use super::{Inventory, Row};
use crate::checks::rust;
use crate::tree::Tree;

#[test]
fn every_site_is_counted_once() {
    let text = rust(
        "un@safe fn f() {}\nfn g() {\n    // SAFE@TY: a.\n    un@safe { h() }\n}\n\n\
         fn i() {\n    a();\n    b();\n    c();\n    d();\n    un@safe { j() }\n}\n",
    );
    let inventory = Inventory::of(&Tree::of(&[("a.rs", &text), ("b.rs", "fn f() {}\n")]));
    let row = Row { path: "a.rs".into(), covered: 1, bare: 1, declared: 1 };
    assert_eq!(inventory.rows, [row]);
    assert!(inventory.to_string().ends_with("1        1         1  1 files\n"));
}

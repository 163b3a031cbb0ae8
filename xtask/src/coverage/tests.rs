//! Coverage on made-up trees: each thing that can be missing is found missing.

use super::Column::{Conformance, Golden, Method};
use super::reasons::Reason;
use super::{guide, liburing, report, table};
use crate::tree::Tree;

const OPCODES: (&str, &str) = (
    "crates/annulus-abi/src/opcode/numbers.rs",
    "opcodes! {\n    NOP = 0 => \"IORING_OP_NOP\", (5, 1), Inline, \"x\";\n}\n",
);
const OP: (&str, &str) = (
    "crates/annulus-ring/src/op/nop.rs",
    "#[doc(alias = \"IORING_OP_NOP\")]\npub struct Nop;\nimpl Op for Nop {\n    \
     const OPCODE: Opcode = Opcode::NOP;\n}\n",
);
const GOLDEN: (&str, &str) = ("crates/annulus-ring/src/op/nop/tests.rs", "encoded(&Nop);\n");
const CASE: (&str, &str) = ("crates/annulus-ring/tests/it/ops.rs", "fn f() { run(&Nop); }\n");
const FLAGS: (&str, &str) = (
    "crates/annulus-abi/src/setup.rs",
    "flags! {\n    pub struct SetupFlags(u32) {\n        const SQPOLL = 1 << 1 => \
     \"IORING_SETUP_SQPOLL\", (5, 1);\n    }\n}\n",
);
const BUILDER: (&str, &str) = (
    "crates/annulus-ring/src/builder.rs",
    "impl Builder {\n    pub fn sqpoll(self) {\n        self.with(SetupFlags::SQPOLL);\n    }\n}\n",
);
const COMPARED: (&str, &str) =
    ("crates/annulus-abi/tests/it/compare/constants.rs", "flags!(SetupFlags);\n");
const SQPOLL_CASE: (&str, &str) =
    ("crates/annulus-ring/tests/it/sqpoll.rs", "fn f() { Ring::builder().sqpoll(); }\n");

fn missing(files: &[(&str, &str)], reasons: &[Reason]) -> Vec<String> {
    table(&Tree::of(files), reasons, &mut String::new())
}

#[test]
fn what_has_everything_is_fine() {
    let all = [OPCODES, OP, GOLDEN, CASE, FLAGS, BUILDER, COMPARED, SQPOLL_CASE];
    assert_eq!(missing(&all, &[]), [""; 0]);
    let mut text = String::new();
    table(&Tree::of(&all), &[], &mut text);
    assert!(
        text.contains("| IORING_OP_NOP | Opcode::NOP | Nop | entry of Nop | ops | – |"),
        "{text}"
    );
    assert!(text.contains("SetupFlags::SQPOLL | sqpoll() | header | sqpoll |"), "{text}");
}

#[test]
fn an_opcode_without_an_op_lacks_all_that_hangs_on_it() {
    let found = missing(&[OPCODES, GOLDEN, CASE], &[]);
    let expected = ["op or method", "golden test", "conformance test"];
    assert_eq!(found, expected.map(|what| format!("IORING_OP_NOP: {what}")));
}

#[test]
fn an_op_without_a_golden_or_a_conformance_test_is_found() {
    assert_eq!(missing(&[OPCODES, OP, CASE], &[]), ["IORING_OP_NOP: golden test"]);
    assert_eq!(missing(&[OPCODES, OP, GOLDEN], &[]), ["IORING_OP_NOP: conformance test"]);
}

#[test]
fn an_alias_without_a_constant_is_found() {
    let found = missing(&[OP], &[]);
    assert!(found.contains(&"IORING_OP_NOP: constant".to_owned()), "{found:?}");
}

#[test]
fn a_flag_that_nothing_takes_compares_or_tests_is_found() {
    let found = missing(&[FLAGS], &[]);
    let expected = ["op or method", "golden test", "conformance test"];
    assert_eq!(found, expected.map(|what| format!("IORING_SETUP_SQPOLL: {what}")));
}

#[test]
fn a_quiet_report_has_no_tables_but_all_that_is_missing() {
    let tree = Tree::of(&[OPCODES, OP, GOLDEN, FLAGS]);
    let (long, passed) = report(&tree, &[]);
    assert!(!passed && long.contains("| IORING_OP_NOP | Opcode::NOP |"), "{long}");
    let (text, passed) = report(&tree, &["--quiet".to_owned()]);
    assert!(!passed && text.starts_with("2 names of the kernel\n"), "{text}");
    assert!(!text.contains('|') && long.ends_with(text.split_once('\n').unwrap().1), "{text}");
    let (text, passed) = report(&tree, &["--silent".to_owned()]);
    assert!(!passed && text.starts_with("usage:"), "{text}");
}

#[test]
fn a_comment_with_the_c_name_says_what_a_case_covers() {
    let case = ("crates/annulus-ring/tests/it/a.rs", "// IORING_SETUP_SQPOLL, by its thread.\n");
    assert_eq!(missing(&[FLAGS, BUILDER, COMPARED, case], &[]), [""; 0]);
    let other = ("crates/annulus-ring/tests/it/a.rs", "// IORING_SETUP_SQPOLLING\n");
    let found = missing(&[FLAGS, BUILDER, COMPARED, other], &[]);
    assert_eq!(found, ["IORING_SETUP_SQPOLL: conformance test"]);
}

#[test]
fn a_reason_excuses_what_it_names_and_is_reported_when_it_excuses_nothing() {
    let names = &["IORING_SETUP_*"];
    let all = &[Reason { names, columns: &[Method, Golden, Conformance], why: "because" }];
    assert_eq!(missing(&[FLAGS], all), [""; 0]);
    let part = &[Reason { names, columns: &[Method], why: "because" }];
    assert_eq!(missing(&[FLAGS], part).len(), 2);
    let found = missing(&[FLAGS, BUILDER, COMPARED, SQPOLL_CASE], all);
    assert_eq!(found, ["reasons.rs: `IORING_SETUP_*` needs no reason any more"]);
}

#[test]
fn a_name_of_liburing_is_an_alias_or_excused() {
    let ring =
        ("crates/annulus-ring/src/ring.rs", "#[doc(alias = \"io_uring_submit\")]\nfn x() {}\n");
    let names = &["io_uring_submit", "io_uring_exit"];
    let tree = Tree::of(&[ring]);
    let found = liburing::missing(&tree, names, &[]);
    assert_eq!(found, ["io_uring_exit: no item has it as its doc(alias)"]);
    assert_eq!(liburing::missing(&tree, names, &[(&["io_uring_exit"], "dropping")]), [""; 0]);
    let found = liburing::missing(&tree, names, &[(&["io_uring_exit", "io_uring_submit"], "no")]);
    assert_eq!(found, ["liburing.rs: `io_uring_submit` needs no reason any more"]);
}

#[test]
fn the_guide_tells_every_name_and_none_of_ours_that_is_not_there() {
    let ring = ("crates/annulus-ring/src/ring.rs", "impl Ring {\n    pub fn submit() {}\n}\n");
    let text = "| theirs | here | |\n|---|---|---|\n| `io_uring_submit` | `Ring::submit` | |\n";
    let guide = ("docs/coming-from.md", text);
    let names = &["io_uring_submit"];
    assert_eq!(guide::missing(&Tree::of(&[ring, guide]), names), [""; 0]);
    assert_eq!(
        guide::missing(&Tree::of(&[ring]), names),
        ["io_uring_submit: not in docs/coming-from.md"]
    );
    let found = guide::missing(&Tree::of(&[guide]), names);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[1], "docs/coming-from.md:3: nothing here is called `submit`");
}

#[test]
fn the_guide_may_name_what_any_library_has() {
    let text =
        "| theirs | here | |\n|---|---|---|\n| `Acceptor` | `annulus_tls::TlsAcceptor` | |\n";
    let guide = ("docs/coming-from.md", text);
    let tls = ("crates/annulus-tls/src/acceptor.rs", "pub struct TlsAcceptor;\n");
    assert_eq!(guide::missing(&Tree::of(&[tls, guide]), &[]), [""; 0]);
    let found = guide::missing(&Tree::of(&[guide]), &[]);
    assert_eq!(found, ["docs/coming-from.md:3: nothing here is called `TlsAcceptor`"]);
}

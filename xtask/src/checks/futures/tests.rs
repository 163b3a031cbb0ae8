//! Futures on made-up files.

use super::sections;
use crate::tree::Tree;

const NET: &str = "crates/annulus/src/net/a.rs";
const TASK: &str = "crates/annulus/src/task/a.rs";

const WHOLE: &str = "/// It reads.\n///\n/// # Errors\n/// Those of read(2).\n///\n\
                     /// # Cancel safety\n/// Nothing is lost.\n///\n/// # Kernel\n\
                     /// `READ`, 5.6.\n///\n/// ```\n/// a.read();\n/// ```\n";

/// What is missing, in order.
fn missing(path: &str, text: &str) -> Vec<String> {
    let findings = sections(&Tree::of(&[(path, text)]));
    let mut missing: Vec<String> = findings.into_iter().map(|finding| finding.what).collect();
    missing.iter_mut().for_each(|what| *what = what.split(" has no ").nth(1).unwrap().into());
    missing
}

/// A function with all sections.
fn documented(function: &str) -> String {
    format!("{WHOLE}{function}")
}

#[test]
fn an_async_function_says_what_it_fails_with_what_is_lost_and_what_the_kernel_does() {
    let function = "pub async fn read(&self) -> io::Result<u8> {}\n";
    let all = ["`# Cancel safety`", "`# Errors`", "`# Kernel`", "example"];
    assert_eq!(missing(NET, function), all);
    assert!(missing(NET, &documented(function)).is_empty());
}

#[test]
fn each_section_is_missed_by_itself() {
    let function = "pub async fn read(&self) -> io::Result<u8> {}\n";
    for (section, what) in
        [("# Cancel", "`# Cancel safety`"), ("# Err", "`# Errors`"), ("# Ker", "`# Kernel`")]
    {
        let text = documented(function).replace(section, "Of ");
        assert_eq!(missing(NET, &text), [what]);
    }
    assert_eq!(missing(NET, &documented(function).replace("```", "")), ["example"]);
}

#[test]
fn a_heading_without_a_text_is_no_section() {
    let text = documented("pub async fn read(&self) -> io::Result<u8> {}\n");
    let empty = text.replace("/// Nothing is lost.\n", "");
    assert_eq!(missing(NET, &empty), ["`# Cancel safety`"]);
}

#[test]
fn what_cannot_fail_needs_no_errors_and_what_asks_no_kernel_no_kernel() {
    let rest = ["`# Cancel safety`", "example"];
    assert_eq!(missing(TASK, "pub async fn turn() {}\n"), rest);
    assert_eq!(missing("crates/annulus-sync/src/a.rs", "pub async fn lock() -> Guard {}\n"), rest);
    assert!(missing("crates/annulus-ring/src/a.rs", "pub async fn turn() {}\n").is_empty());
}

#[test]
fn a_future_may_be_an_impl_of_a_trait_that_is_one() {
    for output in ["Future", "std::future::Future", "OpExt", "Linkable", "Unpin + Future"] {
        let text = format!(
            "pub trait Linkable: OpExt + Link {{}}\npub trait OpExt: Future {{}}\n\
             pub fn read<B: Fn(u8) -> u8>(\n    &self,\n)\
             \x20-> impl {output}<Output = io::Result<u8>>\nwhere\n    B: Copy,\n{{}}\n"
        );
        assert_eq!(missing(NET, &text).len(), 4, "{output}");
    }
    assert!(missing(NET, "pub fn read() -> impl Iterator<Item = u8> {}\n").is_empty());
}

#[test]
fn a_future_may_be_a_type_of_another_file() {
    let declared = (
        "crates/annulus/src/net/recv.rs",
        "impl<T> Future for Recv<T> {\n    type Output = io::Result<T>;\n}\n",
    );
    let given = (NET, "pub fn recv(&self) -> super::Recv<'_, u8> {}\n");
    assert_eq!(sections(&Tree::of(&[declared, given])).len(), 4);
    let own = (NET, "pub struct Recv;\npub fn recv(&self) -> Recv {}\n");
    assert!(sections(&Tree::of(&[declared, own])).is_empty(), "another type of the same name");
    let quiet = (declared.0, "impl Future for Recv {\n    type Output = ();\n}\n");
    assert_eq!(sections(&Tree::of(&[quiet, given])).len(), 3, "it cannot fail");
}

#[test]
fn a_function_of_a_public_trait_is_public_and_one_of_its_implementations_is_not() {
    let function = "    fn read(&mut self) -> impl Future<Output = io::Result<u8>>";
    assert_eq!(missing(NET, &format!("pub trait Read {{\n{function};\n}}\n")).len(), 4);
    assert!(missing(NET, &format!("trait Read {{\n{function};\n}}\n")).is_empty());
    assert!(missing(NET, &format!("impl Read for A {{\n{function} {{}}\n}}\n")).is_empty());
}

#[test]
fn what_is_seen_inside_only_and_tests_are_left_out() {
    assert!(missing(NET, "pub(crate) async fn read() {}\nasync fn write() {}\n").is_empty());
    assert!(missing(NET, "#[cfg(test)]\nmod tests {\n    pub async fn read() {}\n}\n").is_empty());
    assert!(missing("crates/annulus/src/net/a/tests.rs", "pub async fn read() {}\n").is_empty());
}

#[test]
fn attributes_may_stand_between_a_function_and_its_documentation() {
    let function =
        "#[doc(alias = \"pread\")]\n#[must_use]\npub async fn read() -> io::Result<u8> {}\n";
    assert!(missing(NET, &documented(function)).is_empty());
    let after_another =
        format!("{WHOLE}pub fn other() {{}}\n\npub async fn read() -> Result<u8> {{}}\n");
    assert_eq!(missing(NET, &after_another).len(), 4);
}

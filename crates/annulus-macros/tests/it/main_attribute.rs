//! `#[main]`.

use std::io;
use std::process::Command;

use crate::recorder::runtime::take_calls;

#[annulus_macros::main(crate = "crate::recorder")]
async fn plain() {}

#[annulus_macros::main(crate = "crate::recorder", entries = 8 * 32, name = "a, b", pin = true,)]
async fn with_options() {}

#[annulus_macros::main(crate = crate::recorder)]
async fn bare_path() {}

/// A comment, an attribute and a visibility, all of which stay.
#[must_use]
#[annulus_macros::main(crate = "crate::recorder")]
#[inline(never)]
pub(crate) async fn decorated() -> impl Iterator<Item = u8> {
    [1, 2, 3].into_iter()
}

/// The types of `?` and of the last expression are those of the signature, without a hint.
#[annulus_macros::main(crate = "crate::recorder")]
async fn fallible() -> Result<u8, Box<dyn std::error::Error>> {
    let number = "256".parse::<u8>()?;
    Err(io::Error::other(format!("{number} fits")))?
}

#[annulus_macros::main(crate = "crate::recorder")]
async fn hygienic() -> u32 {
    let runtime = 1;
    let error = async { 2 }.await;
    runtime + error
}

#[annulus_macros::main(crate = "crate::recorder")]
async fn with_items() -> u32 {
    async fn depth(left: u32) -> u32 {
        if left == 0 {
            return 0;
        }
        1 + Box::pin(depth(left - 1)).await
    }
    depth(3).await
}

#[annulus_macros::main(crate = "crate::recorder", refuse = true)]
async fn refused() {
    unreachable!("there is no runtime to run this on");
}

macro_rules! declare {
    ($visibility:vis $name:ident -> $output:ty $body:block) => {
        #[annulus_macros::main(crate = "crate::recorder")]
        $visibility async fn $name() -> $output $body
    };
}

declare!(pub(super) declared -> u8 { 5 });
declare!(declared_private -> Vec<u8> { vec![6] });

#[test]
fn main_builds_a_runtime_and_blocks_on_the_function() {
    plain();
    assert_eq!(take_calls(), ["builder", "build", "block_on"]);
}

#[test]
fn options_are_calls_of_the_builder_in_their_order() {
    with_options();
    let calls = ["builder", "entries(256)", "name(a, b)", "pin(true)", "build", "block_on"];
    assert_eq!(take_calls(), calls);
}

#[test]
fn the_path_of_the_crate_may_be_bare() {
    bare_path();
    assert_eq!(take_calls(), ["builder", "build", "block_on"]);
}

#[test]
fn the_output_is_returned() {
    assert_eq!(decorated().collect::<Vec<_>>(), [1, 2, 3]);
    assert!(fallible().unwrap_err().to_string().contains("number too large"));
}

#[test]
fn names_of_the_expansion_do_not_meet_those_of_the_function() {
    assert_eq!(hygienic(), 3);
}

#[test]
fn the_function_may_have_items_of_its_own() {
    assert_eq!(with_items(), 3);
}

#[test]
fn without_a_runtime_the_program_prints_the_cause_and_exits_with_one() {
    const IN_CHILD: &str = "ANNULUS_MACROS_REFUSED";
    if std::env::var_os(IN_CHILD).is_some() {
        refused();
    }
    let name = "without_a_runtime_the_program_prints_the_cause_and_exits_with_one";
    let child = Command::new(std::env::current_exe().unwrap())
        .args([&format!("main_attribute::{name}"), "--exact", "--nocapture"])
        .env(IN_CHILD, "1")
        .output()
        .unwrap();
    assert_eq!(child.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&child.stderr);
    assert!(printed.contains("no ring for you"), "{printed}");
}

#[test]
fn parts_may_come_from_macros() {
    assert_eq!(declared(), 5);
    assert_eq!(declared_private(), [6]);
}

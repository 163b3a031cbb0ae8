//! Made-up headers and bindings that agree and that do not.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use super::comparison::Disagreement;
use super::{bindings, constants, report};

/// A file below the temporary directory, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("annulus-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn arguments(&self) -> [String; 2] {
        ["--header".to_owned(), self.0.display().to_string()]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn has_compiler() -> bool {
    std::process::Command::new("cc").arg("--version").output().is_ok()
}

/// Whether cargo, which knows where the sources of other crates are, runs for this user. Says so if
/// not: a test that needs it is left out.
fn has_cargo() -> bool {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let runs = std::process::Command::new(cargo).arg("--version").output();
    if runs.as_ref().is_ok_and(|output| output.status.success()) {
        return true;
    }
    let _ = writeln!(std::io::stderr(), "skipped: cargo does not run for this user: {runs:?}");
    false
}

const HEADER: &str = "
enum io_uring_op { IORING_OP_NOP, IORING_OP_READV, IORING_OP_FROM_THE_FUTURE = 200 };
#define IORING_SETUP_SQPOLL (1U << 1)
struct io_uring_cqe { unsigned long long user_data; int res; unsigned flags; };
";

#[test]
fn the_crates_and_this_machine_agree() {
    if !has_cargo() {
        return;
    }
    let (text, passed) = report(&[]);
    assert!(passed, "{text}");
    assert!(
        text.contains("constants of linux-raw-sys") && text.contains("of io-uring |"),
        "{text}"
    );
}

#[test]
fn a_header_that_agrees_passes_and_its_other_names_are_reported() {
    if !has_compiler() || !has_cargo() {
        return;
    }
    let header = Scratch::new("agrees.h", HEADER);
    let (text, passed) = report(&header.arguments());
    assert!(passed, "{text}");
    assert!(text.contains("IORING_OP_FROM_THE_FUTURE"), "{text}");
}

#[test]
fn a_header_with_another_value_fails_and_the_name_is_said() {
    if !has_compiler() {
        return;
    }
    let header = Scratch::new("doctored.h", &HEADER.replace("1U << 1", "1U << 2"));
    let (text, passed) = report(&header.arguments());
    assert!(!passed, "{text}");
    assert!(text.contains("IORING_SETUP_SQPOLL: 2 here, 4 in"), "{text}");
}

#[test]
fn a_header_with_another_layout_fails_and_the_member_is_said() {
    if !has_compiler() {
        return;
    }
    let header = Scratch::new("layout.h", &HEADER.replace("int res;", "long long res;"));
    let (text, passed) = report(&header.arguments());
    assert!(!passed, "{text}");
    assert!(text.contains("offsetof(struct io_uring_cqe, flags): 12 here, 16 in"), "{text}");
}

#[test]
fn a_header_that_is_not_there_fails() {
    let (text, passed) = report(&["--header".to_owned(), "/nonexistent.h".to_owned()]);
    assert!(!passed && text.contains("/nonexistent.h: not compared"), "{text}");
}

#[test]
fn an_argument_that_nobody_knows_is_told_the_usage() {
    let (text, passed) = report(&["--headers".to_owned()]);
    assert!(!passed && text.starts_with("usage:"), "{text}");
}

#[test]
fn bindings_are_read_from_constants_and_enumerations() {
    let text = "
pub const IORING_SETUP_SQPOLL: u32 = 3;
pub const io_uring_op_IORING_OP_READV: io_uring_op = 1;
pub const IORING_FILE_INDEX_ALLOC: i32 = -1;
pub const IORING_REGISTER_FILES_SKIP: i32 = -2;
pub enum io_uring_op {
IORING_OP_NOP = 0,
IORING_OP_OTHER = 1,
}";
    let comparison = bindings::compare(text);
    let name = "IORING_SETUP_SQPOLL".to_owned();
    assert_eq!(comparison.disagreements, [Disagreement { name, ours: 2, theirs: 3 }]);
    assert_eq!(comparison.agreed, 4);
    assert_eq!(comparison.theirs_alone, ["IORING_OP_OTHER"]);
    assert_eq!(comparison.ours_alone.len(), constants::all().len() - 5);
}

//! `annulus doctor` where io_uring is allowed, and where it is refused.

use std::io::Write;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::sandbox::{self, Answer, Sandbox};

const SYSCTL: &str = "/proc/sys/kernel/io_uring_disabled";

/// A user whom nobody else charges, not even this test in another process: what a ring locks counts
/// for its user, until the kernel has taken it apart. `which` tells those of this program apart.
fn user(which: u32) -> u32 {
    0x4000_0000 + std::process::id() * 4 + which
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whether this system lets this process use io_uring; if not, says so where the harness shows it.
fn allowed() -> bool {
    let output = Sandbox::new(&["doctor", "--json"]).run();
    if output.status.success() {
        return true;
    }
    skip(&format!("io_uring is not usable here: {}", json(&output)["refusal"]["cause"]));
    false
}

/// Whether a test can have a user to itself; a user that others share has their rings charged too.
fn own_user() -> bool {
    let root = sandbox::is_root();
    if !root {
        skip("only root can run the program as a user whom nobody else charges");
    }
    root
}

fn skip(why: &str) {
    // Not `eprintln!`, which the harness swallows.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

fn refused_by(calls: &[libc::c_long], answer: Answer, args: &[&str]) -> Output {
    let output = Sandbox::new(args).refuse(calls, answer).run();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    output
}

#[test]
fn where_io_uring_is_allowed_every_table_is_printed_and_the_exit_code_is_0() {
    if !allowed() {
        return;
    }
    let output = Sandbox::new(&["doctor"]).run();
    let text = text(&output);
    assert!(output.status.success());
    for part in ["verdict  ready", "features (", "operations (", "  yes  NOP ", "limits and policy"]
    {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(!text.contains('\x1b'), "a pipe is not a terminal");
}

#[test]
fn a_filter_that_answers_eperm_is_named_with_its_remedy() {
    if !allowed() {
        return;
    }
    let calls = [libc::SYS_io_uring_setup];
    let refused = |args: &[&str]| refused_by(&calls, Answer::Errno(libc::EPERM), args);
    let text = text(&refused(&["doctor"]));
    for part in [
        "no io_uring: io_uring_setup(2) failed: Operation not permitted",
        "cause: a seccomp filter",
        "seccomp: a filter is installed (Seccomp: 2",
        "--security-opt seccomp=",
        "io_uring_setup, io_uring_enter and io_uring_register",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let json = json(&refused(&["doctor", "--json"]));
    assert_eq!(json["verdict"], "refused");
    assert_eq!(json["refusal"]["cause"], "Seccomp");
    assert_eq!(json["refusal"]["errno"], libc::EPERM);
}

#[test]
fn a_filter_that_answers_enosys_is_told_from_a_kernel_without_io_uring() {
    if !allowed() {
        return;
    }
    let calls = [libc::SYS_io_uring_setup];
    let answer = Answer::Errno(libc::ENOSYS);
    let json = json(&refused_by(&calls, answer, &["doctor", "--json"]));
    // Without the sysctl (before 6.6) the two look alike, and the remedy names both.
    let expected = if Path::new(SYSCTL).exists() { "Seccomp" } else { "NotBuilt" };
    assert_eq!(json["refusal"]["cause"], expected);
    let text = json["refusal"]["text"].as_str().unwrap();
    assert!(text.contains("io_uring_setup, io_uring_enter and io_uring_register"), "{text}");
}

#[test]
fn a_filter_that_lets_only_setup_pass_is_partial() {
    if !allowed() {
        return;
    }
    for calls in [
        &[libc::SYS_io_uring_register][..],
        &[libc::SYS_io_uring_enter],
        &[libc::SYS_io_uring_enter, libc::SYS_io_uring_register],
    ] {
        let answer = Answer::Errno(libc::EPERM);
        let json = json(&refused_by(calls, answer, &["doctor", "--json"]));
        assert_eq!(json["refusal"]["cause"], "PartialFilter", "{calls:?}");
        let remedy = json["refusal"]["remedy"][0].as_str().unwrap();
        assert!(remedy.contains("lets io_uring_setup pass but not io_uring_"), "{remedy}");
    }
}

#[test]
fn a_filter_that_kills_does_not_kill_the_doctor() {
    if !allowed() {
        return;
    }
    let calls = [libc::SYS_io_uring_setup];
    let json = json(&refused_by(&calls, Answer::Kill, &["doctor", "--json"]));
    assert_eq!(json["refusal"]["cause"], "Seccomp");
    assert_eq!(json["refusal"]["failed"], "killed by SIGSYS");
}

#[test]
fn a_small_memlock_limit_makes_the_ring_smaller_and_not_impossible() {
    if !allowed() || !own_user() {
        return;
    }
    for (uid, bytes) in [(user(0), 64 << 10), (user(1), 16 << 10)] {
        let json = json(&Sandbox::new(&["doctor", "--json"]).memlock(uid, bytes).run());
        assert_eq!(json["refusal"], Value::Null, "{json:#}");
        let charge = json["ring"]["ring_bytes"].as_u64().unwrap();
        let whole = json["ring"]["sq_entries"] == 256;
        assert!(whole || charge <= bytes, "{charge} bytes were charged against {bytes}");
    }
}

#[test]
fn a_ring_without_room_for_its_buffer_ring_is_not_enough_and_the_remedy_says_so() {
    if !allowed() || !own_user() {
        return;
    }
    // Four pages: a ring of 64 entries fills them.
    let output = Sandbox::new(&["doctor", "--json"]).memlock(user(2), 16 << 10).run();
    let json = json(&output);
    if json["ring"]["sq_entries"] != 64 || json["ring"]["ring_bytes"] != 16 << 10 {
        skip("a ring does not fill this limit here (charged since 6.14, in pages of 4 KiB)");
        return;
    }
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json["verdict"], "ring-only");
    let remedy = json["ring"]["remedy"][0].as_str().unwrap();
    assert!(remedy.contains("ulimit -l"), "{remedy}");
}

#[test]
fn no_locked_memory_at_all_is_named_with_its_remedy() {
    if !allowed() {
        return;
    }
    let output = Sandbox::new(&["doctor"]).memlock(user(3), 0).run();
    if output.status.success() {
        skip(
            "a ring opened without locked memory, so this kernel does not charge rings (before \
             6.14)",
        );
        return;
    }
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output);
    for part in [
        "no io_uring: io_uring_setup(2) failed: Cannot allocate memory",
        "cause: the limit on locked memory (RLIMIT_MEMLOCK)",
        "CAP_IPC_LOCK: not held",
        "RLIMIT_MEMLOCK: soft 0, hard 0",
        "ulimit -l",
        "LimitMEMLOCK=",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

//! The examples of pipes, processes and signals.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::example::{Example, path_of};

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 11 + (at >> 10)) as u8).collect()
}

/// Runs `tee` with these streams, and gives what is in its two files.
fn tee(stdin: Stdio, stdout: Stdio, feed: &[u8]) -> (Vec<u8>, [Vec<u8>; 2]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let files = ["one", "two"].map(|name| directory.path().join(name));
    let mut command = Command::new(path_of("tee"));
    let mut child = command.args(&files).stdin(stdin).stdout(stdout).spawn().expect("it is built");
    let mut stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        stdout.as_mut().map(|stdout| stdout.read_to_end(&mut all));
        all
    });
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(feed).expect("it reads");
    }
    assert!(child.wait().expect("the child is ours").success());
    (
        reader.join().expect("it does not panic"),
        files.map(|path| std::fs::read(path).expect("it was made")),
    )
}

#[test]
fn tee_gives_every_byte_to_its_output_and_to_every_file() {
    let feed = pattern(1_000_003);
    let (printed, files) = tee(Stdio::piped(), Stdio::piped(), &feed);
    assert!(printed == feed, "{} bytes", printed.len());
    assert!(files.iter().all(|file| *file == feed));

    let (_, files) = tee(Stdio::piped(), Stdio::null(), &feed);
    assert!(files.iter().all(|file| *file == feed));

    let mut source = tempfile::NamedTempFile::new().unwrap();
    source.write_all(&feed).unwrap();
    let (printed, files) = tee(source.reopen().unwrap().into(), Stdio::piped(), &[]);
    assert!(printed == feed && files.iter().all(|file| *file == feed));
}

#[test]
fn run_marks_lines_and_passes_the_status_on() {
    let script = "echo one; printf 'two\\n'; echo three >&2; exit 3";
    let (output, status) = Example::output("run", &["sh", "-c", script].map(AsRef::as_ref));
    let text = String::from_utf8(output).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err| three", "out| one", "out| two"]);
    assert_eq!(status.code(), Some(3));
    let (_, status) = Example::output("run", &["sh", "-c", "kill -9 $$"].map(AsRef::as_ref));
    assert_eq!(status.code(), Some(128 + 9));
    let (output, status) = Example::output("run", &["/nonexistent".as_ref()]);
    assert_eq!((output, status.code()), (Vec::new(), Some(1)));
}

#[test]
fn run_passes_ctrl_c_on() {
    let script = "trap 'echo interrupted; exit 4' INT; echo ready; while :; do sleep 0.1; done";
    let example = Example::start("run", &["sh", "-c", script].map(AsRef::as_ref));
    assert_eq!(example.line(), "out| ready");
    let sent = Command::new("kill").args(["-INT", &example.pid().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(example.line(), "out| interrupted");
    assert_eq!(example.end().code(), Some(4));
}

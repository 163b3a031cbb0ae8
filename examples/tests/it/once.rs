//! Examples that end by themselves.

use std::ffi::OsStr;

use crate::example::Example;

fn text(name: &str) -> String {
    let (output, status) = Example::output(name, &[]);
    assert!(status.success(), "{name} ends with {status}");
    String::from_utf8(output).expect("it prints text")
}

#[test]
fn nop_shows_what_was_asked_and_what_was_answered() {
    let output = text("nop");
    let (sqe, cqe) = output.split_once("Cqe {").expect("an answer follows");
    assert!(sqe.starts_with("Sqe {\n    opcode: NOP(0),\n"), "{output}");
    assert!(sqe.contains("\n    user_data: 42,\n"), "{output}");
    assert!(cqe.starts_with("\n    user_data: 42,\n    res: 0,\n"), "{output}");
}

#[test]
fn ping_pong_plays_in_turns_and_ends() {
    assert_eq!(text("ping_pong"), "ping 1\npong 1\nping 2\npong 2\nping 3\npong 3\n");
}

#[test]
fn timer_fires_each_event_once_and_none_too_early() {
    let due = [
        (0, "tick 0"),
        (50, "gave up: the time for this was over before it had ended"),
        (100, "tick 1"),
        (150, "slept"),
        (200, "tick 2"),
    ];
    let output = text("timer");
    assert_eq!(output.lines().count(), due.len(), "{output}");
    for (ms, event) in due {
        let line = output.lines().find(|line| line.ends_with(event));
        let line = line.unwrap_or_else(|| panic!("{event:?} is missing in {output}"));
        let took = line.trim_start().split_once(" ms  ").expect("the time comes first").0;
        assert!(took.parse::<u64>().unwrap() >= ms, "{line:?} came too early");
    }
}

#[test]
fn cat_without_an_argument_prints_its_own_source() {
    assert_eq!(text("cat"), include_str!("../../examples/cat.rs"));
}

#[test]
fn cat_prints_a_file_of_many_chunks_as_it_is() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes: Vec<u8> = (0..300_001_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(file.path(), &bytes).unwrap();
    let (output, status) = Example::output("cat", &[file.path().as_os_str()]);
    assert!(status.success());
    assert!(output == bytes, "{} bytes came out of {}", output.len(), bytes.len());
}

#[test]
fn cat_fails_on_a_file_that_is_not_there() {
    let (output, status) = Example::output("cat", &[OsStr::new("/nonexistent")]);
    assert_eq!((output, status.code()), (Vec::new(), Some(1)));
}

#[test]
fn metrics_prints_the_numbers_and_what_every_task_waits_for() {
    let output = text("metrics");
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 9 + 4, "{output}");
    assert!(lines[0].starts_with("turns ") && lines[8].starts_with("blocking "), "{output}");
    assert!(lines[9].starts_with("the future of block_on waits for the core's stop"), "{output}");
    for (line, name, wait) in [
        (10, "echo", "data on descriptor "),
        (11, "sleeper", "a timer in "),
        (12, "joiner", "the end of \"sleeper\" TaskId("),
    ] {
        assert!(lines[line].starts_with(&format!("task {name:?} TaskId(")), "{output}");
        assert!(lines[line].contains(&format!(" waits for {wait}")), "{output}");
    }
}

#[test]
fn timeout_race_cancels_the_read_that_lost() {
    let output = text("timeout_race");
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 4, "{output}");
    assert_eq!(lines[0], "before: 0 cancels");
    assert_eq!(lines[1], "racing: 1 read is with the kernel");
    assert!(lines[2].starts_with("the timer won after "), "{output}");
    assert_eq!(lines[3], "after:  1 cancel, 1 orphan, 0 reads are with the kernel");
}

#[test]
fn concurrent_downloads_submits_all_reads_with_few_calls() {
    let output = text("concurrent_downloads");
    let (first, rest) = output.split_once('\n').expect("two lines");
    let (sqes, calls) = first.split_once(" SQEs, ").expect("the entries come first");
    assert_eq!(sqes, "100", "{output}");
    let calls: u32 = calls.split(' ').next().unwrap().parse().unwrap();
    // One submits them all; one more waits where none was ready meanwhile.
    assert!((1..=2).contains(&calls), "{output}");
    assert_eq!(rest, "409600 bytes in 100 parts\n");
}

#[test]
fn concurrent_downloads_takes_a_file_that_is_too_short_for_all_parts() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [b'y'; 10_000]).unwrap();
    let (output, status) = Example::output("concurrent_downloads", &[file.path().as_os_str()]);
    assert!(status.success());
    assert!(String::from_utf8(output).unwrap().ends_with("10000 bytes in 100 parts\n"));
}

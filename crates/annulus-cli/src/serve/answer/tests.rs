//! Tests of the choice of an answer.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::serve::clock;
use crate::serve::entity::{Facts, Kind};
use crate::serve::head;
use crate::serve::response::Persistence;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn answer(method: &str, lines: &str, len: u64) -> (Answer, String) {
    let modified = UNIX_EPOCH + Duration::new(784_111_777, 5);
    let facts = Facts { kind: Kind::File, len, modified, inode: 7 };
    let text = format!("{method} /a.txt HTTP/1.0\r\n{lines}\r\n");
    let (head, _) = head::parse(text.as_bytes()).unwrap().unwrap();
    let now = modified + Duration::from_secs(100);
    let stamp =
        Stamp { date: clock::format(now), persistence: Persistence::Implied, method: head.method };
    let described = Described::new(Path::new("a.txt"), &facts, now);
    let mut out = Vec::new();
    let answer = file(&mut out, &head, (&described, now), &stamp);
    (answer, String::from_utf8(out).unwrap())
}

fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn a_whole_file() {
    let (answer, text) = answer("GET", "", 10);
    assert_eq!(answer, Answer { status: Status::OK, body: 0..10, content: 10 });
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"));
    assert_eq!(field(&text, "Content-Length"), Some("10"));
    assert_eq!(field(&text, "Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(field(&text, "Last-Modified"), Some(DATE));
    assert_eq!(field(&text, "Accept-Ranges"), Some("bytes"));
    assert_eq!(field(&text, "Content-Range"), None);
}

#[test]
fn a_part_of_a_file() {
    let (answer, text) = answer("GET", "Range: bytes=2-4\r\n", 10);
    assert_eq!(answer, Answer { status: Status::PARTIAL_CONTENT, body: 2..5, content: 3 });
    assert_eq!(field(&text, "Content-Length"), Some("3"));
    assert_eq!(field(&text, "Content-Range"), Some("bytes 2-4/10"));
}

#[test]
fn a_part_that_does_not_exist() {
    let (answer, text) = answer("GET", "Range: bytes=10-\r\n", 10);
    assert_eq!((answer.status, answer.body), (Status::RANGE_NOT_SATISFIABLE, 0..0));
    assert_eq!(field(&text, "Content-Range"), Some("bytes */10"));
}

#[test]
fn several_parts_are_answered_with_the_whole() {
    let (answer, _) = answer("GET", "Range: bytes=0-1,4-5\r\n", 10);
    assert_eq!((answer.status, answer.body), (Status::OK, 0..10));
}

#[test]
fn head_says_what_get_would_and_ignores_ranges() {
    let (got, text) = answer("HEAD", "Range: bytes=2-4\r\n", 10);
    assert_eq!(got, Answer { status: Status::OK, body: 0..0, content: 0 });
    assert_eq!(text, answer("GET", "", 10).1);
}

#[test]
fn a_copy_that_is_current_is_not_sent_again() {
    let (_, text) = answer("GET", "", 10);
    let etag = field(&text, "ETag").unwrap();
    for lines in [
        format!("If-None-Match: {etag}\r\n"),
        format!("If-None-Match: {etag}\r\nRange: bytes=0-1\r\n"),
        format!("If-Modified-Since: {DATE}\r\n"),
    ] {
        for method in ["GET", "HEAD"] {
            let (answer, text) = answer(method, &lines, 10);
            assert_eq!((answer.status, answer.body), (Status::NOT_MODIFIED, 0..0), "{lines}");
            assert_eq!(field(&text, "ETag"), Some(etag));
            assert_eq!(field(&text, "Last-Modified"), Some(DATE));
            assert_eq!(field(&text, "Content-Length"), None);
            assert!(text.ends_with("\r\n\r\n"));
        }
    }
}

#[test]
fn conditions_that_fail_are_412() {
    let (answer, _) = answer("GET", "If-Match: \"other\"\r\n", 10);
    assert_eq!((answer.status, answer.body), (Status::PRECONDITION_FAILED, 0..0));
}

#[test]
fn a_range_is_honoured_only_if_its_condition_holds() {
    let (_, text) = answer("GET", "", 10);
    let etag = field(&text, "ETag").unwrap();
    let range = |condition: &str| {
        answer("GET", &format!("Range: bytes=10-\r\nIf-Range: {condition}\r\n"), 10).0.status
    };
    assert_eq!(range(etag), Status::RANGE_NOT_SATISFIABLE);
    assert_eq!(range("\"other\""), Status::OK);
}

#[test]
fn an_empty_file_is_an_empty_answer() {
    let (got, text) = answer("GET", "", 0);
    assert_eq!(got, Answer { status: Status::OK, body: 0..0, content: 0 });
    assert_eq!(field(&text, "Content-Length"), Some("0"));
    assert_eq!(answer("GET", "Range: bytes=-5\r\n", 0).0.status, Status::OK);
}

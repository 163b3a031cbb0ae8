//! Requests, answers in any pieces, and what is neither.

use clap::Parser as _;

use super::super::{Exchange, Question, answers};
use super::*;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn question(words: &[&str]) -> Result<Question, String> {
    let words = [&["load", "http://host:8080/a?b"], words].concat();
    let args = Line::try_parse_from(words).map_err(|error| error.to_string())?.args;
    let plan = args.plan().map_err(|error| error.to_string())?;
    Question::new(&args, &plan.target).map_err(|error| error.to_string())
}

fn begin(words: &[&str]) -> Exchange {
    question(words).unwrap().begin(0)
}

fn said(words: &[&str]) -> String {
    let mut out = Vec::new();
    begin(words).request(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn requests_are_what_was_asked_for() {
    let agent = concat!("User-Agent: annulus-load/", env!("CARGO_PKG_VERSION"), "\r\n");
    assert_eq!(said(&[]), format!("GET /a?b HTTP/1.1\r\nHost: host:8080\r\n{agent}\r\n"));
    let post = ["-X", "POST", "-H", "Host: other", "-H", "user-agent:  me ", "--body", "hello"];
    assert_eq!(
        said(&post),
        "POST /a?b HTTP/1.1\r\nHost: other\r\nuser-agent: me\r\nContent-Length: 5\r\n\r\nhello"
    );
    assert!(said(&["--no-keep-alive"]).contains("\r\nConnection: close\r\n"));
}

#[test]
fn what_is_no_request_is_said() {
    for (words, complaint) in [
        (&["-X", "GE T"][..], "is no method"),
        (&["-H", "nothing"], "is no header"),
        (&["-H", "a b: c"], "is no header"),
        (&["-H", "a: b\r\nc: d"], "is no header"),
        (&["-H", "Content-Length: 3"], "leave its header out"),
        (&["--body-file", "/no/such/file"], "cannot read /no/such/file"),
    ] {
        let error = question(words).unwrap_err();
        assert!(error.contains(complaint), "{error}");
    }
}

#[test]
fn answers_end_where_they_end_whatever_the_pieces() {
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
        HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n\r\n0\r\n\r\n\
        A\r\n0123456789\r\n\
        0\r\nTrailer: x\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n\
        HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
    let statuses = [200, 404, 200, 304, 503];
    let every: Vec<usize> = (0..bytes.len()).collect();
    for cut in 0..bytes.len() {
        let found = answers(&mut begin(&[]), bytes, &[cut]).unwrap();
        assert_eq!(found.iter().map(|answer| answer.status.unwrap()).collect::<Vec<_>>(), statuses);
        assert_eq!(found.iter().filter(|answer| answer.last).count(), 1);
    }
    assert_eq!(answers(&mut begin(&[]), bytes, &every).unwrap().len(), 5);
}

#[test]
fn a_body_can_end_with_the_connection_and_an_answer_to_head_has_none() {
    let bytes = b"HTTP/1.0 200 OK\r\n\r\nwhat follows";
    let mut exchange = begin(&[]);
    assert_eq!(answers(&mut exchange, bytes, &[20, 25]), Ok(Vec::new()));
    assert_eq!(exchange.end(), Some(Answer { status: Some(200), last: true }));
    assert_eq!(begin(&[]).end(), None, "nothing has come");
    let mut exchange = begin(&["-X", "HEAD"]);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    assert_eq!(answers(&mut exchange, &head.repeat(2), &[50]).unwrap().len(), 2);
}

#[test]
fn what_is_no_answer_is_noticed() {
    let long = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(HEAD_BYTES_MAX));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for wrong in [
        "SMTP ready\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        &format!("{chunked}x\r\n"),
        &format!("{chunked}ffffffffffffffff\r\n"),
        &format!("{chunked}{}", "1".repeat(LINE_BYTES_MAX)),
        &long,
    ] {
        let shown = &wrong[..wrong.len().min(80)];
        assert_eq!(answers(&mut begin(&[]), wrong.as_bytes(), &[]), Err(Wrong), "{shown}");
    }
}

//! The server that speaks HTTP by hand.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::example::{BOUND, Example, connect};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";
const LAST: &[u8] = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nHello, world!\n";

/// What `http_server` answers to `pieces`, sent one after the other, until it closes.
fn answers(pieces: &[&[u8]]) -> io::Result<String> {
    let (_server, address) = Example::serve("http_server", &[]);
    let mut client = connect(address)?;
    client.set_nodelay(true)?;
    for piece in pieces {
        client.write_all(piece)?;
    }
    let mut answers = String::new();
    client.read_to_string(&mut answers)?;
    Ok(answers)
}

#[test]
fn http_server_keeps_a_connection_for_the_next_request() -> io::Result<()> {
    let (_server, address) = Example::serve("http_server", &[]);
    let mut client = connect(address)?;
    for _ in 0..3 {
        let mut answer = vec![0; HELLO.len()];
        client.write_all(GET)?;
        client.read_exact(&mut answer)?;
        assert_eq!(answer, HELLO.as_bytes());
    }
    Ok(())
}

#[test]
fn http_server_closes_when_it_is_asked_to() -> io::Result<()> {
    assert_eq!(answers(&[LAST])?, HELLO);
    assert_eq!(answers(&[b"GET / HTTP/1.0\r\n\r\n"])?, HELLO);
    Ok(())
}

#[test]
fn http_server_answers_requests_that_were_sent_ahead() -> io::Result<()> {
    assert_eq!(answers(&[&[GET, GET, LAST].concat()])?, HELLO.repeat(3));
    Ok(())
}

#[test]
fn http_server_takes_requests_in_pieces() -> io::Result<()> {
    let bytes = [GET, LAST].concat();
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(answers(&pieces)?, HELLO.repeat(2));
    Ok(())
}

#[test]
fn http_server_refuses_what_it_does_not_know() -> io::Result<()> {
    let answer = answers(&[b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"])?;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    Ok(())
}

#[test]
fn http_server_refuses_a_head_without_end() -> io::Result<()> {
    let answer = answers(&[b"GET / HTTP/1.1\r\nCookie: ", &[b'x'; 8 * 1024]])?;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    Ok(())
}

#[test]
fn http_server_pleases_curl() -> io::Result<()> {
    let curl = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    if curl.is_err() {
        let why = b"skipped: http_server_pleases_curl (curl is not installed)\n";
        std::io::stderr().write_all(why)?;
        return Ok(());
    }
    let (_server, address) = Example::serve("http_server", &[]);
    let url = format!("http://{address}/");
    let curl = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--noproxy", "*"])
        .args(["--max-time", &BOUND.as_secs().to_string()])
        .args(["--write-out", "%{http_code} over %{num_connects} new connections\n"])
        .args([&url, &url].map(OsStr::new))
        .output()?;
    assert_eq!(
        String::from_utf8_lossy(&curl.stdout),
        "Hello, world!\n200 over 1 new connections\nHello, world!\n200 over 0 new connections\n",
        "{}",
        String::from_utf8_lossy(&curl.stderr),
    );
    Ok(())
}

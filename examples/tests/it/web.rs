//! The servers on hyper and axum.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;

use crate::example::{Example, connect};

/// The status and the body of the answer to a request, over a connection of its own.
fn ask(address: SocketAddr, line: &str, body: &str) -> io::Result<(String, String)> {
    let mut client = connect(address)?;
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    client.write_all(request.as_bytes())?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends");
    let status = head.strip_prefix("HTTP/1.1 ").expect("it is HTTP/1.1");
    Ok((status[..3].to_owned(), body.to_owned()))
}

fn ok(body: &str) -> (String, String) {
    ("200".to_owned(), body.to_owned())
}

#[test]
fn hyper_hello_greets_and_counts() -> io::Result<()> {
    let (_server, address) = Example::serve("hyper_hello", &[]);
    for n in 1..=3 {
        let greeting = format!("Hello, world! Request {n}, by HTTP/1.1.\n");
        assert_eq!(ask(address, "GET /", "")?, ok(&greeting));
    }
    Ok(())
}

#[test]
fn axum_app_answers_relays_reads_and_ends() -> io::Result<()> {
    let (server, address) = Example::serve("axum_app", &[]);
    let (status, greeting) = ask(address, "GET /", "")?;
    assert_eq!(status, "200");
    assert!(greeting.starts_with("Hello, 127.0.0.1:"), "{greeting}");

    let said = "to the echo and back ".repeat(5_000);
    assert_eq!(ask(address, "POST /relay", &said)?, ok(&said));

    let dir = tempfile::tempdir()?;
    let path = dir.path().join("file");
    std::fs::write(&path, "text of a file")?;
    let line = format!("GET /file?{}", path.display());
    assert_eq!(ask(address, &line, "")?, ok("text of a file"));
    let (status, why) = ask(address, "GET /file?/nothing/here", "")?;
    assert_eq!(status, "502");
    assert!(why.contains("No such file"), "{why}");

    assert_eq!(ask(address, "POST /quit", "")?.0, "200");
    assert!(server.end().success());
    Ok(())
}

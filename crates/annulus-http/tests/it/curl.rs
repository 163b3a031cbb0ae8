//! curl, and what else is installed, against both servers.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, Output, Stdio};

use crate::support::{BOUND, Kind, Running, pattern, skip};

fn is_installed(program: &str, test: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    if found.is_err() {
        skip(test, &format!("{program} is not installed"));
    }
    found.is_ok()
}

fn curl<S: AsRef<OsStr>>(args: &[S]) -> io::Result<Output> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*"])
        .args(["--max-time", &BOUND.as_secs().to_string()])
        .args(args)
        .output()?;
    assert!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output)
}

/// The two protocols, as curl is told to speak them.
const VERSIONS: [(&str, &str); 2] = [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")];

/// Runs a test with each server and each protocol.
fn each(test: &str, ask: impl Fn(&Running, &str, &str) -> io::Result<()>) -> io::Result<()> {
    if !is_installed("curl", test) {
        return Ok(());
    }
    for kind in [Kind::Hyper, Kind::Axum] {
        let server = Running::start(kind);
        for (flag, version) in VERSIONS {
            ask(&server, flag, version)?;
        }
    }
    Ok(())
}

#[test]
fn curl_keeps_its_connection_for_the_next_request() -> io::Result<()> {
    each("curl_keeps_its_connection", |server, flag, version| {
        let url = server.url("/hello");
        let said = "%{http_version} over %{num_connects} new connections\n";
        // With HTTP/2 and prior knowledge, some versions of curl fail over a connection of theirs
        // that was used before, whatever the server; nghttp asks over one as well.
        let urls = if version == "2" { 1 } else { 3 };
        let output = curl(&[&[flag, "--write-out", said], &vec![&url[..]; urls][..]].concat())?;
        let expected: String = [1, 0, 0][..urls]
            .iter()
            .map(|fresh| format!("hello\n{version} over {fresh} new connections\n"))
            .collect();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
        Ok(())
    })
}

#[test]
fn curl_gets_large_bodies_whole() -> io::Result<()> {
    const LEN: usize = 10 << 20;
    each("curl_gets_large_bodies_whole", |server, flag, _| {
        for path in ["whole", "pieces"] {
            let output = curl(&[flag, &server.url(&format!("/{path}/{LEN}"))])?;
            assert!(output.stdout == pattern(LEN), "{} bytes came", output.stdout.len());
        }
        Ok(())
    })
}

#[test]
fn curl_sends_large_bodies_and_gets_them_back() -> io::Result<()> {
    const LEN: usize = 5 << 20;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("body");
    std::fs::write(&path, pattern(LEN))?;
    let body = format!("@{}", path.display());
    each("curl_sends_large_bodies", |server, flag, _| {
        let output = curl(&[flag, "--data-binary", &body, &server.url("/echo")])?;
        assert!(output.stdout == pattern(LEN), "{} bytes came back", output.stdout.len());
        let output = curl(&[flag, "--data-binary", &body, &server.url("/count")])?;
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{LEN}\n"));
        Ok(())
    })
}

#[test]
fn curl_sends_and_gets_chunks() -> io::Result<()> {
    const LEN: usize = 300_000;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("body");
    std::fs::write(&path, pattern(LEN))?;
    let body = format!("@{}", path.display());
    if !is_installed("curl", "curl_sends_and_gets_chunks") {
        return Ok(());
    }
    for kind in [Kind::Hyper, Kind::Axum] {
        let server = Running::start(kind);
        let chunked = ["--http1.1", "--header", "Transfer-Encoding: chunked", "--data-binary"];
        let url = server.url("/echo");
        let output = curl(&[&chunked[..], &[&body, &url]].concat())?;
        assert!(output.stdout == pattern(LEN), "{} bytes came back", output.stdout.len());
        let url = server.url("/pieces/5000");
        let output = curl(&["--http1.1", "--raw", "--include", &url])?;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("transfer-encoding: chunked"), "{text}");
        assert!(output.stdout.ends_with(b"\r\n0\r\n\r\n"));
    }
    Ok(())
}

#[test]
fn curl_is_told_what_is_not_there() -> io::Result<()> {
    each("curl_is_told_what_is_not_there", |server, flag, _| {
        let url = server.url("/nothing");
        let output = curl(&[flag, "--output", "/dev/null", "--write-out", "%{http_code}", &url])?;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "404");
        Ok(())
    })
}

#[test]
fn nghttp_asks_for_many_things_at_once() -> io::Result<()> {
    if !is_installed("nghttp", "nghttp_asks_for_many_things_at_once") {
        return Ok(());
    }
    for kind in [Kind::Hyper, Kind::Axum] {
        let server = Running::start(kind);
        let urls: Vec<String> =
            (0..20).map(|n| server.url(&format!("/whole/{}", n * 1000))).collect();
        let output = Command::new("nghttp").arg("--timeout=60").args(&urls).output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let expected: usize = (0..20).map(|n| n * 1000).sum();
        assert_eq!(output.stdout.len(), expected);
    }
    Ok(())
}

#[test]
fn h2spec_finds_no_fault() -> io::Result<()> {
    if !is_installed("h2spec", "h2spec_finds_no_fault") {
        return Ok(());
    }
    let server = Running::start(Kind::Hyper);
    let output = Command::new("h2spec")
        .args(["--host", "127.0.0.1", "--port", &server.address.port().to_string()])
        .args(["--path", "/hello", "--timeout", "20"])
        .output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

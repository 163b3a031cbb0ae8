//! `annulus serve` and files that stay open: what clients see of them. Which files those are is in
//! the unit tests.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::program::{Program, ready};

/// Far beyond what anything here takes: a server that hangs fails its test instead of stopping all.
const WATCHDOG: Duration = Duration::from_secs(60);

struct Site {
    files: tempfile::TempDir,
    address: String,
    program: Program,
}

impl Site {
    fn start(arguments: &[&str], descriptors: Option<u64>) -> Self {
        let files = tempfile::tempdir().unwrap();
        let directory = files.path().to_str().unwrap().to_owned();
        let mut all = vec!["serve", &directory, "--addr", "127.0.0.1:0", "--cores", "1"];
        all.extend(arguments);
        let mut program = match descriptors {
            None => Program::start(&all),
            Some(descriptors) => Program::start_with_descriptors(&all, descriptors),
        };
        let line = program.line();
        let address = line.strip_prefix("Listening on http://").unwrap().to_owned();
        Self { files, address, program }
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.files.path().join(name), text).unwrap();
    }

    fn connect(&self) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        BufReader::new(stream)
    }
}

struct Response {
    head: String,
    body: Vec<u8>,
}

impl Response {
    fn status(&self) -> &str {
        &self.head["HTTP/1.1 ".len()..][..3]
    }

    fn field(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }
}

/// Asks for a file, and reads as much as the answer says it has.
fn get(stream: &mut BufReader<TcpStream>, name: &str, lines: &str) -> Response {
    let request = format!("GET /{name} HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
    stream.get_mut().write_all(request.as_bytes()).unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).unwrap(), 0, "the head ends early: {head}");
    }
    let len = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; len.map_or(0, |len| len.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    Response { head, body }
}

#[test]
fn ranges_and_conditions_hold_for_a_file_that_is_open_already() {
    if !ready() {
        return;
    }
    for kept in ["1024", "0"] {
        let site = Site::start(&["--open-files", kept], None);
        let mut stream = site.connect();
        for len in [5, 100_000_u32] {
            let text: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            site.write("file", &text);
            let whole = get(&mut stream, "file", "");
            assert!(whole.status() == "200" && whole.body == text);
            let etag = whole.field("ETag").to_owned();
            for _ in 0..2 {
                let part = get(&mut stream, "file", "Range: bytes=1-3\r\n");
                assert_eq!((part.status(), &part.body[..]), ("206", &text[1..4]));
                assert_eq!(part.field("Content-Range"), format!("bytes 1-3/{len}"));
                assert_eq!(part.field("ETag"), etag);
                let beyond = get(&mut stream, "file", "Range: bytes=100000-\r\n");
                assert_eq!(beyond.status(), "416");
                let same = get(&mut stream, "file", &format!("If-None-Match: {etag}\r\n"));
                assert_eq!((same.status(), same.body.len()), ("304", 0));
                let other = get(&mut stream, "file", "If-Match: \"other\"\r\n");
                assert_eq!(other.status(), "412");
                let again = get(&mut stream, "file", "");
                assert!(again.body == text);
                let but_date = |head: &str| -> Vec<String> {
                    let lines = head.lines().filter(|line| !line.starts_with("Date: "));
                    lines.map(str::to_owned).collect()
                };
                assert_eq!(but_date(&again.head), but_date(&whole.head));
            }
        }
        // Written meanwhile: what a client has is not current any more.
        let etag = get(&mut stream, "file", "").field("ETag").to_owned();
        site.write("file", "another text");
        let ranged = format!("If-Range: {etag}\r\nRange: bytes=1-3\r\n");
        let changed = get(&mut stream, "file", &ranged);
        assert_eq!((changed.status(), &changed.body[..]), ("200", b"another text".as_slice()));
        fs::remove_file(site.files.path().join("file")).unwrap();
        assert_eq!(get(&mut stream, "file", "").status(), "404");
    }
}

#[test]
fn a_file_that_is_cut_while_it_is_sent_ends_the_connection_and_not_the_server() {
    const LEN: usize = 32_000_000;
    if !ready() {
        return;
    }
    for body in ["sendfile", "read"] {
        let site = Site::start(&["--body", body], None);
        site.write("file", vec![7; LEN]);
        let mut stream = site.connect();
        stream.get_mut().write_all(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        // It has begun, and does not fit the sockets' buffers.
        stream.fill_buf().unwrap();
        let file = fs::File::options().write(true).open(site.files.path().join("file")).unwrap();
        file.set_len(1000).unwrap();
        let mut all = Vec::new();
        // An end or a reset, but never as many bytes as were promised.
        let _ = stream.read_to_end(&mut all);
        assert!(all.len() < LEN, "{body}");
        let mut other = site.connect();
        assert_eq!(get(&mut other, "file", "").body, [7; 1000]);
    }
}

#[test]
fn files_that_stay_open_leave_descriptors_to_connections() {
    if !ready() {
        return;
    }
    // Fewer descriptors than the files that are to stay open.
    let site = Site::start(&["--open-files", "1000"], Some(128));
    let mut streams = Vec::new();
    for number in 0..30 {
        let name = number.to_string();
        site.write(&name, format!("text {number}"));
        let mut stream = site.connect();
        let answer = get(&mut stream, &name, "");
        assert_eq!(answer.status(), "200");
        assert_eq!(answer.body, format!("text {number}").into_bytes());
        streams.push(stream);
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        assert_eq!(get(stream, &number.to_string(), "").status(), "200");
    }
}

#[test]
fn connections_for_which_descriptors_do_not_suffice_wait_and_that_is_said() {
    if !ready() {
        return;
    }
    let mut site = Site::start(&["--connections-max", "1000"], Some(64));
    // The first words are of the few descriptors themselves.
    let said = [site.program.complaint(), site.program.complaint()];
    assert!(said[1].contains("64 descriptors are enough for 8 connections a core"), "{said:?}");
    site.write("file", "text");
    let mut inside: Vec<_> = (0..8).map(|_| site.connect()).collect();
    for stream in &mut inside {
        assert_eq!(get(stream, "file", "").body, b"text");
    }
    let mut outside = site.connect();
    outside.get_mut().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    outside.get_mut().write_all(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(outside.fill_buf().is_err(), "it waits");
    outside.get_mut().set_read_timeout(Some(WATCHDOG)).unwrap();
    drop(inside);
    assert!(outside.fill_buf().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200 ")));
}

#[test]
fn files_that_would_stay_open_for_long_do_not_hold_up_the_end() {
    const DRAIN: Duration = Duration::from_secs(60);
    if !ready() {
        return;
    }
    let site = Site::start(&["--open-files-valid", "3600", "--drain", "60"], None);
    site.write("file", "text");
    let mut stream = site.connect();
    assert_eq!(get(&mut stream, "file", "").body, b"text");
    let begun = Instant::now();
    let (status, said) = site.program.end(libc::SIGTERM);
    assert!(status.success() && begun.elapsed() < DRAIN / 2, "{:?}: {said}", begun.elapsed());
}

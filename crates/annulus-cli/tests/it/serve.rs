//! `annulus serve` as a process: what only the whole shows. What it answers to which request is in
//! the unit tests of its modules.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Far beyond what anything here takes: a server that hangs fails its test instead of stopping all.
const WATCHDOG: Duration = Duration::from_secs(60);

struct Served {
    child: Child,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
    files: tempfile::TempDir,
}

fn large() -> Vec<u8> {
    (0..8_000_000_u32).map(|at| (at % 251) as u8).collect()
}

fn command(directory: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annulus"));
    command.arg("serve").arg(directory).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

impl Served {
    fn start(arguments: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        fs::write(files.path().join("a.txt"), "alpha").unwrap();
        fs::write(files.path().join("large.bin"), large()).unwrap();
        let mut child =
            command(files.path(), arguments).args(["--addr", "127.0.0.1:0"]).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.strip_prefix("Listening on http://").unwrap_or_else(|| panic!("{line}"));
        let address = address.trim_end().parse().unwrap();
        Self { child, output, address, files }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        stream
    }

    fn signal(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    fn ended(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has usually ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One response: its head, and as many bytes as the head says.
fn response(stream: &mut impl BufRead) -> (String, Vec<u8>) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).unwrap(), 0, "the head ends early: {head}");
    }
    let len = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let mut body = vec![0; len.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
}

#[test]
fn small_and_large_files_arrive_whole_on_one_connection() {
    for body in ["sendfile", "read"] {
        let served = Served::start(&["--cores", "1", "--body", body]);
        let mut stream = served.connect();
        let requests = ["/a.txt", "/large.bin", "/nothing", "/a.txt"].map(get).concat();
        stream.write_all(requests.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        assert_eq!(response(&mut stream).1, b"alpha");
        assert!(response(&mut stream).1 == large(), "{body}");
        assert!(response(&mut stream).0.starts_with("HTTP/1.1 404 "));
        assert_eq!(response(&mut stream).1, b"alpha");
    }
}

#[test]
fn a_client_that_takes_nothing_does_not_hold_up_the_others() {
    for body in ["sendfile", "read"] {
        let served = Served::start(&["--cores", "1", "--body", body]);
        let mut stuck = BufReader::with_capacity(1024, served.connect());
        stuck.get_mut().write_all(get("/large.bin").as_bytes()).unwrap();
        stuck.fill_buf().unwrap();
        let mut other = served.connect();
        other.write_all(get("/a.txt").as_bytes()).unwrap();
        assert_eq!(response(&mut BufReader::new(other)).1, b"alpha", "{body}");
        assert!(response(&mut stuck).1 == large(), "{body}");
    }
}

#[test]
fn a_directory_is_listed_when_that_was_asked_for() {
    let served = Served::start(&["--cores", "1", "--list"]);
    let mut stream = served.connect();
    stream.write_all(get("/").as_bytes()).unwrap();
    let (head, body) = response(&mut BufReader::new(stream));
    assert!(head.starts_with("HTTP/1.1 200 "));
    assert!(String::from_utf8(body).unwrap().contains("<a href=\"a.txt\">a.txt</a><td>5 B"));
}

#[test]
fn what_lies_outside_is_not_found() {
    let served = Served::start(&["--cores", "1"]);
    std::os::unix::fs::symlink("/etc/passwd", served.files.path().join("out")).unwrap();
    let mut stream = served.connect();
    let raw = ["/out", "/../etc/passwd", "/a.txt"].map(get).concat();
    stream.write_all(raw.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    assert!(response(&mut stream).0.starts_with("HTTP/1.1 404 "));
    assert!(response(&mut stream).0.starts_with("HTTP/1.1 400 "));
    assert_eq!(response(&mut stream).1, b"alpha");
}

#[test]
fn every_core_serves_at_the_same_address() {
    let served = Served::start(&["--cores", "3"]);
    let clients: Vec<_> = (0..32)
        .map(|_| {
            let mut stream = served.connect();
            thread::spawn(move || {
                stream.write_all(get("/a.txt").as_bytes()).unwrap();
                response(&mut BufReader::new(stream)).1
            })
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap(), b"alpha");
    }
}

#[test]
fn an_address_in_use_is_a_clear_error() {
    let files = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for cores in ["1", "2"] {
        let arguments = ["--addr", &address, "--cores", cores];
        let output = command(files.path(), &arguments).output().unwrap();
        assert!(!output.status.success());
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains("another program listens there"), "{message}");
    }
}

#[test]
fn a_second_server_does_not_join_the_first_at_its_address() {
    let served = Served::start(&["--cores", "2"]);
    let address = served.address.to_string();
    let arguments = ["--addr", &address, "--cores", "2"];
    let output = command(served.files.path(), &arguments).output().unwrap();
    assert!(!output.status.success());
}

#[test]
fn a_signal_ends_idle_connections_and_the_program() {
    let served = Served::start(&["--cores", "2", "--log"]);
    let mut idle = served.connect();
    idle.write_all(get("/a.txt").as_bytes()).unwrap();
    let mut reader = BufReader::new(idle);
    assert_eq!(response(&mut reader).1, b"alpha");
    served.signal();
    assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
    let (status, log) = served.ended();
    assert!(status.success(), "{status}");
    assert!(log.starts_with("127.0.0.1 - - ["), "{log}");
    assert!(log.contains("\"GET /a.txt HTTP/1.1\" 200 5 \"-\" \"-\"\n"), "{log}");
}

#[test]
fn an_answer_under_way_is_finished_after_the_signal() {
    let served = Served::start(&["--cores", "1"]);
    let mut stream = BufReader::with_capacity(1024, served.connect());
    stream.get_mut().write_all(get("/large.bin").as_bytes()).unwrap();
    // The answer has begun, and does not fit the sockets' buffers: it is under way.
    stream.fill_buf().unwrap();
    served.signal();
    let (_, body) = response(&mut stream);
    assert!(body == large());
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    assert!(served.ended().0.success());
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    let mut served = Served::start(&["--cores", "1"]);
    let mut stream = BufReader::with_capacity(1024, served.connect());
    stream.get_mut().write_all(get("/large.bin").as_bytes()).unwrap();
    stream.fill_buf().unwrap();
    served.signal();
    // The second must not be merged with the first while that one is pending: once no connection is
    // taken any more, the first has been seen.
    let signalled = Instant::now();
    while TcpStream::connect(served.address).is_ok() {
        assert!(signalled.elapsed() < WATCHDOG, "connections are still taken");
        thread::yield_now();
    }
    served.signal();
    assert_eq!(served.child.wait().unwrap().code(), Some(128 + libc::SIGTERM));
}

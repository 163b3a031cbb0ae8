//! `annulus load` against servers that stall, that do not let anybody in, and where threads are
//! short: what waited counts, and nothing hangs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Program, ready, skip};
use crate::site::WATCHDOG;

/// Answers so many requests of HTTP, and then nothing any more.
fn stalls_after(answers: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answered = Arc::new(AtomicU64::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answered = answered.clone();
            thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                loop {
                    line.clear();
                    if stream.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    // ORDERING: SeqCst; a count of a test.
                    if line == "\r\n" && answered.fetch_add(1, Ordering::SeqCst) < answers {
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                        let _gone = stream.get_mut().write_all(answer);
                    }
                }
            });
        }
    });
    address
}

fn load(args: &[&str]) -> (Output, Value) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("load.json");
    let output = Command::new(env!("CARGO_BIN_EXE_annulus"))
        .arg("load")
        .args(args)
        .arg("--json")
        .arg(&file)
        .output()
        .unwrap();
    let text = std::fs::read_to_string(&file).unwrap_or_else(|_| "null".to_owned());
    (output, serde_json::from_str(&text).unwrap())
}

#[test]
fn a_stall_to_the_end_is_in_the_percentiles_and_is_said() {
    if !ready() {
        return;
    }
    // Ten answers, of which a machine that is busy may lose one; the eleventh request is given up
    // after its time, and so is one on each new connection. All others wait, or were never sent.
    let url = format!("http://{}/", stalls_after(10));
    let args = [&url, "--rate", "100", "-d", "5s", "-c", "1", "--timeout", "3s"];
    let (output, json) = load(&args);
    let number = |name: &str| json["requests"][name].as_u64().unwrap();
    assert!((1..=10).contains(&number("answered")), "{json}");
    assert_eq!(number("started") + number("unsent"), 500, "{json}");
    assert_eq!(number("answered") + number("given_up"), 500, "{json}");
    // All 500 are in it, not only those that were answered: half of them waited for long.
    assert_eq!(json["latency_ns"]["count"], 500);
    assert!(json["latency_ns"]["p50"].as_u64().unwrap() > 500_000_000, "{json}");
    assert!(json["latency_ns"]["max"].as_u64().unwrap() > 1_500_000_000, "{json}");
    assert!(json["latency_ns"]["at_least_from"].is_number());
    // Since it was sent, those that were sent.
    assert_eq!(json["service_ns"]["count"], number("started"));
    assert!(json["service_ns"]["max"].as_u64().unwrap() >= 3_000_000_000, "{json}");
    let text = String::from_utf8(output.stdout).unwrap();
    let given_up = format!("  given up    {} timed out, unanswered or unsent", number("given_up"));
    assert!(text.contains(&given_up), "{text}");
    let p50 = text.lines().find(|line| line.starts_with("  p50 ")).unwrap();
    assert!(p50.contains('≥'), "{text}");
}

#[test]
fn a_short_stall_delays_those_behind_it_and_none_is_given_up() {
    if !ready() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut message = [0; 64];
        for n in 0.. {
            if stream.read_exact(&mut message).is_err() {
                return;
            }
            if n == 10 {
                let (_never, nothing) = mpsc::channel::<()>();
                let _ = nothing.recv_timeout(Duration::from_millis(600));
            }
            let _gone = stream.write_all(&message);
        }
    });
    let address = address.to_string();
    let (_, json) = load(&["tcp", &address, "--rate", "100", "-n", "100", "-c", "1"]);
    assert_eq!(json["requests"]["answered"], 100, "{json}");
    assert_eq!(json["requests"]["given_up"], 0);
    assert!(json["latency_ns"]["at_least_from"].is_null());
    // Sixty fell due during the stall, and each of them waited for what was left of it: of all
    // hundred, a tenth for half a second and more.
    assert!(json["latency_ns"]["p99"].as_u64().unwrap() >= 550_000_000, "{json}");
    assert!(json["latency_ns"]["p75"].as_u64().unwrap() >= 300_000_000, "{json}");
}

/// Connections to this port that nobody answers.
fn knocking(port: u16) -> usize {
    let port = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let knocks = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(2).is_some_and(|peer| peer.ends_with(&port)) && fields.get(3) == Some(&"02")
    };
    table.lines().filter(knocks).count()
}

#[test]
fn an_interrupt_while_it_connects_ends_it() {
    if !ready() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // SAFETY: the descriptor is open.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    // One fits into its queue; whoever comes then knocks and is not let in.
    let mut inside = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        inside.push(stream);
        assert!(inside.len() < 100, "the queue has no end");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("load.json");
    let target = address.to_string();
    let mut args = vec!["load", "tcp", &target, "-c", "4", "--cores", "2", "--timeout", "1000s"];
    args.extend(["--json", file.to_str().unwrap()]);
    let program = Program::start(&args);
    let begun = Instant::now();
    while knocking(address.port()) == 0 {
        assert!(begun.elapsed() < WATCHDOG, "nobody knocks");
        thread::yield_now();
    }
    let (status, said) = program.end(libc::SIGINT);
    assert!(said.starts_with("Stopping.\n"), "{said}");
    assert_eq!(status.code(), Some(1), "nothing was answered");
    let json: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!((&json["interrupted"], &json["requests"]["started"]), (&true.into(), &0.into()));
}

#[test]
fn a_thread_that_cannot_be_had_is_an_error_and_no_hang() {
    // SAFETY: it has no conditions.
    if !ready() || unsafe { libc::geteuid() } != 0 {
        skip("limiting threads needs a user without any, and so root");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_annulus"));
    command.args(["load", "tcp", &target, "-c", "8", "--cores", "8", "-n", "8", "--quiet"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let user = USERS + std::process::id();
    // SAFETY: the closure makes system calls only.
    unsafe { command.pre_exec(move || as_a_user_with_few_threads(user)) };
    let output = match command.output() {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EINVAL)) => {
            skip("there is no such user here, or none who may execute the program");
            return;
        }
        output => output.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("cannot start a thread for core"), "{said}");
}

/// Users from here on; each run of the test has its own, because threads are counted by user.
const USERS: libc::uid_t = 2_000_000;

/// Becomes a user whom nobody else is, and who may have four threads.
fn as_a_user_with_few_threads(user: libc::uid_t) -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: 4, rlim_max: 4 };
    // SAFETY: `limit` is a valid `rlimit` for the kernel to read.
    let limited = unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit) };
    // SAFETY: only a number is passed.
    let changed = unsafe { libc::setuid(user) };
    if limited == 0 && changed == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

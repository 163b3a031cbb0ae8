//! The cache: real clients, and a real Redis beside it that must answer the same.

mod bounds;
mod resp;

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use self::resp::{Client, Random, SameEnough, command};
use crate::example::{BOUND, Example, connect};

fn kv(cores: &str) -> (Example, SocketAddr) {
    kv_with(&["--cores", cores])
}

fn kv_with(options: &[&str]) -> (Example, SocketAddr) {
    let args = [&["--addr", "127.0.0.1:0"], options].concat();
    let args: Vec<&OsStr> = args.into_iter().map(OsStr::new).collect();
    let server = Example::start("kv", &args);
    let line = server.line();
    let address = line.strip_prefix("Listening on ").expect("it listens");
    let address = address.parse().expect("an address follows");
    (server, address)
}

/// Whether a program is there; if not, says what is not tested.
fn is_installed(program: &str, test: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        // Not `eprintln!`, which the harness swallows.
        let _ = writeln!(io::stderr(), "skipped: {test} ({program} is not installed)");
    }
    found
}

fn redis_cli(address: SocketAddr, args: &[&str]) -> String {
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let output = Command::new("redis-cli")
        .args(["-h", &ip, "-p", &port, "--no-raw"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("it is installed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).expect("it prints text").trim_end().to_owned()
}

#[test]
fn kv_pleases_redis_cli() {
    if !is_installed("redis-cli", "kv_pleases_redis_cli") {
        return;
    }
    let (_server, address) = kv("2");
    for (line, answer) in [
        ("ping", "PONG"),
        ("set greeting hello ex 100", "OK"),
        ("get greeting", "\"hello\""),
        ("get nothing", "(nil)"),
        ("incrby n 41", "(integer) 41"),
        ("incr n", "(integer) 42"),
        ("mset a 1 b 2 c 3", "OK"),
        ("mget a b c d", "1) \"1\"\n2) \"2\"\n3) \"3\"\n4) (nil)"),
        ("exists a b c d", "(integer) 3"),
        ("del a b d", "(integer) 2"),
        ("dbsize", "(integer) 3"),
        ("config get databases", "1) \"databases\"\n2) \"1\""),
        ("-3 config get databases", "1# \"databases\" => \"1\""),
        ("incr greeting", "(error) ERR value is not an integer or out of range"),
        ("flushall", "OK"),
        ("dbsize", "(integer) 0"),
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        assert_eq!(redis_cli(address, &args), answer, "{line}");
    }
    assert!(redis_cli(address, &["info"]).contains("multiplexing_api:io_uring"));
    assert!(redis_cli(address, &["command", "info", "get"]).contains("\"get\""));
}

#[test]
fn kv_pleases_redis_benchmark() {
    if !is_installed("redis-benchmark", "kv_pleases_redis_benchmark") {
        return;
    }
    let (_server, address) = kv("2");
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    for more in [&["-P", "1"][..], &["-P", "16", "-r", "1000", "-3"]] {
        let output = Command::new("redis-benchmark")
            .args(["-h", &ip, "-p", &port, "-n", "2000", "-c", "8", "--csv"])
            .args(["-t", "ping,set,get,incr,mset"])
            .args(more)
            .output()
            .expect("it is installed");
        let (text, complaint) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        assert!(output.status.success() && complaint.is_empty(), "{text}{complaint}");
        for test in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"] {
            assert!(text.contains(&format!("\"{test}\",")), "{test} is missing: {text}");
        }
    }
}

/// A real Redis, which ends with the test.
struct Redis {
    child: Child,
    directory: tempfile::TempDir,
}

impl Redis {
    fn start() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("socket");
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--databases", "1"])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(directory.path())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { child, directory })
    }

    fn connect(&self) -> UnixStream {
        let begin = Instant::now();
        loop {
            match UnixStream::connect(self.directory.path().join("socket")) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(BOUND)).expect("a bound can be set");
                    return stream;
                }
                Err(error) => assert!(begin.elapsed() < BOUND, "it does not listen: {error}"),
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn kv_answers_random_commands_as_redis_does() -> io::Result<()> {
    if !is_installed("redis-server", "kv_answers_random_commands_as_redis_does") {
        return Ok(());
    }
    let redis = Redis::start()?;
    for (cores, protocol, seed) in [("1", "2", 1), ("2", "3", 2), ("2", "2", 3)] {
        let (_server, address) = kv(cores);
        let mut theirs = Client::new(redis.connect());
        let mut ours = Client::new(connect(address)?);
        for client in [&mut theirs as &mut dyn resp::Ask, &mut ours] {
            client.ask(&command(&["flushall"]))?;
            client.ask(&command(&["hello", protocol]))?;
        }
        let mut random = Random::new(seed);
        for number in 0..4000 {
            let words = random.command();
            let request = command(&words);
            let (expected, answer) = (theirs.ask(&request)?, ours.ask(&request)?);
            let shown = || format!("command {number} of seed {seed}, {words:?}");
            assert!(
                answer.is_like(&expected),
                "{}: {:?} instead of {:?}",
                shown(),
                String::from_utf8_lossy(&answer),
                String::from_utf8_lossy(&expected)
            );
        }
    }
    Ok(())
}

#[test]
fn kv_refuses_broken_requests_as_redis_does() -> io::Result<()> {
    if !is_installed("redis-server", "kv_refuses_broken_requests_as_redis_does") {
        return Ok(());
    }
    let redis = Redis::start()?;
    let (_server, address) = kv("1");
    let long = |begin: &str| format!("{begin}{}", "1".repeat(70_000)).into_bytes();
    let broken = [
        b"*x\r\n".to_vec(),
        b"*01\r\n".to_vec(),
        b"*1\r\n$-5\r\n".to_vec(),
        b"*1\r\n$536870913\r\n".to_vec(),
        b"*1\r\n#4\r\nping\r\n".to_vec(),
        b"ping\r\n*0\r\n*-1\r\n\r\necho 'a b'\r\nget \"a\r\n".to_vec(),
        b"*1\r\n$4\r\nping__*1\r\n$4\r\nquit\r\n".to_vec(),
        long("*"),
        long("*1\r\n$"),
        long("get "),
    ];
    for request in broken {
        let (mut theirs, mut ours) = (redis.connect(), connect(address)?);
        let (mut expected, mut answer) = (Vec::new(), Vec::new());
        // Closing with bytes unread resets a connection, which can cost the end of the answer, and
        // of a long request.
        let _ = theirs.write_all(&request);
        let _ = theirs.read_to_end(&mut expected);
        let _ = ours.write_all(&request);
        let _ = ours.read_to_end(&mut answer);
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        assert!(!expected.is_empty(), "{shown}");
        let [answer, expected] = [answer, expected].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(answer, expected, "{shown}");
    }
    Ok(())
}

#[test]
fn kv_keeps_large_values_and_the_order_of_answers() -> io::Result<()> {
    let (_server, address) = kv("2");
    let mut client = Client::new(connect(address)?);
    let large = "0123456789abcdef".repeat(1 << 18);
    assert_eq!(client.ask(&command(&["set", "large", &large]))?, b"+OK\r\n");
    // Many requests at once, for both cores, with large answers between small ones.
    let mut requests = Vec::new();
    for n in 0..500 {
        let (key, value) = (format!("key:{n}"), format!("{n}"));
        requests.extend(command(&["set", &key, &value]));
        requests.extend(command(&["get", &key]));
        if n % 100 == 0 {
            requests.extend(command(&["get", "large"]));
        }
    }
    client.send(&requests)?;
    for n in 0..500 {
        assert_eq!(client.answer()?, b"+OK\r\n");
        let value = format!("{n}");
        assert_eq!(client.answer()?, format!("${}\r\n{value}\r\n", value.len()).as_bytes());
        if n % 100 == 0 {
            let answer = client.answer()?;
            assert_eq!(answer.len(), large.len() + "$4194304\r\n\r\n".len());
            assert!(answer.ends_with(&[large.as_bytes(), b"\r\n"].concat()));
        }
    }
    assert_eq!(client.ask(&command(&["dbsize"]))?, b":501\r\n");
    Ok(())
}

#[test]
fn kv_expires_keys_that_nobody_looks_at() -> io::Result<()> {
    let (_server, address) = kv("2");
    let mut client = Client::new(connect(address)?);
    for n in 0..100 {
        client.ask(&command(&["set", &format!("{n}"), "x", "px", "1"]))?;
    }
    client.ask(&command(&["set", "stays", "x", "ex", "10000"]))?;
    let begin = Instant::now();
    while client.ask(&command(&["dbsize"]))? != b":1\r\n" {
        assert!(begin.elapsed() < BOUND, "they stay");
    }
    assert_eq!(client.ask(&command(&["get", "stays"]))?, b"$1\r\nx\r\n");
    Ok(())
}

#[test]
fn kv_does_not_read_on_for_a_client_that_does_not_read() -> io::Result<()> {
    let (_server, address) = kv("1");
    let mut client = Client::new(connect(address)?);
    client.ask(&command(&["set", "large", &"x".repeat(1 << 20)]))?;
    let mut stuck = connect(address)?;
    // Two GiB of answers, if they were all written.
    stuck.write_all(&command(&["get", "large"]).repeat(2000))?;
    for _ in 0..500 {
        let info = client.ask(&command(&["info", "memory"]))?;
        let info = String::from_utf8(info).expect("it is text");
        let bytes = info.lines().find_map(|line| line.strip_prefix("used_memory_rss:"));
        let bytes: u64 = bytes.and_then(|bytes| bytes.parse().ok()).expect("a number");
        assert!(bytes < 128 << 20, "{bytes} bytes are kept for it");
    }
    Ok(())
}

#[test]
fn kv_ends_at_a_signal_although_clients_are_connected() -> io::Result<()> {
    let (server, address) = kv("2");
    let mut idle: TcpStream = connect(address)?;
    let mut client = Client::new(connect(address)?);
    assert_eq!(client.ask(b"PING\r\n")?, b"+PONG\r\n");
    let signalled = Command::new("kill").arg(server.pid().to_string()).status()?;
    assert!(signalled.success());
    assert!(matches!(idle.read(&mut [0; 8]), Ok(0) | Err(_)));
    assert!(server.end().success());
    Ok(())
}

#[test]
fn kv_says_what_is_wrong_with_its_arguments_and_that_its_address_is_taken() -> io::Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    for args in [&["--cores", "none"][..], &["--addr", &address]] {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        let (output, status) = Example::output("kv", &args);
        assert!(output.is_empty() && !status.success(), "{args:?}: {output:?}, {status}");
    }
    Ok(())
}

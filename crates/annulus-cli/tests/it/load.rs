//! `annulus load` against servers in the test: what it counts must be what they saw.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
use serde_json::Value;

use crate::program::{Program, ready};

/// A server in this process: a thread for each connection, and how many requests it took.
struct Server {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
}

/// What a server does with a connection: `requests` is the count so far, of all connections.
type Talk = fn(&mut BufReader<TcpStream>, &AtomicU64) -> std::io::Result<()>;

impl Server {
    fn start(talk: Talk) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let connections = Arc::new(AtomicU64::new(0));
        let (taken, counted) = (requests.clone(), connections.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // ORDERING: SeqCst, here and below; counts of a test.
                counted.fetch_add(1, Ordering::SeqCst);
                let taken = taken.clone();
                thread::spawn(move || {
                    stream.set_nodelay(true).unwrap();
                    let _ = talk(&mut BufReader::new(stream), &taken);
                });
            }
        });
        Self { address, requests, connections }
    }

    fn requests(&self) -> u64 {
        // ORDERING: as above.
        self.requests.load(Ordering::SeqCst)
    }
}

/// What a slow server does: nothing, for so long.
fn idle(duration: Duration) {
    let (_never, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(duration);
}

fn count(requests: &AtomicU64) -> u64 {
    // ORDERING: as above.
    requests.fetch_add(1, Ordering::SeqCst)
}

/// Reads the head of a request; false at the end.
fn read_head(stream: &mut BufReader<TcpStream>) -> std::io::Result<bool> {
    let mut line = String::new();
    while stream.read_line(&mut line)? > 0 {
        if line.ends_with("\r\n\r\n") || line == "\r\n" {
            return Ok(true);
        }
    }
    Ok(false)
}

fn greet(stream: &mut BufReader<TcpStream>, requests: &AtomicU64) -> std::io::Result<()> {
    while read_head(stream)? {
        let answer = match count(requests) % 10 {
            0 => "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
            _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        };
        stream.get_mut().write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// Answers one request, and then says no more on this connection.
fn greet_once(stream: &mut BufReader<TcpStream>, requests: &AtomicU64) -> std::io::Result<()> {
    if read_head(stream)? {
        count(requests);
        stream.get_mut().write_all(b"HTTP/1.0 200 OK\r\n\r\nhello")?;
    }
    Ok(())
}

fn echo(stream: &mut BufReader<TcpStream>, _requests: &AtomicU64) -> std::io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        let n = stream.read(&mut buf)?;
        if n == 0 {
            return Ok(());
        }
        stream.get_mut().write_all(&buf[..n])?;
    }
}

/// Runs it to its end; gives its output, and what it wrote as JSON.
fn load(args: &[&str]) -> (Output, Value) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("load.json");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_annulus"))
        .arg("load")
        .args(args)
        .arg("--json")
        .arg(&file)
        .output()
        .unwrap();
    let text = std::fs::read_to_string(&file).unwrap_or_else(|_| "null".to_owned());
    (output, serde_json::from_str(&text).unwrap())
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_it_counts_is_what_the_server_saw() {
    if !ready() {
        return;
    }
    let server = Server::start(greet);
    let url = format!("http://{}/path", server.address);
    let args = [&url, "-n", "1000", "-c", "10", "--cores", "2", "--pipeline", "3"];
    let (output, json) = load(&args);
    assert!(output.status.success(), "{}", complaint(&output));
    assert_eq!(server.requests(), 1000);
    // ORDERING: as above.
    assert_eq!(server.connections.load(Ordering::SeqCst), 10);
    let requests = &json["requests"];
    for (name, count) in
        [("started", 1000), ("answered", 1000), ("failed", 0), ("unanswered", 0), ("unsent", 0)]
    {
        assert_eq!(requests[name], count, "{name}");
    }
    assert_eq!((&json["statuses"]["2xx"], &json["statuses"]["4xx"]), (&900.into(), &100.into()));
    assert_eq!((&json["connections_made"], &json["loop"]), (&10.into(), &"closed".into()));
    assert_eq!(json["latency_ns"]["count"], 1000);
    let over_time = json["answers_over_time"]["answers"].as_array().unwrap();
    assert_eq!(over_time.iter().map(|n| n.as_u64().unwrap()).sum::<u64>(), 1000);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("  status      2xx 900, 4xx 100\n"), "{text}");
}

#[test]
fn a_server_that_ends_each_connection_gets_another() {
    if !ready() {
        return;
    }
    let server = Server::start(greet_once);
    let url = format!("http://{}/", server.address);
    for more in [&["-n", "60"][..], &["-n", "60", "--no-keep-alive"]] {
        let before = server.requests();
        let (output, json) = load(&[&[url.as_str(), "-c", "4"], more].concat());
        assert!(output.status.success(), "{}", complaint(&output));
        assert_eq!(server.requests() - before, 60);
        assert_eq!(json["requests"]["answered"], 60, "{json}");
        assert!(json["connections_made"].as_u64().unwrap() >= 60);
    }
}

#[test]
fn messages_come_back_through_tcp_and_each_byte_is_looked_at() {
    if !ready() {
        return;
    }
    let server = Server::start(echo);
    let address = server.address.to_string();
    for size in ["1", "64", "100000"] {
        let args = ["tcp", &address, "-n", "200", "-c", "5", "--pipeline", "4", "--size", size];
        let (output, json) = load(&args);
        assert!(output.status.success(), "{}", complaint(&output));
        assert_eq!(json["requests"]["answered"], 200);
        let bytes = 200 * size.parse::<u64>().unwrap();
        assert_eq!((&json["received_bytes"], &json["sent_bytes"]), (&bytes.into(), &bytes.into()));
    }

    let liar = Server::start(|stream, requests| {
        let mut message = [0; 64];
        loop {
            stream.read_exact(&mut message)?;
            // Every fourth message comes back with a wrong byte.
            message[63] ^= u8::from(count(requests) % 4 == 3);
            stream.get_mut().write_all(&message)?;
        }
    });
    let (_, json) = load(&["tcp", &liar.address.to_string(), "-n", "40", "-c", "1"]);
    assert_eq!((&json["requests"]["answered"], &json["errors"]["wrong"]), (&30.into(), &10.into()));
}

/// Answers what a Redis would, if values have five bytes.
fn be_redis(stream: &mut BufReader<TcpStream>, requests: &AtomicU64) -> std::io::Result<()> {
    let mut line = String::new();
    loop {
        let mut words = Vec::new();
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        for _ in 0..line[1..].trim_end().parse::<usize>().unwrap() {
            for _ in 0..2 {
                line.clear();
                stream.read_line(&mut line)?;
            }
            words.push(line.trim_end().to_owned());
        }
        count(requests);
        let answer: &[u8] = match words[0].as_str() {
            "SET" if words[2].len() == 5 => b"+OK\r\n",
            "GET" if words[1] == "key:000000000000" => b"$-1\r\n",
            "GET" => b"$4\r\n+\r\n$\r\n",
            _ => b"-ERR unknown\r\n",
        };
        stream.get_mut().write_all(answer)?;
    }
}

#[test]
fn values_are_set_and_got_over_the_protocol_of_redis() {
    if !ready() {
        return;
    }
    let server = Server::start(be_redis);
    let url = format!("redis://{}", server.address);
    let args = [&url, "-n", "600", "-c", "3", "--pipeline", "4", "--sets", "3", "--keys", "5"];
    let (output, json) = load(&[&args[..], &["--size", "5"]].concat());
    assert!(output.status.success(), "{}", complaint(&output));
    assert_eq!((server.requests(), &json["requests"]["answered"]), (600, &600.into()));
    // An error is no answer to what was asked.
    let (output, json) = load(&[&args[..], &["--size", "6"]].concat());
    assert!(output.status.success());
    assert!(json["errors"]["wrong"].as_u64().unwrap() > 0, "{json}");
}

#[test]
fn an_open_loop_starts_what_was_scheduled_and_counts_from_when_it_was_due() {
    if !ready() {
        return;
    }
    // The first request on the only connection is answered after half a second. Fifty more fall
    // due meanwhile. A closed loop would have waited with them, and seen one slow answer.
    let server = Server::start(|stream, requests| {
        while read_head(stream)? {
            if count(requests) == 0 {
                idle(Duration::from_millis(500));
            }
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
        }
        Ok(())
    });
    let url = format!("http://{}/", server.address);
    let (output, json) = load(&[&url, "--rate", "100", "-n", "60", "-c", "1", "--cores", "1"]);
    assert!(output.status.success(), "{}", complaint(&output));
    let requests = &json["requests"];
    assert_eq!((&requests["started"], &requests["answered"]), (&60.into(), &60.into()));
    assert_eq!(requests["unsent"], 0);
    let ns = |which: &str, what: &str| json[which][what].as_u64().unwrap();
    // Most of them waited: half of all at least for 200 ms, as nobody was served before 500 ms.
    assert!(ns("latency_ns", "p50") >= 190_000_000, "{json}");
    assert!(ns("latency_ns", "max") >= 499_000_000 && ns("service_ns", "max") >= 499_000_000);
    // From when they were sent, only the one was slow for sure: that is what is corrected.
    assert!(ns("service_ns", "p50") < ns("latency_ns", "p50"), "{json}");
}

#[test]
fn every_request_of_a_schedule_is_sent_or_said_to_be_unsent() {
    if !ready() {
        return;
    }
    // Nobody answers, so each connection sends one request and then waits for the timeout.
    let server = Server::start(|stream, _| stream.read_to_end(&mut Vec::new()).map(drop));
    let address = server.address.to_string();
    let args = ["tcp", &address, "--rate", "200", "-d", "500ms", "-c", "3", "--cores", "2"];
    let (_, json) = load(&[&args[..], &["--timeout", "1s"]].concat());
    let number = |name: &str| json["requests"][name].as_u64().unwrap();
    assert_eq!(number("started") + number("unsent"), 100, "{json}");
    assert_eq!(number("started"), number("failed") + number("unanswered"));
    assert!(number("unsent") > 0, "three connections cannot have sent it all");
}

#[test]
fn what_fails_is_counted_by_kind() {
    if !ready() {
        return;
    }
    // A port that stays taken, and at which nobody listens.
    let taken = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&taken, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let nobody = SocketAddr::try_from(getsockname(&taken).unwrap()).unwrap().to_string();
    let (output, json) = load(&["tcp", &nobody, "-n", "10"]);
    assert_eq!((output.status.code(), json), (Some(1), Value::Null));
    let said = complaint(&output);
    assert!(said.contains(&format!("cannot connect to {nobody}: ")), "{said}");

    let closing = Server::start(|stream, requests| {
        while read_head(stream)? && count(requests) % 5 != 4 {
            stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
        }
        Ok(())
    });
    let url = format!("http://{}/", closing.address);
    let (_, json) = load(&[&url, "-n", "100", "-c", "1"]);
    let (answered, closed) = (&json["requests"]["answered"], &json["errors"]["closed"]);
    assert_eq!((answered, closed), (&80.into(), &20.into()), "{json}");

    let silent = Server::start(|stream, _| stream.read_to_end(&mut Vec::new()).map(drop));
    let address = silent.address.to_string();
    let (output, json) = load(&["tcp", &address, "-n", "4", "-c", "2", "--timeout", "500ms"]);
    assert_eq!(output.status.code(), Some(1), "nothing was answered");
    assert_eq!((&json["errors"]["timed_out"], &json["requests"]["failed"]), (&4.into(), &4.into()));

    let gossip = Server::start(|stream, _| {
        let mut message = [0; 64];
        loop {
            stream.read_exact(&mut message)?;
            stream.get_mut().write_all(&[&message[..], b"and more"].concat())?;
        }
    });
    let (_, json) = load(&["tcp", &gossip.address.to_string(), "-n", "10", "-c", "1"]);
    assert!(json["connections_unasked"].as_u64().unwrap() > 0, "{json}");
}

#[test]
fn an_interrupt_ends_it_with_the_summary() {
    if !ready() {
        return;
    }
    let server = Server::start(echo);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("load.json");
    let address = server.address.to_string();
    let args = ["load", "tcp", &address, "-d", "1000s", "--json", file.to_str().unwrap()];
    let program = Program::start(&args);
    // ORDERING: as above.
    while server.connections.load(Ordering::SeqCst) < 64 {
        thread::yield_now();
    }
    let (status, said) = program.end(libc::SIGINT);
    assert!(said.starts_with("Stopping.\n"), "{said}");
    let json: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(json["interrupted"], true);
    // It may have come before the first answer.
    assert_eq!(status.success(), json["requests"]["answered"] != 0);
    let number = |name: &str| json["requests"][name].as_u64().unwrap();
    let ended = number("answered") + number("failed") + number("unanswered");
    assert_eq!(number("started"), ended);
}

#[test]
fn what_makes_no_sense_is_said_before_anything_is_connected() {
    for (args, said) in [
        (&["https://127.0.0.1:1/"][..], "https needs TLS"),
        (&["http://127.0.0.1:1/", "-H", "nothing"], "is no header"),
        (&["tcp", "127.0.0.1:1", "--server-pid", "0"], "CPU time of process 0"),
        (&["tcp", "no-such-host.invalid:1"], "cannot find no-such-host.invalid:1"),
    ] {
        let (output, _) = load(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(complaint(&output).contains(said), "{}", complaint(&output));
    }
}

#[test]
fn it_loads_annulus_serve_and_annulus_echo_and_draws_what_it_saw() {
    if !ready() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path().to_str().unwrap();
    std::fs::write(directory.path().join("a"), vec![b'x'; 1024]).unwrap();
    let mut server = Program::start(&["serve", files, "--addr", "127.0.0.1:0", "--cores", "1"]);
    let line = server.line();
    let url = format!("{}/a", line.strip_prefix("Listening on ").unwrap());
    let (pid, svg) = (server.pid().to_string(), directory.path().join("load.svg"));
    let args = [&url, "-n", "500", "--server-pid", &pid, "--svg", svg.to_str().unwrap()];
    let (output, json) = load(&args);
    assert!(output.status.success(), "{}", complaint(&output));
    assert_eq!(json["statuses"]["2xx"], 500);
    assert!(json["received_bytes"].as_u64().unwrap() > 500 * 1024);
    assert!(json["server_cpu"]["us_per_answer"].is_number());
    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(server.end(libc::SIGTERM).0.success());

    let mut echo = Program::start(&["echo", "--addr", "127.0.0.1:0"]);
    let line = echo.line();
    let address = line.strip_prefix("Listening on ").unwrap();
    let (output, json) = load(&["tcp", address, "-n", "500", "--pipeline", "8"]);
    assert!(output.status.success(), "{}", complaint(&output));
    assert_eq!(json["requests"]["answered"], 500);
    assert!(echo.end(libc::SIGTERM).0.success());
}
